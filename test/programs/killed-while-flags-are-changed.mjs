// Kills a worker while it has changed V8's flags for a moment: when it opens the doors, or when it observes. The worker stays there
// because the function that it calls then never returns.
import { once } from 'node:events';
import { cachedDataVersionTag } from 'node:v8';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

if (isMainThread) {
  const before = cachedDataVersionTag();
  const worker = new Worker(new URL(import.meta.url), { workerData: process.argv[2] });
  await once(worker, 'message');
  await worker.terminate();
  console.log(cachedDataVersionTag() === before ? 'same' : 'changed');
  const { V8Engine } = await import('../../dist/index.js');
  console.log(new V8Engine().canSerialize);
} else {
  const stay = () => {
    parentPort.postMessage('inside');
    for (;;);
  };
  let isWithoutFlag = true;
  if (workerData === 'opening') {
    globalThis.eval = () => {
      if (!isWithoutFlag) stay();
      isWithoutFlag = false;
      throw new SyntaxError();
    };
  }
  const { V8Engine } = await import('../../dist/index.js');
  const { loadAddon } = await import('../../dist/native/addon.js');
  const engine = new V8Engine();
  const module = engine.compileSync(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
  if (workerData === 'observing') loadAddon().addon.serialize = stay;
  engine.observe(module);
  stay(); // Node 26 changes no flags to open the doors
}
