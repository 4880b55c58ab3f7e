// node test/stress/damage.mjs [--decode 100000] [--end-to-end 2000] [--node <binary>]: checks that damaged entries do no
// harm. Decoding: every kind of reader reads damaged artifacts of real code. It refuses each with a CacheError, or V8 would get exactly
// the bytes that were serialised. End to end: processes find a damaged entry in their cache folder, most of them through the library
// (test/programs/load-damaged.mjs), the others through the hook. Each must compute the right result, end as usual, and leave a good
// entry, which the next process loads. Seeded: a failure prints how to repeat it.
import '../../scripts/built.mjs';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { register, runProgram } from '../../.test-build/support/processes.js';
import { atLeast } from '../../bench/processes.mjs';
import { checkSignature, decodeArtifact, decodeNativeCode } from '../../dist/artifact/artifact.js';
import { checkExpectation, decodeHeader, HEADER_LENGTH } from '../../dist/artifact/header.js';
import { Signer } from '../../dist/artifact/signature.js';
import { entryName } from '../../dist/caches/entry-name.js';
import {
  CacheError,
  compileAheadOfTime,
  decodeModuleSync,
  FileSystemCache,
  ModuleHash,
  V8Engine,
} from '../../dist/index.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { artifactsOf, damageTo, mayPass, SECRET, SUBJECTS, wireBytesOf } from './subjects.mjs';

const { values } = parseArgs({
  options: {
    decode: { type: 'string', default: '100000' },
    'end-to-end': { type: 'string', default: '2000' },
    node: { type: 'string' },
  },
});
if (values.node) {
  const args = [fileURLToPath(import.meta.url), '--decode', values.decode, '--end-to-end', values['end-to-end']];
  process.exit(spawnSync(values.node, args, { stdio: 'inherit' }).status ?? 1);
}
const decodeCount = atLeast('decode', values.decode, 1);
const endToEndCount = atLeast('end-to-end', values['end-to-end'], 1);

/** For the large module, whose artifact has 3 MB. */
const LARGE_PART = 0.05;
const HOOK_PART = 0.05;
/** Entries that one process loads. */
const BATCH = { everything: 50, 'sql.js': 10 };

/** Takes the place of V8, and checks that V8 would get the bytes that were serialised. */
class Recorder extends FakeEngine {
  compared = 0;
  #expected;

  constructor(engineId, ...expected) {
    super(engineId);
    this.#expected = expected;
  }

