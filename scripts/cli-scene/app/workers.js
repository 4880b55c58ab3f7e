import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { report } from './database.js';

if (isMainThread) {
  for (let number = 1; number <= 4; number++) {
    const worker = new Worker(new URL(import.meta.url));
    worker.on('message', (text) => console.log(`worker ${number}: ${text.split('\n').length} cities`));
  }
} else {
  parentPort.postMessage(await report());
}
