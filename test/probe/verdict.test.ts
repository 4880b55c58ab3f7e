import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { sweep } from '../../dist/caches/sweep.js';
import { untriedEngine } from '../../dist/engine/v8-engine.js';
import { CacheError, FileSystemCache, probeV8 } from '../../dist/index.js';
import { keepVerdict, keptVerdict, probe } from '../../dist/probe/probe.js';
import { type KeptVerdict, readVerdict, subjectOf, verdictFile } from '../../dist/probe/verdict.js';
import { SECRET } from '../support/bundles.js';
import { filesIn, root, temporaryDirectory } from '../support/processes.js';

const DAY = 24 * 3_600_000;
const subject = subjectOf(untriedEngine().id as string);
const YES: KeptVerdict = { isUsable: true, subject, triedAt: Date.now(), steps: [{ name: 'open', milliseconds: 1 }] };
const NO = { ...YES, isUsable: false, reason: 'step "load": it crashed with SIGSEGV' };

async function keep(verdict: KeptVerdict, secret?: string) {
  const directory = temporaryDirectory();
  const cache = new FileSystemCache(directory, { secret });
  await keepVerdict(cache, verdict);
  return { directory, cache, file: path.join(directory, verdictFile(verdict.subject)) };
}

describe('a verdict', () => {
  it('is kept in the cache folder, for its own engine, addon and steps', async () => {
    const { cache, directory, file } = await keep(YES);
    assert.deepEqual(filesIn(directory), [file]);
    assert.deepEqual(readVerdict(cache, subject), YES);
    assert.deepEqual(keptVerdict(cache), YES);
    assert.equal(readVerdict(cache, `${subject}0`), undefined);
    assert.match(subject, /^node-v.*_trap_tag-[0-9a-f]{8}_addon-[0-9a-f]+_steps-\d+$/);
  });

  it('does not count for another Node with the same name', async () => {
    const { cache, file } = await keep({ ...YES, subject: 'node-v25.0.0_v8-14.1' });
    const own = path.join(cache.directory, verdictFile(subject));
    writeFileSync(own, readFileSync(file));
    assert.equal(readVerdict(cache, subject), undefined);
  });

  it('does not count when it is damaged', async () => {
    const { cache, file } = await keep(NO);
    const bytes = readFileSync(file);
    const line = bytes.indexOf('\n');
    for (let length = 0; length < line; length++) {
      writeFileSync(file, bytes.subarray(0, length));
      assert.equal(readVerdict(cache, subject), undefined, `cut off after ${length} bytes`);
    }
    for (let at = 0; at < line; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] as number) ^ 1;
      writeFileSync(file, damaged);
      assert.notEqual(readVerdict(cache, subject)?.isUsable, true, `a bit of byte ${at}`);
    }
    for (const text of ['null', '[]', '{}', '{"isUsable":"yes"}']) {
      writeFileSync(file, `${text}\n-\n`);
      assert.equal(readVerdict(cache, subject), undefined, text);
    }
  });

  it('that says no expires after a week, and one that says yes does not', async () => {
    for (const [verdict, days, isKept] of [
      [NO, 6, true],
      [NO, 8, false],
      [NO, -8, false],
      [YES, 400, true],
    ] as const) {
      const { cache } = await keep({ ...verdict, triedAt: Date.now() - days * DAY });
      assert.equal(readVerdict(cache, subject) !== undefined, isKept, `${verdict.isUsable} of ${days} days ago`);
    }
  });

  it('counts only with a signature, if there is a secret', async () => {
    const { cache, directory, file } = await keep(YES, SECRET);
    assert.deepEqual(readVerdict(cache, subject), YES);
    const other = new FileSystemCache(directory, { secret: 'another-secret-of-somebody' });
    assert.equal(readVerdict(other, subject), undefined);
    const [line] = readFileSync(file, 'utf8').split('\n');
    writeFileSync(file, `${line}\n-\n`);
    assert.equal(readVerdict(cache, subject), undefined);
    await keepVerdict(cache, NO);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"isUsable":false', '"isUsable":true'));
    assert.equal(readVerdict(cache, subject), undefined);
  });

  it('is not read where others may write', { skip: process.geteuid ? false : 'no file modes here' }, async () => {
    const { directory } = await keep(YES);
    chmodSync(directory, 0o777);
    const cache = new FileSystemCache(directory);
    assert.throws(
      () => readVerdict(cache, subject),
      (error) => CacheError.is(error, 'Untrusted'),
    );
    await assert.rejects(probe(cache), (error) => CacheError.is(error, 'Untrusted'));
  });

  it('is swept when it is old', async () => {
    const { cache, directory, file } = await keep(YES);
    for (const [days, removed] of [
      [80, []],
      [100, [file]],
    ] as const) {
      const seconds = Date.now() / 1000 - days * 24 * 3600;
      utimesSync(file, seconds, seconds);
      assert.deepEqual((await sweep(directory, cache.limits))?.removed, removed);
    }
  });
});

describe('probing', () => {
  it('is not needed on a tested version, and writes nothing', async () => {
    const directory = path.join(temporaryDirectory(), 'cache');
    assert.deepEqual(await probeV8({ directory }), { isUsable: true, reason: undefined, isTested: true });
    assert.throws(() => filesIn(directory), { code: 'ENOENT' });
    await assert.rejects(probeV8({ directory: '' }), TypeError);
    await assert.rejects(probeV8({ directory, signal: AbortSignal.abort() }), { name: 'AbortError' });
  });

  it('stores its verdict, also if two processes do it at once', async () => {
    const cache = new FileSystemCache(temporaryDirectory());
    const verdicts = await Promise.all([probe(cache), probe(cache)]);
    for (const verdict of verdicts) assert.equal(verdict?.isUsable, true);
    assert.equal(filesIn(cache.directory).length, 1);
    assert.ok(verdicts.some((verdict) => verdict?.triedAt === readVerdict(cache, subject)?.triedAt));
  });

  it('stores a no, with the step and the reason', async () => {
    const cache = new FileSystemCache(temporaryDirectory());
    const faulty = path.join(root, 'test/programs/faulty-step.mjs');
    const verdict = await probe(cache, { program: [faulty, 'crash', 'open'] });
    assert.equal(verdict?.isUsable, false);
    assert.match(verdict?.reason ?? '', /^step "open": it crashed with SIGABRT/);
    assert.deepEqual(readVerdict(cache, subject)?.reason, verdict?.reason);
    await assert.rejects(probe(cache, { program: [faulty, 'killed', 'open'] }), /SIGKILL/);
    assert.deepEqual(readVerdict(cache, subject)?.reason, verdict?.reason, 'somebody else ended it: no verdict');
  });

  it('reports a verdict that it could not write', async () => {
    const directory = temporaryDirectory();
    mkdirSync(path.join(directory, verdictFile(subject)), { recursive: true });
    const faulty = [path.join(root, 'test/programs/faulty-step.mjs'), 'crash', 'open'];
    await assert.rejects(
      probe(new FileSystemCache(directory), { program: faulty }),
      (error) => CacheError.is(error, 'FileWrite') && error.message.includes(verdictFile(subject)),
    );
  });
});
