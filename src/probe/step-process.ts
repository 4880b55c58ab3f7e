// node step-process.js <name of a step>: runs one step of the probe; run-steps.ts starts it. It reads the results of earlier steps from
// standard input, writes its own result to descriptor 3 and the reason of a failure to standard error. V8 may crash it.
import fs from 'node:fs';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { takeVerdict } from '../engine/supported.js';
import { loadAddon } from '../native/addon.js';
import { STEPS } from './steps.js';

const ANSWER = 3;
/** Ends this process when its parent died and cannot end it. */
const MAX_SECONDS = 120;

takeVerdict({ isUsable: true }); // For this process: the steps find out whether it is true.
if (isMainThread) loadAddon().addon?.endAfter(MAX_SECONDS);
const given = isMainThread ? fs.readFileSync(0, 'utf8') : '';
const step = STEPS[process.argv[2] as keyof typeof STEPS];
try {
  const saved = await step(isMainThread ? given && JSON.parse(given) : workerData, () =>
    parentPort?.postMessage('loaded'),
  );
  if (saved) fs.writeSync(ANSWER, JSON.stringify(saved));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
