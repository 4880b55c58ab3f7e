// A pool of workers makes thumbnails. All of them share the module that was compiled once.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { cache, engine, loadMagick } from './magick.js';

// Compile before the workers start, so that they find the module. Otherwise each of them compiles.
const { module, key, from } = await loadMagick();
console.log(`main thread: from ${from}`);

const [width, height] = [320, 240];
const pixels = new Uint8Array(width * height * 4).map((_, i) => (i % 4 === 3 ? 255 : (i * 31) % 251));
const sizes = Array.from({ length: 24 }, (_, i) => 40 + 5 * i);
const thumbnails = new Map();
const waiting = [...sizes];

async function work(name) {
  const worker = new Worker(new URL('worker.js', import.meta.url));
  try {
    const [workerFrom] = await once(worker, 'message');
    console.log(`worker ${name}: from ${workerFrom}`);
    for (let size = waiting.shift(); size !== undefined; size = waiting.shift()) {
      worker.postMessage({ pixels, width, height, size });
      const [thumbnail] = await once(worker, 'message');
      thumbnails.set(size, thumbnail);
    }
  } finally {
    await worker.terminate();
  }
}
await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, (_, i) => work(i + 1)));

const hash = createHash('sha256');
for (const size of sizes) hash.update(thumbnails.get(size));
console.log(`${thumbnails.size} thumbnails: ${hash.digest('hex').slice(0, 16)}`);

// By now V8 has optimised what all workers ran, and this module holds all of it. The next process starts with that code.
await cache.save(key, engine, module);
