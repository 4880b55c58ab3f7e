// node test/stress/preload.mjs [--node <binary>] [--ends 10000] [--seed 1] [--at-once 2]: programs end in every way at random moments while
// a thread preloads an 18 MB module for them. Fails when one ends otherwise than without the hook, a hit gives another result, or nothing was
// preloaded although this Node can. Where nothing is (WASM_CACHE_PRELOAD=off, one processor, some versions), it ends the same programs.
import '../../scripts/built.mjs';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    node: { type: 'string', default: process.execPath },
    ends: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    'at-once': { type: 'string', default: '2' },
  },
});
const root = fileURLToPath(new URL('../../', import.meta.url));
const program = path.join(root, 'test', 'programs', 'preloaded.mjs');
const register = path.join(root, 'dist', 'register.js');
const directory = mkdtempSync(path.join(tmpdir(), 'wasm-cache-preload-'));
/** Milliseconds that a preload takes, at least, from the start of the program's own code. */
const LONGEST = 80;

/** The same numbers for the same seed (a linear congruential generator). */
let state = Number(values.seed);
function random(limit) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * limit);
}

/** Programs that do not use the module make its record forget it, and two that are killed in the middle quarantine the artifact. */
let record;
function refresh() {
  if (!record) return;
  writeFileSync(record.file, record.text);
  for (const folder of readdirSync(directory).filter((name) => name.startsWith('node-'))) {
    for (const name of readdirSync(path.join(directory, folder))) {
      if (name.endsWith('.loading')) rmSync(path.join(directory, folder, name), { force: true });
    }
  }
}

async function run(end, milliseconds = 0, variables = {}) {
  refresh();
  const env = { ...process.env, WASM_CACHE_DIR: directory, ...variables };
  const child = spawn(values.node, ['--import', register, program, end, `${milliseconds}`], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].on('data', (data) => (text[name] += data));
  if (end === 'hang') {
    await Promise.race([once(child.stdout, 'data'), sleep(1000)]);
    await sleep(milliseconds);
    child.kill(milliseconds % 2 ? 'SIGKILL' : 'SIGTERM');
  }
  const [code, signal] = await once(child, 'close');
  return { code, signal, ...text };
}

const EXPECTED = {
  use: [0, null],
  return: [0, null],
  exit: [0, null],
  reallyExit: [0, null],
  worker: [0, null],
  throw: [1, null],
  abort: [null, 'SIGABRT'],
};
const KINDS = [...Object.keys(EXPECTED), 'hang'];

/** What this Node and its processors allow; a setting may still turn it off. */
const engine = pathToFileURL(path.join(root, 'dist/engine/v8-engine.js'));
const script = `import { V8Engine } from '${engine}'; import os from 'node:os';
  console.log(process.version, new V8Engine().preloader?.startPreload && os.availableParallelism() > 1 ? 'can' : 'cannot');`;
const [version, can] = execFileSync(values.node, ['--input-type=module', '--eval', script], { encoding: 'utf8' })
  .trim()
  .split(' ');
const isOff = /^(off|0|false|no)$/i.test(process.env.WASM_CACHE_PRELOAD ?? '');
const mayPreload = can === 'can' && !isOff;

const { stdout: expected } = await run('use', 0, { WASM_CACHE_DISABLE: '1' });
const records = path.join(directory, 'programs');
const recordName = () => existsSync(records) && readdirSync(records).find((each) => each.endsWith('.preload'));
for (let count = 0; count < (mayPreload ? 20 : 3) && !recordName(); count++) {
  await run('use');
  await sleep(2000); // for the learner
}
if (recordName()) {
  const file = path.join(records, recordName());
  record = { file, text: readFileSync(file) };
}
const isPreloading = async () =>
  /hit \w+: .*preloaded/.test((await run('use', 0, { NODE_DEBUG: 'wasm-cache' })).stderr);
const counts = Object.fromEntries(KINDS.map((kind) => [kind, 0]));
let failed = 0;
let preloads = 0;
let left = Number(values.ends);
async function endAll() {
  while (left-- > 0) {
    const end = KINDS[random(KINDS.length)];
    const milliseconds = random(LONGEST);
    const { code, signal, stdout, stderr } = await run(end, milliseconds);
    counts[end]++;
    const wanted = EXPECTED[end] ?? [null, milliseconds % 2 ? 'SIGKILL' : 'SIGTERM'];
    const isRight = code === wanted[0] && signal === wanted[1] && (end !== 'use' || stdout === expected);
    if (!isRight) {
      failed++;
      console.error(`${end} after ${milliseconds} ms: ${code} ${signal}\n${stdout}${stderr}`);
    }
    if (left % 500 === 0) console.log(`${left} left, ${failed} failed, ${JSON.stringify(counts)}`);
    if (left % 50 === 0 && (await isPreloading())) preloads++;
  }
}
await Promise.all(Array.from({ length: Number(values['at-once']) }, endAll));
rmSync(directory, { recursive: true, force: true });
console.log(
  `Node ${version} ${can} preload${isOff ? ', and it is off' : ''}: ${JSON.stringify({ counts, preloads, failed })}`,
);
process.exit(failed > 0 || preloads > 0 !== mayPreload ? 1 : 0);
