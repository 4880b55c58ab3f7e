// node retiering-exit.mjs <return, exit, reallyExit, throw or worker> <milliseconds>: ends so after that time, in which code is dropped.
import { isMainThread, Worker } from 'node:worker_threads';
import { loadAddon } from '../../dist/native/addon.js';
import { instantiate, sumModule } from '../../dist/testing/modules.js';

const { addon } = loadAddon();
const [end, milliseconds] = process.argv.slice(2);
if (isMainThread && end === 'worker') {
  // The worker is at work when the main thread exits.
  new Worker(new URL(import.meta.url), { argv: ['return', '10000'] });
  setTimeout(() => process.exit(0), 30 + Number(milliseconds));
} else {
  const module = new WebAssembly.Module(sumModule());
  const exports = instantiate(module);
  const until = performance.now() + Number(milliseconds);
  do {
    addon.retier(module);
    for (let i = 0; i < 100; i++) exports.sum(100);
  } while (performance.now() < until);
  if (end === 'exit') process.exit(0);
  if (end === 'reallyExit') process.reallyExit(0);
  if (end === 'throw') throw new Error('thrown');
}
