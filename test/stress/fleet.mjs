// node test/stress/fleet.mjs [--machines 40] [--waves 4] [--at-once 2] [--runs 3] [--store redis|http|folder]
// [-- --programs sql.js,swc] [-- --timeout 2s] [-- --json] [-- --node <binary>]
// Simulates a fleet on one machine. Each simulated machine has its own empty folder and runs each program of bench/programs a
// few times, as a server that restarts: once with one store behind all folders (remote), once without a store (none). The
// machines come in waves, as in a deploy, some at once within a wave. The waves of both kinds take turns, so that load on the real
// machine slows both. Before its first run of a program each machine runs it plain, and with a complete folder (warm), to see what the
// load of this moment does to a run. Each run waits for the learner of the one before. The comparison is of all CPU time as the
// kernel counts it, including learners and the server. The test fails if an output differs from plain Node's, if a run fails, or if
// the store costs more than it saves.
import '../../scripts/built.mjs';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createClient } from '@redis/client';
import Table from 'cli-table3';
import pLimit from 'p-limit';
import { startRedis } from '../../.test-build/support/redis-server.js';
import { startNginx } from '../../.test-build/support/servers.js';
import { atLeast, hook, median } from '../../bench/processes.mjs';

/** A machine counts as warm when it reaches this part of the warm speed. */
const WARM = 0.9;
/** Runs that fill the folder of the warm runs. */
const TRAINING = 3;
const ARMS = ['remote', 'none'];

const { values } = parseArgs({
  options: {
    machines: { type: 'string', default: '40' },
    waves: { type: 'string', default: '4' },
    'at-once': { type: 'string', default: '2' },
    runs: { type: 'string', default: '3' },
    store: { type: 'string', default: 'redis' },
    programs: { type: 'string' },
    timeout: { type: 'string', default: '2s' },
    json: { type: 'boolean', default: false },
    node: { type: 'string', default: process.execPath },
  },
});
const machines = atLeast('machines', values.machines, 1);
const waves = atLeast('waves', values.waves, 1);
const runs = atLeast('runs', values.runs, 1);
const inTurn = pLimit(atLeast('at-once', values['at-once'], 1));

