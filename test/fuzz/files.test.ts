import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { Signer } from '../../dist/artifact/signature.js';
import { CrashGuard } from '../../dist/caches/crash-guard.js';
import { CacheError, ModuleHash } from '../../dist/index.js';
import type { JobContent } from '../../dist/learning/job-format.js';
import { LearningJobs } from '../../dist/learning/jobs.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { arbitraryBytes, arbitraryMutations, arbitraryText, holds, mutate } from '../support/fuzz.js';
import { temporaryDirectory } from '../support/processes.js';

const directory = temporaryDirectory();
const key = ModuleHash.parseHex('0011223344556677');
const unsigned = new LearningJobs(directory);
const ours = new LearningJobs(directory, new Signer(['a-secret-of-many-letters']));
const theirs = new LearningJobs(directory, new Signer(['the-secret-of-somebody-else']));
const file = unsigned.file(key);

const HEADER_LENGTH = 52;
const contents = fc.record({
  engineId: arbitraryText,
  coverage: fc.constantFrom('hot' as const, 'full' as const),
  wireLength: fc.maxSafeNat(),
  part: arbitraryBytes(100),
});
const lengths = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.constantFrom(2n ** 53n - 1n, 2n ** 53n));

function create(jobs: LearningJobs, content: JobContent): void {
  jobs.remove(key);
  assert.ok(jobs.add(key, content));
  const { part, ...rest } = jobs.read(key);
  assert.deepEqual({ ...rest, part: [...part] }, { ...content, part: [...content.part] });
}

/** Every reader refuses the file, or it has its full length. */
function assertTotal(bytes: Uint8Array, expected?: JobContent): void {
  writeFileSync(file, bytes);
  for (const jobs of [unsigned, ours, theirs]) {
    let content: JobContent;
    try {
      content = jobs.read(key);
    } catch (error) {
      const isRight = CacheError.is(error, 'Other') || (jobs !== unsigned && CacheError.is(error, 'Untrusted'));
      assert.ok(isRight && error.message !== '', String(error));
      continue;
    }
    assert.ok(Number.isSafeInteger(content.wireLength) && content.wireLength >= 0, `${content.wireLength}`);
    if (expected) assert.deepEqual({ ...content, part: [...content.part] }, { ...expected, part: [...expected.part] });
  }
}

describe("learners' jobs", () => {
  holds('of any content come back as they were', [contents], (content) => {
    create(unsigned, content);
    assert.throws(() => ours.read(key), ofKind('Untrusted'));
    create(ours, content);
    assert.throws(() => theirs.read(key), ofKind('Untrusted'));
    unsigned.read(key);
  });

  holds('are not left behind when they cannot be made', [fc.double(), arbitraryBytes(10)], (wireLength, part) => {
    unsigned.remove(key);
    try {
      unsigned.add(key, { engineId: 'engine', coverage: 'hot', wireLength, part });
    } catch {
      assert.equal(existsSync(file), false);
      return;
    }
    // Cannot contain a negative zero.
    if (Number.isSafeInteger(wireLength)) assert.equal(unsigned.read(key).wireLength, wireLength + 0);
    else assert.throws(() => unsigned.read(key), ofKind('Other'));
  });

  holds('are not read from any bytes', [arbitraryBytes(100)], (bytes) => assertTotal(bytes));

  holds('are read from damaged files, or refused', [contents, arbitraryMutations], (content, all) => {
    for (const jobs of [unsigned, ours]) {
      create(jobs, content);
      assertTotal(mutate(readFileSync(file), all), content);
    }
  });

  const headers = [lengths, arbitraryBytes(32), arbitraryBytes(20)] as const;
  holds('are read from forgeries with correct checksums, or refused', [...headers], (length, rest, part) => {
    const header = Buffer.alloc(HEADER_LENGTH);
    header.writeBigUInt64LE(length, 8);
    header.set(rest, 16);
    header.writeUInt32LE((crc32(header.subarray(8)) ^ crc32(part)) >>> 0, 4);
    assertTotal(Buffer.concat([header, part]));
  });
});

describe("the crash guard's note", () => {
  const artifact = path.join(directory, 'abc.artifact');
  const note = artifact.replace('.artifact', '.loading');
  const guard = new CrashGuard(artifact);

  const numbers = fc.oneof(fc.nat(5).map(String), fc.constantFrom('-1', '1e400', 'NaN', '0x10', '1.5', '4294967296'));
  const histories = fc.tuple(fc.constantFrom('quarantined', 'replaced'), numbers, numbers);
  const lines = fc.oneof(
    fc.constantFrom('loading', 'crashed', 'loaded '),
    histories.map((parts) => parts.join(' ')),
    arbitraryText,
  );
  const notes: fc.Arbitrary<Uint8Array> = fc.oneof(
    arbitraryBytes(300),
    fc.array(lines).map((all) => Buffer.from(all.join('\n'))),
  );

  holds('may have any content', [notes], (content) => {
    writeFileSync(note, content);
    const quarantine = guard.quarantine();
    if (quarantine) {
      for (const count of Object.values(quarantine)) assert.ok(Number.isSafeInteger(count) && count >= 0, `${count}`);
    }
    const text = Buffer.from(content).toString('latin1');
    if (/^(crashed|quarantined( .*)?)$/m.test(text.split('\n')[0] ?? '')) assert.ok(quarantine, text);
    assert.equal(
      guard.watch(() => 'loaded'),
      'loaded',
    );
    guard.clear();
    assert.equal(guard.quarantine(), undefined);
  });

  holds('is gone after enough good tries', [fc.integer({ min: 1, max: 5 }), fc.nat(2)], (deaths, goodTries) => {
    let quarantine: ReturnType<CrashGuard['quarantine']> = { deaths, goodTries };
    for (let tries = goodTries; quarantine; tries++) {
      assert.deepEqual([quarantine, tries < 3], [{ deaths, goodTries: tries }, true]);
      guard.tryOut(quarantine, () => {});
      quarantine = guard.quarantine();
    }
    assert.equal(existsSync(note), false);
  });
});
