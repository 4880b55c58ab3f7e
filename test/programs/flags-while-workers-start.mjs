// Changes V8's flags for a moment, 20,000 times, while workers start. V8 computes the hash of its flags in those, too.
import { Worker } from 'node:worker_threads';
import { V8Engine } from '../../dist/index.js';
import { loadAddon } from '../../dist/native/addon.js';

const engine = new V8Engine();
const { deterministicId } = engine;
const { addon } = loadAddon();
const counts = { flagStayedOn: 0, otherId: 0 };
let workers = 0;

function isNativesSyntaxOn() {
  try {
    new Function('%SystemBreak()');
    return true;
  } catch {
    return false;
  }
}

for (let round = 0; round < 1000; round++) {
  for (; workers < 4; workers++) {
    new Worker('0', { eval: true }).on('exit', () => {
      workers--;
    });
  }
  for (let i = 0; i < 20; i++) {
    addon.changeFlag('--allow-natives-syntax', '--no-allow-natives-syntax', () => {});
    if (isNativesSyntaxOn()) counts.flagStayedOn++;
    if (engine.deterministicId !== deterministicId) counts.otherId++;
  }
  await new Promise(setImmediate);
}
console.log(JSON.stringify(counts));