  deserialize(...parts) {
    this.compared++;
    if (parts.every((part, index) => Buffer.compare(part, this.#expected[index]) === 0)) return;
    throw new Error('V8 would have got other bytes than were serialised');
  }

  compileSync(wireBytes) {
    return this.deserialize(this.#expected[0], wireBytes);
  }
}

/** How often each way had each outcome. */
class Counts {
  #ways = new Map();

  add(way, outcome) {
    const outcomes = this.#ways.get(way) ?? {};
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    this.#ways.set(way, outcomes);
  }

  print(title) {
    const names = [...new Set([...this.#ways.values()].flatMap(Object.keys))].sort();
    const row = (name, outcomes) => [name, ...names.map((each) => outcomes[each] ?? 0)];
    const all = {};
    for (const outcomes of this.#ways.values()) {
      for (const [name, times] of Object.entries(outcomes)) all[name] = (all[name] ?? 0) + times;
    }
    const table = new Table({
      head: ['damage', ...names],
      colAligns: ['left', ...names.map(() => 'right')],
      style: { head: [], border: [], compact: true },
    });
    table.push(...[...this.#ways].sort().map(([way, outcomes]) => row(way, outcomes)), row('all', all));
    console.log(`\n${title}:\n${table}`);
  }
}

const wrong = [];
const work = mkdtempSync(path.join(tmpdir(), 'wasm-cache-damage-'));
try {
  const nativeCodes = {};
  for (const subject of SUBJECTS) nativeCodes[subject] = await optimisedInFull(subject);
  console.log(`Node ${process.version}, ${new V8Engine().deterministicId}`);
  for (const subject of SUBJECTS) decode(subject, nativeCodes[subject], partOf(subject, decodeCount));
  const hookCount = Math.ceil(endToEndCount * HOOK_PART);
  for (const subject of SUBJECTS) {
    throughLibrary(subject, nativeCodes[subject], partOf(subject, endToEndCount - hookCount));
  }
  throughHook(hookCount, nativeCodes['sql.js']);
} finally {
  rmSync(work, { recursive: true, force: true });
}
for (const each of wrong.slice(0, 50)) console.error(each);
console.log(wrong.length === 0 ? 'Nothing is wrong.' : `${wrong.length} are wrong.`);
process.exit(wrong.length === 0 ? 0 : 1);

/** Native code of all functions, for every variant of the module. */
async function optimisedInFull(subject) {
  const directory = path.join(work, 'optimised');
  const wireBytes = wireBytesOf(subject);
  await compileAheadOfTime(wireBytes, { directory });
  const cache = new FileSystemCache(directory, { wireBytes: 'omit' });
  return cache.readArtifactSync(ModuleHash.sha256(wireBytes), new V8Engine(), wireBytes.length).nativeCode;
}

function partOf(subject, count) {
  const large = Math.floor(count * LARGE_PART);
  return subject === 'sql.js' ? large : count - large;
}

function decode(subject, nativeCode, count) {
  const original = artifactsOf(subject, undefined, nativeCode);
  const { key, engineId, wireBytes, bytes } = original;
  const engine = new Recorder(engineId, nativeCode, wireBytes);
  const frontEnd = HEADER_LENGTH + nativeCode.length;
  const trusted = new Signer([SECRET]);
  const whole = (given, signer) => {
    const artifact = decodeArtifact(given);
    if (signer) checkSignature(given, artifact.nativeCode, artifact.wireBytes, signer);
    return decodeModuleSync(given, key, engine);
  };
  /** Reads as FileSystemCache does when it gets the wire bytes. */
  const front = (given, signer) => {
    const end = Math.max(HEADER_LENGTH, given.length - wireBytes.length);
    const [head, body] = [given.subarray(0, HEADER_LENGTH), given.subarray(HEADER_LENGTH, end)];
    const header = decodeHeader(head);
    checkExpectation(header, { key, engineId, wireLength: wireBytes.length });
    const isLaidOut = header.includesWireBytes && header.nativeLength === body.length;
    if (!isLaidOut) return whole(given, signer);
    decodeNativeCode(head, header, body);
    if (signer) checkSignature(head, body, wireBytes, signer);
    engine.deserialize(body, wireBytes);
  };
  const readers = {
    whole: (given) => whole(given),
    front: (given) => front(given),
    'whole, signed': (given) => whole(given, trusted),
    'front, signed': (given) => front(given, trusted),
  };
  for (const read of Object.values(readers)) read(bytes);
  if (engine.compared !== 4) wrong.push(`${subject}: the original is not read by all`);

  const counts = new Counts();
  for (let index = 0; index < count; index++) {
    const { name, way, bytes: damaged } = damageTo(original, index);
    // A reader of the front does not use the rest.
    const isUnread =
      damaged.length >= frontEnd && Buffer.compare(damaged.subarray(0, frontEnd), bytes.subarray(0, frontEnd)) === 0;
    for (const [reader, read] of Object.entries(readers)) {
      const isSigned = reader.endsWith('signed');
      let outcome = 'same bytes';
      try {
        read(damaged);
        const isHarmless = reader.startsWith('front') && isUnread;
        const isForged = way.startsWith('forged') && !isSigned && mayPass(damaged, bytes);
        if (!isHarmless && !isForged) wrong.push(`${subject}, ${reader}, ${name}: decoded`);
      } catch (error) {
        outcome = CacheError.is(error) ? error.kind : 'wrong';
        const isRight = outcome === 'Deserialize' || (outcome === 'Untrusted' && isSigned);
        if (!isRight) wrong.push(`${subject}, ${reader}, ${name}: ${error}`);
      }
      counts.add(way, outcome);
    }
  }
  counts.print(`${count} damaged artifacts of ${bytes.length} bytes (${subject}), decoded by 4 kinds of reader`);
}

function throughLibrary(subject, nativeCode, count) {
  const nativeCodeFile = path.join(work, `${subject}.native`);
  writeFileSync(nativeCodeFile, nativeCode);
  const counts = new Counts();
  let processes = 0;
  const batch = BATCH[subject];
  for (let first = 0; first < count; first += batch) {
    const directory = path.join(work, 'batch');
    const task = { directory, subject, nativeCodeFile, first, count: Math.min(batch, count - first) };
    for (const isDamaged of [true, false]) {
      processes++;
      const args = [JSON.stringify({ ...task, isDamaged })];
      const { status, signal, stdout, stderr } = runProgram('load-damaged.mjs', { args });
      if (status !== 0 || stderr !== '') {
        wrong.push(`${subject}, from ${first}: ended with ${status ?? signal}: ${stderr}`);
        continue;
      }
      const report = JSON.parse(stdout);
      wrong.push(...report.wrong);
      for (const [way, outcome] of report.outcomes) counts.add(way, outcome);
    }
    rmSync(directory, { recursive: true, force: true });
  }
  counts.print(`${count} damaged entries (${subject}) through the library, in ${processes} processes`);
}

/** One process for each entry, with a program that does not know about the cache, and one after it. */
function throughHook(count, nativeCode) {
  const program = fileURLToPath(new URL('../../bench/programs/sql.js.mjs', import.meta.url));
  const { stdout: expected } = runProgram(program);
  const counts = new Counts();
  let processes = 0;
  for (let index = 0; index < count; index++) {
    const [isIncluded, isSigned] = [1, 2].map((bit) => (index & bit) !== 0);
    const original = artifactsOf('sql.js', undefined, nativeCode, isIncluded);
    const { name, way, bytes } = damageTo(original, index);
    const directory = path.join(work, 'hook');
    const file = path.join(directory, entryName(original));
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, bytes);
    const env = { WASM_CACHE_DIR: directory, NODE_DEBUG: 'wasm-cache', ...(isSigned && { WASM_CACHE_SECRET: SECRET }) };
    const run = () => {
      processes++;
      const { status, signal, stdout, stderr } = runProgram(program, { nodeOptions: ['--import', register], env });
      if (status !== 0 || stdout !== expected || /Warning/.test(stderr)) {
        wrong.push(`hook, ${name}: ended with ${status ?? signal} and ${stdout}: ${stderr}`);
      }
      const told = /(hit|miss|loading) [0-9a-f]{64}|loading it did not pay/.exec(stderr)?.[0];
      const [word] = told?.split(' ') ?? [];
      // A load that failed.
      const outcome = word === 'loading' && told !== 'loading it did not pay' ? 'miss' : word;
      return { outcome, isSaved: /saved [0-9a-f]{64}/.test(stderr) };
    };
    const first = run();
    const { outcome } = first;
    const isHarmless = way.startsWith('forged') && !isSigned && mayPass(bytes, original.bytes);
    if (outcome !== 'miss' && !isHarmless) wrong.push(`hook, ${name}: ${outcome}`);
    let { isSaved } = first;
    // On a busy machine V8 may optimise nothing before the program ends; then there is nothing to save.
    for (let more = 3; more > 0 && outcome === 'miss' && !isSaved; more--) ({ isSaved } = run());
    const { outcome: again } = run();
    // After a slow hit, as on a busy machine, the hook does not load the artifact for a day.
    if (again !== 'hit' && again !== 'loading') wrong.push(`hook, ${name}: ${again} in the next process`);
    counts.add(way, outcome);
    rmSync(directory, { recursive: true, force: true });
  }
  counts.print(`${count} damaged entries (sql.js) through the hook, in ${processes} processes`);
}
