// node test/stress/hostile.mjs [--plants 10000] [--seed 1] [--node <binary>]
// As root on Linux: plants every kind of wrong file at every name of ours (owner, mode, link, pipe, socket, device, size, content), some at
// once, while programs use the folder. No code that somebody else planted reaches the engine (or V8: the program computes what it should), no
// file of others changes, nothing blocks or takes memory, and no program is later than without the hook by more than 100 ms.
import '../../scripts/built.mjs';
import { fork, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { register } from '../../.test-build/support/processes.js';
import { atLeast } from '../../bench/processes.mjs';
import { decodeArtifact, encodeArtifact } from '../../dist/artifact/artifact.js';
import { artifactOf } from '../../dist/artifact/module.js';
import { entryName } from '../../dist/caches/entry-name.js';
import { hostTag } from '../../dist/files/write.js';
import { HashedModuleData } from '../../dist/index.js';
import { dayOf } from '../../dist/statistics/day-files.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { paddedModule } from './modules.mjs';

const { values } = parseArgs({
  options: {
    plants: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    node: { type: 'string' },
  },
});
const plants = atLeast('plants', values.plants, 1);
const node = values.node ?? process.execPath;
if (process.getuid?.() !== 0 || process.platform !== 'linux') throw new Error('This must run as root on Linux');

const STRANGER = 65_534;
const CHILDREN = 2;
const OFFSETS = [1, 2, 3];
/** A program of its own is started after so many plants. */
const PROGRAM_EVERY = 100;
const MAX_LATER = 100;
const MAX_MEMORY = 400;
const HANGS_AFTER = 60_000;

/** Mulberry32: the same plants for the same seed. */
let state = Number(values.seed);
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const pick = (list) => list[Math.floor(random() * list.length)];

const work = fs.mkdtempSync(path.join(tmpdir(), 'wasm-cache-hostile-'));
fs.chmodSync(work, 0o755);
const folder = path.join(work, 'cache');
const hooked = path.join(work, 'hooked');
const wrong = [];
const counts = {};

// What belongs to others. Nothing of it may change.
const outside = path.join(work, 'outside');
const victims = {
  file: path.join(outside, 'file'),
  folder: path.join(outside, 'folder'),
  evil: path.join(outside, 'evil.artifact'),
};
fs.mkdirSync(victims.folder, { recursive: true });
fs.writeFileSync(victims.file, 'precious', { mode: 0o600 });
fs.writeFileSync(path.join(victims.folder, 'in it'), 'precious');

const modules = OFFSETS.map((offset) => HashedModuleData.sha256(paddedModule(offset, 1000)));
const evilEngine = new FakeEngine();
evilEngine.nativeCode = Buffer.from(`EVIL ${'x'.repeat(10_000)}`);
const evilOf = ({ hash, wireBytes }) =>
  encodeArtifact({ ...artifactOf(hash, evilEngine, evilEngine.compileSync(wireBytes)), generation: 9, final: true });

const program = path.join(work, 'program.mjs');
const MODULE_LENGTH = 70_000;
fs.writeFileSync(
  program,
  `import fs from 'node:fs';
const module = new WebAssembly.Module(fs.readFileSync(process.argv[2]));
const { sum } = new WebAssembly.Instance(module).exports;
let result = 0;
for (let i = 0; i < 300; i++) result = sum(10_000);
console.log(result);`,
);
const wasm = OFFSETS.map((offset) => {
  const file = path.join(work, `${offset}.wasm`);
  fs.writeFileSync(file, paddedModule(offset, MODULE_LENGTH));
  return file;
});
const clean = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(NODE_|WASM_CACHE|npm_)/.test(name)),
);

function runProgram(index, isHooked) {
  const args = [...(isHooked ? ['--import', register] : []), program, wasm[index]];
  const start = performance.now();
  const env = { ...clean, WASM_CACHE_DIR: hooked, WASM_CACHE_LEARN: 'off' };
  const { status, signal, stdout, stderr } = spawnSync(node, args, { env, encoding: 'utf8', timeout: HANGS_AFTER });
  return { ms: performance.now() - start, status, signal, stdout, stderr };
}

