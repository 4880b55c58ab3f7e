// Prints the settings that a worker has. argv: { options for the worker, isEmptied, isNested, hasHook } as JSON.
import workerThreads from 'node:worker_threads';
import { settingsOfProcess } from '../../dist/hook/settings.js';

const { isMainThread, SHARE_ENV, Worker, workerData } = workerThreads;
const task = isMainThread ? JSON.parse(process.argv[2]) : workerData;
const { env, isEmptied, hasHook = true, depth = 1 } = task;
if (hasHook || depth === 0) {
  const { warnings, ...settings } = settingsOfProcess();
  if (depth === 0) console.log(JSON.stringify({ warnings, ...settings }));
}
if (isEmptied) for (const name of Object.keys(process.env)) delete process.env[name];
if (depth > 0) {
  const given = env === 'shared' ? SHARE_ENV : (env ?? process.env);
  new Worker(new URL(import.meta.url), { env: given, workerData: { ...task, depth: depth - 1 } });
}
