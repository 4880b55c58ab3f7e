// Run by run-steps.ts in a process of its own: node step.js <name of a step>. What the steps before it saved comes on standard input,
// and what it saves goes to descriptor 3; why it failed goes to standard error. V8 may well end it.
import fs from 'node:fs';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { takeVerdict } from '../engine/supported.js';
import { loadAddon } from '../native/addon.js';
import { STEPS } from './steps.js';

const ANSWER = 3;
/** Where whoever started it is gone, and does not end it. */
const MAX_SECONDS = 120;

takeVerdict({ isUsable: true }); // The steps find out whether that is so.
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
