// Ends threads and the process while V8 has received wire bytes that nobody finishes, or while another thread reads them. Argument: the
// length of the module.
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { V8Engine } from '../../dist/index.js';

const length = Number(isMainThread ? process.argv[2] : workerData);
// Magic number, version, and a custom section that fills the rest.
const wireBytes = new Uint8Array(length);
wireBytes.set([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0]);
const rest = length - 14;
wireBytes.set(
  [0, 7, 14, 21, 28].map((shift, i) => ((rest >>> shift) & 0x7f) | (i < 4 ? 0x80 : 0)),
  9,
);

const engine = new V8Engine();
for (let i = 0; i < 5; i++) engine.receive(wireBytes);
engine.receive(wireBytes).abandon();
engine.analyse(new WebAssembly.Module(wireBytes));
if (isMainThread) {
  for (const end of ['by itself', 'terminated']) {
    const worker = new Worker(new URL(import.meta.url), { workerData: length });
    await new Promise((resolve) => worker.once(end === 'terminated' ? 'online' : 'exit', resolve));
    await worker.terminate();
  }
  console.log('ended');
}