function checkProgram() {
  const index = Math.floor(random() * OFFSETS.length);
  const plain = runProgram(index, false);
  let later = Infinity;
  // The machine may be busy with something else.
  for (let attempt = 0; attempt < 5 && later > MAX_LATER; attempt++) {
    const { ms, status, signal, stdout, stderr } = runProgram(index, true);
    if (status !== 0 || stdout !== plain.stdout) {
      wrong.push(
        `a program ended with ${status ?? signal} and gave ${stdout.trim()}, not ${plain.stdout.trim()}: ${stderr}`,
      );
    }
    later = Math.min(later, ms - Math.max(plain.ms, attempt > 0 ? runProgram(index, false).ms : 0));
  }
  counts.latest = Math.max(counts.latest ?? 0, Math.round(later));
  if (later > MAX_LATER) wrong.push(`a program was later by ${Math.round(later)} ms`);
}

const evil = evilWith();
/** @returns an evil artifact for each name of an artifact, in both folders */
function evilWith() {
  const files = new Map(
    modules.map((each) => [entryName({ key: each.hash, engineId: evilEngine.deterministicId }), evilOf(each)]),
  );
  for (let run = 0; run < 3; run++) for (const index of OFFSETS.keys()) runProgram(index, true);
  const artifacts = fs.readdirSync(hooked, { recursive: true }).filter((name) => name.endsWith('.artifact'));
  if (artifacts.length !== OFFSETS.length)
    throw new Error(`The hook stored ${artifacts.length} artifacts: ${artifacts}`);
  // Each gets the code of another module of the same size, which computes something else.
  const decoded = artifacts.map((name) => [name, decodeArtifact(fs.readFileSync(path.join(hooked, name)))]);
  for (const [at, [name, { key }]] of decoded.entries()) {
    const [, other] = decoded[(at + 1) % decoded.length];
    files.set(name, encodeArtifact({ ...other, key, generation: 9 }));
  }
  return files;
}

const engineFolders = [...new Set([...evil.keys()].map((name) => path.dirname(name)))];
const names = [
  ...[...evil.keys()].flatMap((name) => [name, name, name, name.replace('.artifact', '.loading')]),
  ...[...evil.keys()].map((name) => `${name}.${hostTag()}-1-0-abc.tmp`),
  ...modules.map(({ hash }) => `learning/${hash}.wasm`),
  ...engineFolders,
  ...['learning', 'programs', 'statistics', 'verdicts', 'wire-bytes', 'hook-code', 'swept', 'sweep.lock'],
  ...['programs/app_main.js.json', `statistics/${dayOf(Date.now())}`, 'statistics/10000'],
  `verdicts/${'0'.repeat(64)}.json`,
  // What the hook made for the programs: its own code, what it preloads, what comes only once.
  ...hookFiles(),
];