const root = fileURLToPath(new URL('../..', import.meta.url));
const folderOfPrograms = path.join(root, 'bench', 'programs');
const all = readdirSync(folderOfPrograms).map((file) => path.basename(file, '.mjs'));
const programs = values.programs?.split(',') ?? all;
const work = mkdtempSync(path.join(tmpdir(), 'wasm-cache-fleet-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
const stores = { redis: redisStore, http: httpStore, folder: folderStore };
const unknown = programs.filter((name) => !all.includes(name));
if (!stores[values.store] || unknown.length > 0) {
  console.error(`--store must be one of ${Object.keys(stores).join(', ')}, and --programs of ${all.join(', ')}`);
  process.exit(2);
}

// Not a shell script that starts the real binary, because the script would be counted, too.
const python = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).stdout.trim();
const reaper = fileURLToPath(new URL('reap.py', import.meta.url));
const store = await stores[values.store]();
const remote = {
  WASM_CACHE_REMOTE: store.url,
  WASM_CACHE_REMOTE_TIMEOUT: values.timeout,
  WASM_CACHE_SECRET: 'the-secret-of-this-fleet',
};
const problems = [];
const expected = new Map();
const warmFolder = path.join(work, 'warm');

/** Runs a program, and waits for its end and for that of all its children. */
async function run(program, directory, env = {}) {
  const hooked = directory && { NODE_OPTIONS: `--import=${hook}`, WASM_CACHE_DIR: directory, WASM_CACHE_LEARN: 'hot' };
  const args = ['-I', '-S', reaper, path.resolve(values.node), path.join(folderOfPrograms, `${program}.mjs`)];
  const child = spawn(python, args, {
    env: { PATH: process.env.PATH, HOME: work, ...hooked, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const [, output, errors, report] = await Promise.all(child.stdio.map((stream) => stream && text(stream)));
  const { ms, cpuMs, status, others } = JSON.parse(report || '{"others":[]}');
  if (status !== 0 || errors !== '') problems.push(`${program} ended with ${status}: ${errors}`);
  if (!expected.has(program)) expected.set(program, output);
  if (output === '' || output !== expected.get(program)) problems.push(`${program} wrote ${JSON.stringify(output)}`);
  return {
    ms,
    cpuMs,
    learners: others.length,
    learnersCpuMs: sum(others.map((each) => each.cpuMs)),
  };
}

async function runMachine(arm, wave, number) {
  const directory = path.join(work, `${arm}-${wave}-${number}`);
  const records = [];
  for (const program of programs) {
    const plain = await run(program);
    // Read-only, because after a slow load, as on a busy machine, the hook would not load the artifact for a day.
    const warm = await run(program, warmFolder, { WASM_CACHE_MODE: 'read-only' });
    const start = performance.now();
    const own = [];
    for (let count = 0; count < runs; count++) {
      const startsAt = (performance.now() - start) / 1000;
      own.push({ startsAt, ...(await run(program, directory, arm === 'remote' ? remote : {})) });
    }
    records.push({ arm, wave, program, plain, warm, own, seconds: (performance.now() - start) / 1000 });
  }
  rmSync(directory, { recursive: true, force: true });
  return records;
}

async function runWave(arm, wave) {
  const count = Math.floor(((wave + 1) * machines) / waves) - Math.floor((wave * machines) / waves);
  const before = await store.counters();
  const numbers = Array.from({ length: count }, (_, number) => number);
  const records = (await Promise.all(numbers.map((number) => inTurn(() => runMachine(arm, wave, number))))).flat();
  const after = await store.counters();
  const used = Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - before[name]]));
  return { arm, wave, records, used, load: loadavg()[0] };
}

async function redisStore() {
  const { port } = await startRedis();
  const client = await createClient({ url: `redis://127.0.0.1:${port}` }).connect();
  const counters = async () => {
    const info = Object.fromEntries((await client.info()).split('\r\n').map((line) => line.split(':')));
    return {
      requests: Number(info.total_commands_processed),
      bytesIn: Number(info.total_net_input_bytes),
      bytesOut: Number(info.total_net_output_bytes),
      cpuMs: 1000 * (Number(info.used_cpu_user) + Number(info.used_cpu_sys)),
    };
  };
  return { url: `redis://127.0.0.1:${port}`, counters };
}

async function httpStore() {
  const folder = path.join(work, 'nginx');
  mkdirSync(folder);
  const { url, process: server } = await startNginx(undefined, folder);
  const counters = async () => {
    const lines = readFileSync(path.join(folder, 'access.log'), 'utf8').trim().split('\n');
    const column = (at) => sum(lines.map((line) => Number(line.split(' ')[at])));
    return { requests: lines.length, bytesIn: column(2), bytesOut: column(3), cpuMs: cpuOf(server.pid) };
  };
  return { url, counters };
}

/** Reads from a folder are not counted. */
async function folderStore() {
  const folder = path.join(work, 'store');
  const counters = async () => ({ requests: Number.NaN, bytesIn: sizeOf(folder), bytesOut: Number.NaN, cpuMs: 0 });
  return { url: `file://${folder}`, counters };
}

function sizeOf(folder) {
  try {
    const files = readdirSync(folder, { recursive: true }).map((file) => statSync(path.join(folder, file)));
    return sum(files.filter((file) => file.isFile()).map((file) => file.size));
  } catch {
    return 0; // does not exist yet
  }
}

/** In steps of 10 ms. */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop().split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function sum(numbers) {
  return numbers.reduce((total, each) => total + each, 0);
}

/** The first run (from 1) in which the machine is warm, and the seconds from its first run to that one. */
function warmAt({ own, seconds }, warmMs) {
  const at = own.findIndex(({ ms }) => warmMs / ms >= WARM);
  return at < 0 ? { run: undefined, seconds } : { run: at + 1, seconds: own[at].startsAt };
}

function summary(arm, ofArm) {
  const records = ofArm.flatMap((wave) => wave.records);
  const each = records.flatMap(({ own }) => own);
  const used = (name) => (arm === 'none' ? 0 : sum(ofArm.map((wave) => wave.used[name])));
  const programsCpu = sum(each.map(({ cpuMs }) => cpuMs)) / 1000;
  const learnersCpu = sum(each.map(({ learnersCpuMs }) => learnersCpuMs)) / 1000;
  const serverCpu = used('cpuMs') / 1000;
  const reached = ofArm.flatMap((wave) =>
    wave.records.map((record) => {
      const references = wave.records.filter(({ program }) => program === record.program).map(({ warm }) => warm);
      const warmCpuMs = median(references.map(({ cpuMs }) => cpuMs));
      return {
        ...warmAt(record, median(references.map(({ ms }) => ms))),
        byCpu: record.own.map(({ cpuMs }) => warmCpuMs / cpuMs >= WARM),
      };
    }),
  );
  return {
    programsCpu,
    learnersCpu,
    serverCpu,
    totalCpu: programsCpu + learnersCpu + serverCpu,
    learners: sum(each.map(({ learners }) => learners)),
    requests: used('requests'),
    mbOut: used('bytesOut') / 1e6,
    mbIn: used('bytesIn') / 1e6,
    firstRuns: records.length,
    slower: records.filter(({ plain, own }) => own[0].ms > plain.ms).length,
    muchSlower: records.filter(({ plain, own }) => own[0].ms > 1.1 * plain.ms).length,
    warmAt: Array.from({ length: runs }, (_, at) => reached.filter(({ run }) => run === at + 1).length),
    warmByCpu: Array.from({ length: runs }, (_, at) => reached.filter(({ byCpu }) => byCpu[at]).length),
    neverWarm: reached.filter(({ run }) => run === undefined).length,
    secondsToWarm: median(reached.map(({ seconds }) => seconds)),
  };
}

const started = performance.now();
for (const program of programs) {
  await run(program); // the expected output; also fills the file system's cache
  for (let count = 0; count < TRAINING; count++) await run(program, warmFolder);
}
const done = [];
for (let wave = 0; wave < waves; wave++) {
  for (const arm of wave % 2 ? [...ARMS].reverse() : ARMS) {
    done.push(await runWave(arm, wave));
    const { records, load } = done.at(-1);
    const at = `${((performance.now() - started) / 1000).toFixed(0)} s`;
    console.error(
      `${at}: wave ${wave + 1}, ${arm}, ${records.length / programs.length} machines, load ${load.toFixed(1)}`,
    );
  }
}

const ofArm = (arm) => done.filter((wave) => wave.arm === arm);
const [withRemote, without] = ARMS.map((arm) => summary(arm, ofArm(arm)));
const version = spawnSync(values.node, ['-v'], { encoding: 'utf8' }).stdout.trim();
if (withRemote.totalCpu > without.totalCpu) problems.push('The store costs more than it saves');
if (values.json) console.log(JSON.stringify({ version, ...values, remote: withRemote, none: without, done }, null, 2));
else print();
for (const problem of problems) console.error(problem);
process.exit(problems.length === 0 ? 0 : 1);

function print() {
  const style = { head: [], border: [] };
  const right = (count) => ['left', ...Array(count).fill('right')];
  const fixed = (digits) => (value) => (Number.isFinite(value) ? value.toFixed(digits) : 'not counted');
  const whole = fixed(0);
  const ratio = (one, other) => (other > 0 && Number.isFinite(one) ? `${(one / other).toFixed(2)} x` : '');
  const loads = done.map(({ load }) => load).sort((a, b) => a - b);
  console.log(
    `${machines} machines in ${waves} waves, ${values['at-once']} at once, ${runs} runs of ${programs.join(', ')}\n` +
      `${version}, store: ${values.store}, load ${loads[0].toFixed(1)} to ${loads.at(-1).toFixed(1)}`,
  );

  const total = new Table({ head: ['', 'no remote tier', 'remote tier', 'ratio'], colAligns: right(3), style });
  const line = (title, name, show) => {
    const [one, other] = [withRemote[name], without[name]];
    total.push([title, show(other), show(one), ratio(one, other)]);
  };
  line('CPU of programs, s', 'programsCpu', fixed(1));
  line('CPU of learners, s', 'learnersCpu', fixed(1));
  line('CPU of the server, s', 'serverCpu', fixed(1));
  line('all CPU, s', 'totalCpu', fixed(1));
  line('learner processes', 'learners', whole);
  line('requests to the store', 'requests', whole);
  line('read from the store, MB', 'mbOut', fixed(1));
  line('written to the store, MB', 'mbIn', fixed(1));
  line(`first runs slower than plain, of ${withRemote.firstRuns}`, 'slower', whole);
  line('by more than a tenth', 'muchSlower', whole);
  const perRun = (title, name) => {
    for (let at = 0; at < runs; at++) {
      const [one, other] = [withRemote[name][at], without[name][at]];
      total.push([`${title}, run ${at + 1}`, other, one, ratio(one, other)]);
    }
  };
  perRun('warm for the first time', 'warmAt');
  line('not warm in any', 'neverWarm', whole);
  perRun('as little CPU as if warm', 'warmByCpu');
  line('time to warm, median, s', 'secondsToWarm', fixed(2));
  console.log(String(total));

  const columns = Array.from({ length: runs }, (_, at) => `run ${at + 1}`);
  const head = ['medians, ms', '', 'plain', 'warm', ...columns, 'kept of warm in run 1', 'CPU of run 1', 'plain'];
  const each = new Table({ head, colAligns: ['left', ...right(head.length - 2)], style });
  for (const program of programs) {
    for (const arm of ARMS) {
      const records = ofArm(arm).flatMap((wave) => wave.records.filter((record) => record.program === program));
      const middle = (of) => median(records.map(of));
      const warm = middle((record) => record.warm.ms);
      const own = columns.map((_, at) => middle((record) => record.own[at].ms));
      const cpu = [middle((record) => record.own[0].cpuMs), middle((record) => record.plain.cpuMs)];
      const kept = (warm / own[0]).toFixed(2);
      each.push([
        program,
        arm,
        ...[middle((record) => record.plain.ms), warm, ...own].map(whole),
        kept,
        ...cpu.map(whole),
      ]);
    }
  }
  console.log(String(each));

  const perWave = new Table({
    head: ['remote', 'CPU, s', 'no remote tier, s', 'learners', 'requests', 'read, MB', 'written, MB'],
    colAligns: right(7),
    style,
  });
  for (let wave = 0; wave < waves; wave++) {
    const [one, other] = ARMS.map((arm) => summary(arm, [done.find((each) => each.arm === arm && each.wave === wave)]));
    const numbers = [one.learners, one.requests].map(whole);
    const amounts = [one.mbOut, one.mbIn].map(fixed(1));
    perWave.push([`wave ${wave + 1}`, ...[one.totalCpu, other.totalCpu].map(fixed(1)), ...numbers, ...amounts]);
  }
  console.log(String(perWave));
}
