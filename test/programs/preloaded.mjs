// node preloaded.mjs <how it ends> <milliseconds>: uses swc, or ends after that time without it: by "return", "exit", "reallyExit",
// "throw", "abort", "worker" (which uses swc, and is terminated after that time) or "hang". With "use" it uses swc and prints a result.
import { createRequire } from 'node:module';
import { isMainThread, Worker } from 'node:worker_threads';

const [end = 'use', milliseconds = '0'] = process.argv.slice(2);
const use = () => {
  const swc = createRequire(import.meta.url)('@swc/wasm');
  return swc.transformSync('const a: number = 1; class B { #c = a }', { jsc: { parser: { syntax: 'typescript' } } })
    .code;
};
const ends = {
  return() {},
  exit: () => process.exit(0),
  reallyExit: () => process.reallyExit(0),
  throw() {
    throw new Error('thrown');
  },
  abort: () => process.abort(),
};
if (end === 'use' || !isMainThread) {
  console.log(use());
} else if (end === 'worker') {
  const worker = new Worker(new URL(import.meta.url), { stdout: true, argv: ['use'] });
  setTimeout(() => worker.terminate(), Number(milliseconds));
} else if (end === 'hang') {
  console.log('here');
  setInterval(() => {}, 1000);
} else {
  const until = performance.now() + Number(milliseconds);
  while (performance.now() < until);
  ends[end]();
}