/** By the names that the hook gave them, and would give them on a Node that does not preload. */
function hookFiles() {
  const script = program.replace(/[^\w.+-]/g, '_').slice(-200);
  const made = fs
    .readdirSync(hooked, { recursive: true })
    .filter((name) => /^(programs|wire-bytes|hook-code)\//.test(name));
  const keys = wasm.map((file) => HashedModuleData.sha256(fs.readFileSync(file)).hash);
  const expected = [
    `programs/${script}.preload`,
    `programs/${script}.keys`,
    ...keys.map((key) => `wire-bytes/${key}.wasm`),
  ];
  counts.made = made.length;
  return [...new Set([...expected, ...made])];
}

/**
 * Each makes a file or folder aside; the plant then has its owner and mode from its first moment in the cache folder. Made in place it would be
 * the user's own, and rightly loaded, until the next call.
 */
const kinds = {
  owner: (file, content) => {
    fs.writeFileSync(file, content, { mode: 0o600 });
    fs.chownSync(file, STRANGER, STRANGER);
  },
  'mode 666': (file, content) => {
    fs.writeFileSync(file, content);
    fs.chmodSync(file, 0o666);
  },
  'mode 620': (file, content) => {
    fs.writeFileSync(file, content);
    fs.chmodSync(file, 0o620);
  },
  'link to a file': (file, content) => {
    fs.writeFileSync(victims.evil, content);
    fs.symlinkSync(victims.evil, file);
  },
  'link to a precious file': (file) => fs.symlinkSync(victims.file, file),
  'link to a folder': (file) => fs.symlinkSync(victims.folder, file),
  'link to nowhere': (file) => fs.symlinkSync(path.join(outside, 'nowhere'), file),
  'hard link': (file, content) => {
    fs.writeFileSync(victims.evil, content);
    fs.linkSync(victims.evil, file);
  },
  'hard link to a precious file': (file) => fs.linkSync(victims.file, file),
  pipe: (file) => mknod(file, 'p'),
  'device null': (file) => mknod(file, 'c', '1', '3'),
  'device zero': (file) => mknod(file, 'c', '1', '5'),
  socket: (file) => {
    fs.rmSync(path.join(work, 's'), { force: true });
    spawnSync('python3', [
      '-c',
      `import socket; socket.socket(socket.AF_UNIX).bind(${JSON.stringify(path.join(work, 's'))})`,
    ]);
    if (fs.existsSync(path.join(work, 's'))) fs.renameSync(path.join(work, 's'), file);
  },
  folder: (file) => fs.mkdirSync(file),
  'open folder': (file, _content, name) => {
    fs.mkdirSync(file);
    fs.chmodSync(file, 0o777);
    for (const [artifact, bytes] of evil)
      if (name === path.dirname(artifact)) fs.writeFileSync(path.join(file, path.basename(artifact)), bytes);
  },
  "stranger's folder": (file, content, name) => {
    kinds['open folder'](file, content, name);
    fs.chmodSync(file, 0o700);
    fs.chownSync(file, STRANGER, STRANGER);
  },
  huge: (file) => {
    fs.writeFileSync(file, '');
    fs.truncateSync(file, 3e9);
  },
  empty: (file) => fs.writeFileSync(file, ''),
  random: (file) => fs.writeFileSync(file, Buffer.from(Array.from({ length: 500 }, () => random() * 256))),
  'cut off': (file, content) => fs.writeFileSync(file, content.subarray(0, random() * 300)),
};

/** Wire bytes are of a module, mostly of another one. */
function evilText(name) {
  return name.startsWith('wire-bytes/') ? fs.readFileSync(pick(wasm)) : Buffer.from('text of others');
}

function mknod(file, ...how) {
  spawnSync('mknod', [file, ...how]);
}

/** In place of whatever is there. @returns what puts things right again */
function plant() {
  const directory = random() < 0.7 ? folder : hooked;
  const name = pick(names);
  const kind = pick(Object.keys(kinds));
  const file = path.join(directory, name);
  const aside = path.join(work, `aside-${planted}`);
  const making = path.join(work, 'making');
  const isReachable = () => fs.lstatSync(path.dirname(file), { throwIfNoEntry: false })?.isDirectory() === true;
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    if (isReachable() && fs.lstatSync(file, { throwIfNoEntry: false })) fs.renameSync(file, aside);
    kinds[kind](making, evil.get(name) ?? evilText(name), name);
    if (isReachable()) fs.renameSync(making, file);
  } catch (error) {
    // A program was faster, or another plant is in the way.
    if (!['EEXIST', 'ENOENT', 'ENOTDIR', 'ENOTEMPTY', 'EISDIR'].includes(error.code)) throw error;
  }
  fs.rmSync(making, { recursive: true, force: true });
  latest.push(`${kind} at ${name}`);
  counts[kind] = (counts[kind] ?? 0) + 1;
  planted++;
  return () => {
    // Not through another plant.
    if (isReachable()) fs.rmSync(file, { recursive: true, force: true });
    fs.rmSync(aside, { recursive: true, force: true });
  };
}

/** What was planted last, for messages. */
let latest = [];
function plantSome() {
  latest = [];
  return Array.from({ length: 1 + Math.floor(random() * 6) }, plant);
}

