// node test/stress/disk.mjs [--levels 1000] [--limits 100] [--node <binary>]
// Saves several artifacts at once to disks that have room for some of them, or only for a part of one. The disks are file systems in
// memory (if this user may mount one) with different numbers of bytes or files free, and processes with different limits on the size
// of a file (`ulimit -f`). After each level, each save is done and loads as the same module, or was rejected with `FileWrite`. What was
// stored before is still there, and nothing is left over.
import '../../scripts/built.mjs';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fillUp, tmpfs, useUpFiles, withDisk } from '../../.test-build/support/disks.js';
import { filesIn } from '../../.test-build/support/processes.js';
import { atLeast } from '../../bench/processes.mjs';
import { CacheError, FileSystemCache, HashedModuleData, verifyCache } from '../../dist/index.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { check, paddedModule } from './modules.mjs';

const MiB = 2 ** 20;
/** All at once, one of them synchronously. A store checks the free space first, so a single save never fails later. */
const ASYNCHRONOUS = 5;
const MODULES = ASYNCHRONOUS + 1;
/** Room for all of them, the space that a store leaves free, and the block size of the disk. */
const DISK = 9 * MiB;
const FREE = (MODULES + 1.5) * MiB;
/** The files of a save: the folder, the entry and the one that was there; with some to spare. */
const FREE_FILES = 12;
/** The unit and the step of `ulimit -f`. */
const BLOCK = 512;

const { values } = parseArgs({
  options: {
    levels: { type: 'string', default: '1000' },
    limits: { type: 'string', default: '100' },
    node: { type: 'string' },
    // A process with a limit gets these arguments: the folder, and the bytes of native code.
    child: { type: 'string', multiple: true },
  },
});
const levels = atLeast('levels', values.levels, 2);
const limits = atLeast('limits', values.limits, 2);
if (values.node) {
  const args = [fileURLToPath(import.meta.url), '--levels', values.levels, '--limits', values.limits];
  process.exit(spawnSync(values.node, args, { stdio: 'inherit' }).status ?? 1);
}
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(2)); // which unmounts

/** Its native code differs in the last bytes only, which are checked when a module is made from it. */
class Engine extends FakeEngine {
  deserialized;

  deserialize(nativeCode, wireBytes) {
    this.deserialized = Buffer.from(nativeCode);
    return super.deserialize(nativeCode, wireBytes);
  }
}

const modules = Array.from({ length: MODULES }, (_, offset) => ({
  offset,
  data: HashedModuleData.sha256(paddedModule(offset, 1000)),
}));
const before = { offset: MODULES, data: HashedModuleData.sha256(paddedModule(MODULES, 1000)) };

function nativeCode({ offset }, size, version) {
  const start = new FakeEngine().nativeCode;
  return Buffer.concat([start, Buffer.alloc(Math.max(0, size - start.length - 1), offset + 1), Buffer.of(version)]);
}

/** Each module has its own engine object, which knows its native code. All have the same engine id. */
function engineFor(module, size, version) {
  const engine = new Engine();
  engine.nativeCode = nativeCode(module, size, version);
  return engine;
}

async function save(cache, module, size, version, isSynchronous = false) {
  const engine = engineFor(module, size, version);
  const compiled = engine.compileSync(module.data.wireBytes);
  try {
    if (isSynchronous) cache.saveSync(module.data.hash, engine, compiled);
    else await cache.save(module.data.hash, engine, compiled);
    return 'saved';
  } catch (error) {
    if (!CacheError.is(error, 'FileWrite')) return String(error?.stack ?? error);
    return /would leave less than/.test(error.message) ? 'refused' : 'failed';
  }
}

/** All modules at once, the synchronous one first, last, or while the others are under way. */
async function saveAll(directory, size, turn) {
  const cache = new FileSystemCache(directory);
  const outcomes = [];
  const saveOne = (module, isSynchronous) =>
    save(cache, module, size, 2, isSynchronous).then((outcome) => {
      outcomes[module.offset] = outcome;
    });
  const asynchronous = modules.slice(0, ASYNCHRONOUS);
  const synchronous = modules[ASYNCHRONOUS];
  const at = turn % (ASYNCHRONOUS + 1);
  const saves = asynchronous.slice(0, at).map((module) => saveOne(module, false));
  for (let tick = 0; tick < turn % 7; tick++) await new Promise((resolve) => setImmediate(resolve));
  saves.push(saveOne(synchronous, true), ...asynchronous.slice(at).map((module) => saveOne(module, false)));
  await Promise.all(saves);
  return outcomes;
}

if (values.child) {
  const [directory, size, turn] = values.child;
  console.log(JSON.stringify(await saveAll(directory, Number(size), Number(turn))));
  process.exit();
}

