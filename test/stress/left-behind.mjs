// Programs that end at random moments, with modules that nobody has saved yet: they return, exit with live workers, terminate workers, or are
// killed. None may crash.
//
//   node test/stress/left-behind.mjs [--node <binary>] [--runs 1000] [--at-once 4] [--seed 1]
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { seeded } from '../../.test-build/support/damage.js';
import { everythingModule, observeEverything } from '../../.test-build/support/everything.js';

const LONGEST = 500;
const file = fileURLToPath(import.meta.url);

function work(padding) {
  observeEverything(new WebAssembly.Module(everythingModule(padding)));
}

if (!isMainThread) {
  for (const padding of workerData) work(padding);
  setInterval(() => work(workerData[0]), 20);
} else if (process.env.WAY) {
  const [way, seed] = process.env.WAY.split(' ');
  const random = seeded(Number(seed));
  const paddings = () => Array.from({ length: 1 + random(3) }, () => 70_000 + random(5));
  const workers = Array.from({ length: random(4) }, () => new Worker(file, { workerData: paddings() }));
  if (random(2) === 0) work(70_000);
  setTimeout(async () => {
    if (way === 'exit') process.exit();
    if (way === 'abort') process.reallyExit(0);
    if (way === 'terminate') await Promise.all(workers.map((worker) => worker.terminate()));
    for (const worker of workers) worker.unref();
  }, random(LONGEST));
} else {
  const { values } = parseArgs({
    options: {
      node: { type: 'string', default: process.execPath },
      runs: { type: 'string', default: '1000' },
      'at-once': { type: 'string', default: '4' },
      seed: { type: 'string', default: '1' },
    },
  });
  const random = seeded(Number(values.seed));
  const directory = mkdtempSync(path.join(tmpdir(), 'wasm-cache-left-behind-'));
  const register = new URL('../../dist/register.js', import.meta.url).href;
  const ways = ['return', 'exit', 'abort', 'terminate', 'kill'];
  let left = Number(values.runs);
  const crashes = [];
  const run = async () => {
    const way = ways[random(ways.length)];
    const WAY = `${way} ${random(2 ** 31)}`;
    if (random(20) === 0) rmSync(directory, { recursive: true, force: true });
    const env = { ...process.env, WASM_CACHE_DIR: directory, WASM_CACHE_LEARN: random(2) ? 'hot' : 'off', WAY };
    const child = spawn(values.node, ['--import', register, file], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (data) => (stderr += data));
    const timer = way === 'kill' ? setTimeout(() => child.kill('SIGKILL'), 50 + random(LONGEST)) : undefined;
    const [status, signal] = await new Promise((resolve) => child.once('close', (...end) => resolve(end)));
    clearTimeout(timer);
    const isGood = status === 0 || (way === 'kill' && signal === 'SIGKILL');
    if (!isGood || stderr !== '') crashes.push({ WAY, status, signal, stderr: stderr.slice(0, 2000) });
  };
  await Promise.all(
    Array.from({ length: Number(values['at-once']) }, async () => {
      while (left-- > 0) await run();
    }),
  );
  rmSync(directory, { recursive: true, force: true });
  console.log(JSON.stringify({ runs: Number(values.runs), crashes: crashes.length }));
  for (const crash of crashes) console.error(JSON.stringify(crash));
  if (crashes.length > 0) process.exitCode = 1;
}
