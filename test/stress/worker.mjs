// One worker of the stress. It imports everything first: on Node 20 a worker that is killed while it imports leaves open files of
// Node's loader behind.
import { parentPort, workerData } from 'node:worker_threads';
import { seeded } from '../../.test-build/support/damage.js';
import { createPlainWork, createWork, Figures } from './work.mjs';

const { seed, operations, work, ...settings } = workerData;
const figures = new Figures(workerData.figures);
parentPort.postMessage('begins'); // from now on it may be killed, even before the library has looked at this process
if (work === 'none') {
  if (operations === Infinity) setInterval(() => {}, 1000);
} else {
  const create = work === 'plain' ? createPlainWork : createWork;
  const step = create({ ...settings, figures, random: seeded(seed) });
  for (let i = 0; i < operations; i++) await step();
}
