// Opens links on which nothing ever comes, in this thread and in some that end, and ends.
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { Link } from '../../dist/engine/link.js';

const port = isMainThread ? Number(process.argv[2]) : workerData;
const links = [1, 2, 3].map(() => new Link('127.0.0.1', port, Buffer.from('x')));
links[0].read(50);
if (isMainThread) {
  for (let count = 0; count < 5; count++) {
    const worker = new Worker(new URL(import.meta.url), { workerData: port });
    if (count % 2 === 0) await new Promise((resolve) => worker.once('exit', resolve));
    else await new Promise((resolve) => setTimeout(resolve, 30)).then(() => worker.terminate());
  }
  console.log('ended');
}
