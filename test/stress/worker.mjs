// One worker of the stress. All that it needs is imported first, or those that are killed in the middle of that would leave open
// files behind, on Node 20: they are its loader's.
import { parentPort, workerData } from 'node:worker_threads';
import { seeded } from '../../.test-build/support/damage.js';
import { createPlainWork, createWork, Figures } from './work.mjs';

const { seed, operations, work, ...settings } = workerData;
const figures = new Figures(workerData.figures);
parentPort.postMessage('begins'); // and may be killed from now on, before the library has looked at this process
if (work === 'none') {
  if (operations === Infinity) setInterval(() => {}, 1000);
} else {
  const create = work === 'plain' ? createPlainWork : createWork;
  const step = create({ ...settings, figures, random: seeded(seed) });
  for (let i = 0; i < operations; i++) await step();
}