const start = performance.now();
const problems = [];
const newCounts = () => ({ levels: 0, saved: 0, refused: 0, failed: 0, torn: 0, leftBehind: 0, lost: 0 });
const TITLES = ['levels', 'saved', 'refused', 'failed', 'torn', 'left over', 'lost'];
const scratch = mkdtempSync(path.join(tmpdir(), 'wasm-cache-disk-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

/** The folder before each level: one module that stays as it is, and an old version of the first module with less code. */
const OLD_SIZE = 500;
const template = path.join(scratch, 'template');
for (const module of [before, modules[0]]) await save(new FileSystemCache(template), module, OLD_SIZE, 1);
const templateFiles = filesIn(template).map((file) => path.relative(template, file));

function reset(directory) {
  rmSync(directory, { recursive: true, force: true });
  for (const file of templateFiles) {
    mkdirSync(path.dirname(path.join(directory, file)), { recursive: true, mode: 0o700 });
    copyFileSync(path.join(template, file), path.join(directory, file));
  }
}

async function examine(directory, size, outcomes, counts, level, hadBefore = true) {
  const problem = (text) => problems.push(`${level}: ${text}`);
  counts.levels++;
  const cache = new FileSystemCache(directory);
  const expectedFiles = new Set();
  const expect = async (module, length, version) => {
    const engine = new Engine();
    try {
      const loaded = await cache.load(module.data.hash, engine);
      check(loaded, module.offset);
      if (!engine.deserialized.equals(nativeCode(module, length, version))) throw new Error('other native code');
    } catch (error) {
      if (CacheError.is(error, 'NotFound') && !CacheError.is(error.cause)) counts.lost++;
      else counts.torn++;
      problem(`module ${module.offset}: ${error?.stack}`);
    }
    expectedFiles.add(`${module.data.hash}.artifact`);
  };
  // First, because a load removes damaged entries.
  const { files } = await verifyCache(directory, { dryRun: true });
  for (const { file, outcome, reason } of files) {
    if (outcome === 'kept') continue;
    counts.torn++;
    problem(`${file} is ${outcome}: ${reason}`);
  }
  for (const module of modules) {
    const outcome = outcomes[module.offset];
    if (outcome === 'saved') await expect(module, size, 2);
    else if (module === modules[0] && hadBefore) await expect(module, OLD_SIZE, 1);
    if (['saved', 'refused', 'failed'].includes(outcome)) counts[outcome]++;
    else problem(`module ${module.offset}: ${outcome}`);
  }
  if (hadBefore) await expect(before, OLD_SIZE, 1);
  for (const file of existsSync(directory) ? filesIn(directory) : []) {
    if (expectedFiles.has(path.basename(file))) continue;
    counts.leftBehind++;
    problem(`left over: ${file}`);
  }
}

async function fullDisk(disk, counts) {
  const directory = path.join(disk, 'cache');
  for (let level = 0; level < levels; level++) {
    fillUp(disk, Infinity);
    reset(directory);
    const free = Math.round((level / (levels - 1)) * FREE);
    fillUp(disk, free);
    const outcomes = await saveAll(directory, MiB, level);
    await examine(directory, MiB, outcomes, counts, `${free} bytes free`);
  }
}

/** Once with an existing folder, and once without. */
async function fullOfFiles(disk, counts) {
  const directory = path.join(disk, 'cache');
  const size = 10 * OLD_SIZE;
  for (let free = 0; free <= FREE_FILES; free++) {
    for (const hadBefore of [true, false]) {
      useUpFiles(disk, Infinity);
      if (hadBefore) reset(directory);
      else rmSync(directory, { recursive: true, force: true });
      useUpFiles(disk, free);
      const outcomes = await saveAll(directory, size, free);
      await examine(directory, size, outcomes, counts, `${free} files free`, hadBefore);
    }
  }
}

async function limitedFiles(counts) {
  const directory = path.join(scratch, 'limited');
  // So that the last limits are enough.
  const size = Math.round(limits * 0.95) * BLOCK - 3000;
  for (let limit = 0; limit < limits; limit++) {
    reset(directory);
    const args = [
      fileURLToPath(import.meta.url),
      ...[directory, size, limit].flatMap((each) => ['--child', String(each)]),
    ];
    const { stdout, stderr, status } = spawnSync(
      'sh',
      ['-c', `ulimit -f ${limit} && exec "$@"`, 'sh', process.execPath, ...args],
      { encoding: 'utf8' },
    );
    if (status !== 0 || stderr) {
      problems.push(`ulimit -f ${limit}: status ${status}, ${stderr}`);
      continue;
    }
    await examine(directory, size, JSON.parse(stdout), counts, `ulimit -f ${limit}`);
  }
}

console.log(`${process.version}, ${MODULES} saves at once`);
console.log(''.padEnd(26), ...TITLES.map((title) => title.padStart(9)));
const report = (name, counts) =>
  console.log(name.padEnd(26), ...Object.values(counts).map((n) => String(n).padStart(9)));
const disk = path.join(scratch, 'disk');
for (const [name, options, use] of [
  ['full to the last byte', `size=${DISK}`, fullDisk],
  ['out of files', `size=${DISK},nr_inodes=64`, fullOfFiles],
]) {
  const counts = newCounts();
  const isDone = await withDisk(disk, tmpfs(options), async (folder) => {
    if (statfsSync(folder).blocks * statfsSync(folder).bsize !== DISK) problems.push('That is not the disk');
    await use(folder, counts);
  });
  if (isDone) report(name, counts);
  else console.log(`${name.padEnd(26)} NOT DONE: this user may not mount a file system`);
  // A short run may not reach every case.
  const isComplete = counts.saved && counts.failed && (counts.refused || use === fullOfFiles);
  if (isDone && !isComplete && levels >= 100) problems.push(`${name}: something was not tried at all`);
}
const counts = newCounts();
await limitedFiles(counts);
report('files cut off by ulimit -f', counts);
console.log(`${((performance.now() - start) / 1000).toFixed(1)} s`);
for (const problem of problems.slice(0, 20)) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
