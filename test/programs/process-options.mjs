// Prints whether the flags in its arguments are given, in this thread and in a worker with an empty execArgv of its own.
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { isGiven } from '../../dist/engine/process-options.js';

const names = workerData ?? process.argv.slice(2);
console.log(names.map(isGiven).join(' '));
if (isMainThread) new Worker(new URL(import.meta.url), { workerData: names, execArgv: [], stdout: false });