/** A plant that only the user could have made is loaded: else this whole program would see nothing. */
async function checkThatPlantsAreSeen() {
  const [name, bytes] = evil.entries().next().value;
  fs.mkdirSync(path.join(folder, path.dirname(name)), { recursive: true, mode: 0o700 });
  fs.writeFileSync(path.join(folder, name), bytes, { mode: 0o600 });
  const answers = await Promise.all(children.map(({ use }) => use()));
  // The first one removes it, because its engine refuses it.
  if (answers.every(({ foreign }) => foreign === 0))
    throw new Error('The engine did not even get the code of a file that belongs to the user');
  fs.rmSync(path.join(folder, path.dirname(name)), { recursive: true });
}

function checkVictims(what) {
  const seen = [
    fs.readFileSync(victims.file, 'utf8'),
    fs.statSync(victims.file).mode & 0o777,
    ...fs.readdirSync(victims.folder),
  ];
  const kept = ['precious', 0o600, 'in it'];
  if (JSON.stringify(seen) !== JSON.stringify(kept)) wrong.push(`${what}: files of others are ${JSON.stringify(seen)}`);
  if (fs.existsSync(path.join(outside, 'nowhere'))) wrong.push(`${what}: a file was made through a link`);
  const evilFile = fs.statSync(victims.evil, { throwIfNoEntry: false });
  if (evilFile && evilFile.size === 0) wrong.push(`${what}: a file of others was truncated`);
}

function startChild() {
  const child = fork(fileURLToPath(new URL('hostile-child.mjs', import.meta.url)), [folder, ...OFFSETS], {
    execPath: node,
    execArgv: [],
  });
  const answers = [];
  child.on('message', (message) => answers.shift()?.(message));
  child.on('exit', (code, signal) => isOver || wrong.push(`a program of the library ended: ${code ?? signal}`));
  const next = () =>
    new Promise((resolve, reject) => {
      const timer = globalThis.setTimeout(() => reject(new Error('a program of the library hangs')), HANGS_AFTER);
      answers.push((message) => {
        clearTimeout(timer);
        resolve(message);
      });
    });
  const use = () => {
    child.send('go');
    return next();
  };
  return { child, ready: next(), use };
}

let planted = 0;
let slowestCall = { ms: 0 };
let isOver = false;
const children = Array.from({ length: CHILDREN }, startChild);
try {
  await Promise.all(children.map(({ ready }) => ready));
  console.log(`Node ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}, seed ${values.seed}`);
  await checkThatPlantsAreSeen();
  for (let nextProgram = PROGRAM_EVERY; planted < plants && wrong.length < 20; ) {
    // Before the programs begin, or while they are at it.
    const early = random() < 0.5 ? plantSome() : [];
    const answers = Promise.all(children.map(({ use }) => use()));
    await setTimeout(random() * 30);
    const undo = early.length > 0 ? early : plantSome();
    const what = `plant ${planted}`;
    if (planted >= nextProgram) {
      nextProgram += PROGRAM_EVERY;
      await answers;
      checkProgram();
    }
    for (const { slowest, foreign, rss } of await answers) {
      if (foreign > 0) wrong.push(`${what}: foreign code reached the engine ${foreign} times: ${latest.join(', ')}`);
      if (rss > MAX_MEMORY) wrong.push(`${what}: a program took ${Math.round(rss)} MB`);
      if (slowest.ms > slowestCall.ms) slowestCall = slowest;
      counts.memory = Math.max(counts.memory ?? 0, Math.round(rss));
    }
    checkVictims(what);
    for (const each of undo.reverse()) each();
  }
} finally {
  isOver = true;
  for (const { child } of children) child.kill();
  fs.rmSync(work, { recursive: true, force: true });
}
console.log(JSON.stringify(counts));
console.log(`The slowest call took ${Math.round(slowestCall.ms)} ms: ${slowestCall.action}`);
for (const each of wrong) console.error(each);
console.log(wrong.length === 0 ? `${planted} plants: nothing is wrong.` : `${wrong.length} are wrong.`);
process.exitCode = wrong.length === 0 ? 0 : 1;
