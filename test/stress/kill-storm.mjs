// node test/stress/kill-storm.mjs [--kills 1000] [--writers 16] [--seed 1] [--node <binary>]
// Processes read, write and sweep one cache folder and are killed at random moments; another one replaces each. Every load must give
// the right module or none. Afterwards no lock stops a sweep, which leaves no temporary file, and everything
// in the folder is valid. Only the process number of the writer shows whether a temporary file is still being written. If another
// process has got that number, the file stays for a day; such files are counted.
import '../../scripts/built.mjs';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { seeded } from '../../.test-build/support/damage.js';
import { atLeast } from '../../bench/processes.mjs';
import { sweep } from '../../dist/caches/sweep.js';
import { verifyCache } from '../../dist/index.js';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '1000' },
    writers: { type: 'string', default: '16' },
    seed: { type: 'string', default: '1' },
    node: { type: 'string', default: process.execPath },
  },
});
const kills = atLeast('kills', values.kills, 1);
const writers = atLeast('writers', values.writers, 1);
const seed = atLeast('seed', values.seed, 0);

/** The most milliseconds between two kills: with two cores, most processes get something done before they die. */
const LONGEST_PAUSE = 500;
const worker = fileURLToPath(new URL('kill-storm-worker.mjs', import.meta.url));
const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(NODE_|WASM_CACHE_)/.test(key)));

const directory = mkdtempSync(path.join(tmpdir(), 'wasm-cache-storm-'));
const lock = path.join(directory, 'sweep.lock');
const random = seeded(seed);
const start = performance.now();
const counts = {};
const problems = [];
const living = new Set();
let started = 0;
let killed = 0;
let locksLeft = 0;
let temporaryFilesLeft = 0;
let isOver = false;

function startOne(role) {
  const args = [worker, directory, String(seed * 1_000_000 + started++), role];
  const child = spawn(values.node, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const each = { child, isKilled: false, isAtWork: false, ended: undefined };
  living.add(each);
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    each.isAtWork = true;
    const lines = (output + chunk).split('\n');
    output = lines.pop();
    for (const line of lines)
      for (const [name, n] of Object.entries(JSON.parse(line))) counts[name] = (counts[name] ?? 0) + n;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    errors += chunk;
  });
  child.on('exit', () => {
    if (ownerOfLock() === child.pid) locksLeft++;
    temporaryFilesLeft += temporaryFiles().filter((file) => writerOf(file) === child.pid).length;
  });
  each.ended = new Promise((resolve) => {
    child.on('close', (status, signal) => {
      living.delete(each);
      if (!each.isKilled || signal !== 'SIGKILL') problems.push(`A ${role} ended with ${status ?? signal}: ${errors}`);
      else if (errors) problems.push(`A ${role} wrote: ${errors}`);
      if (!isOver) startOne(role);
      resolve();
    });
  });
}

function kill(each) {
  each.isKilled = true;
  each.child.kill('SIGKILL');
  killed++;
}

function ownerOfLock() {
  try {
    return Number(readFileSync(lock, 'utf8').split(' ')[1]);
  } catch {
    return undefined;
  }
}

function temporaryFiles() {
  return readdirSync(directory, { recursive: true }).filter((file) => file.endsWith('.tmp'));
}

function writerOf(file) {
  return Number(/-(\d+)-\d+-[0-9a-z]*\.tmp$/.exec(file)?.[1]);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code !== 'ESRCH';
  }
}

const isAllTried = () => ['hits', 'misses', 'saves', 'sweeps'].every((each) => counts[each] > 0);

/** Learners try the artifacts that killed processes were loading. They are not our children and may still run. */
async function learnersHaveEnded() {
  const commands = () =>
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(commandOf);
  if (!existsSync('/proc/self/cmdline')) await setTimeout(10_000);
  else while (commands().some((command) => command.includes(directory))) await setTimeout(20);
}

function commandOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

for (let i = 0; i < writers; i++) startOne('writer');
startOne('sweeper');
const unkilled = () => [...living].filter(({ isKilled }) => !isKilled);
const isEnough = () => (killed + unkilled().length >= kills && isAllTried()) || killed >= 2 * kills;
while (!isEnough() && problems.length === 0) {
  await setTimeout(random(LONGEST_PAUSE));
  const candidates = unkilled().filter(({ isAtWork }) => isAtWork);
  if (candidates.length > 0) kill(candidates[random(candidates.length)]);
}
isOver = true;
const last = [...living];
for (const each of unkilled()) kill(each);
await Promise.all(last.map(({ ended }) => ended));
await learnersHaveEnded();

const before = temporaryFiles();
const isLocked = readdirSync(directory).includes('sweep.lock');
// A lock without an owner may be a new one, so it is respected for five seconds.
if (isLocked && readFileSync(lock, 'utf8') === '') await setTimeout(6000);
if (!(await sweep(directory, { maxSize: Infinity, maxFiles: Infinity }))) {
  problems.push(`The last sweep found a lock: ${JSON.stringify(readFileSync(lock, 'utf8'))}`);
}
const after = temporaryFiles();
const taken = after.filter((file) => isAlive(writerOf(file)));
if (after.length > taken.length) problems.push(`The last sweep left ${after}`);
const { totals, files } = await verifyCache(directory);
for (const { outcome, file, reason } of files) {
  if (outcome !== 'kept' && outcome !== 'quarantined') problems.push(`verifyCache: ${file} is ${outcome}: ${reason}`);
}
if (!isAllTried()) problems.push('Something was not tried at all');

console.log(`seed                         ${seed}`);
console.log(`kills                        ${killed} of ${started} processes`);
console.log(
  `loads                        ${counts.loads} (${counts.hits} hits, ${counts.misses} misses, ${counts.quarantined} quarantined)`,
);
console.log(`saves                        ${counts.saves}`);
console.log(`sweeps                       ${counts.sweeps}, and ${counts.lockedSweeps} that left it to another`);
console.log(
  `locks left by the killed     ${locksLeft}, ${isLocked ? 'one of them broken by the last sweep' : 'all broken'}`,
);
console.log(
  `temporary files of theirs    ${temporaryFilesLeft}; ${before.length} before the last sweep, ${after.length} after it`,
);
if (taken.length > 0) console.log(`of writers whose number is taken again: ${taken.length}`);
console.log(`artifacts in order           ${totals.kept.files} (${totals.kept.size} bytes)`);
console.log(`duration                     ${((performance.now() - start) / 1000).toFixed(1)} s`);
for (const problem of new Set(problems)) console.error(problem);
if (problems.length === 0) rmSync(directory, { recursive: true });
else console.error(`The folder is left at ${directory}`);
process.exitCode = problems.length === 0 ? 0 : 1;
