import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { until } from '../support/learning.js';
import { filesIn, register, root, runProgram, temporaryDirectory } from '../support/processes.js';

const support = JSON.stringify(path.join(root, '.test-build/support/everything.js'));
const compute = `
  const { everythingModule, observeEverything } = await import(${support});
  const compute = () => observeEverything(new WebAssembly.Module(everythingModule(70_000)));`;
const worker = `
  import { isMainThread, parentPort, Worker } from 'node:worker_threads';
  ${compute}
  const work = () => { compute(); parentPort.postMessage('done'); setInterval(() => {}, 1000); };
  if (!isMainThread) work();
  else new Worker(new URL(import.meta.url)).once('message', async function () { END });`;

const artifacts = (directory: string) => filesIn(directory).filter((file) => file.endsWith('.artifact'));
const jobs = (directory: string) =>
  filesIn(directory).filter((file) => file.endsWith('.wasm') && statSync(file).size > 0);

function program(source: string): string {
  const file = path.join(temporaryDirectory(), 'program.mjs');
  writeFileSync(file, source);
  return file;
}

for (const [name, source] of [
  ['a worker that is terminated', worker.replace('END', 'await this.terminate();')],
  ['a worker that still runs at process.exit()', worker.replace('END', 'process.exit();')],
  [
    'a module that was collected',
    `${compute} compute(); for (let i = 0; i < 5; i++) { await new Promise((resolve) => setTimeout(resolve, 10)); gc(); }`,
  ],
] as [string, string][]) {
  test(`the main thread saves at its end: ${name}`, async () => {
    const env = { WASM_CACHE_DIR: temporaryDirectory(), WASM_CACHE_LEARN: 'hot' };
    const nodeOptions = ['--expose-gc', '--import', register];
    const { status, stderr } = runProgram(program(source), { nodeOptions, env });
    assert.deepEqual([status, stderr], [0, '']);
    await until('it is learnt', () => artifacts(env.WASM_CACHE_DIR).length === 1, 60);
  });
}

test('a process that is killed has left a job, and the next one starts a learner', async () => {
  const directory = temporaryDirectory();
  const file = program(`${compute} globalThis.kept = compute(); setInterval(() => {}, 1000);`);
  const start = () =>
    spawn(process.execPath, ['--import', register, file], {
      env: { ...process.env, WASM_CACHE_DIR: directory, WASM_CACHE_LEARN: 'hot' },
    });
  for (const [what, isThere] of [
    ['a job', () => jobs(directory).length > 0],
    ['an artifact', () => artifacts(directory).length > 0],
  ] as [string, () => boolean][]) {
    const child = start();
    await until(what, isThere);
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});
