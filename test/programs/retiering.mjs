// node retiering.mjs <drops>: a program whose code is dropped all the time, by the addon's thread, while it traps, throws, grows its
// memory, calls in and out of JavaScript, collects garbage and works in a second thread. Every result is compared.
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import wabt from 'wabt';
import { loadAddon } from '../../dist/native/addon.js';

const SOURCE = `(module
  (import "js" "add" (func $add (param i32 i32) (result i32)))
  (import "js" "throw" (func $throw (param i32)))
  (memory (export "memory") 1 2000)
  (table funcref (elem $double $square))
  (type $unary (func (param i32) (result i32)))
  (func $double (type $unary) (i32.mul (local.get 0) (i32.const 2)))
  (func $square (type $unary) (i32.mul (local.get 0) (local.get 0)))
  (func (export "sum") (param $n i32) (result i32) (local $total i32)
    (loop $again
      (local.set $total (i32.add (local.get $total)
        (call_indirect (type $unary) (local.get $n) (i32.and (local.get $n) (i32.const 1)))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $total))
  (func (export "outside") (param $n i32) (result i32) (local $total i32)
    (loop $again
      (local.set $total (call $add (local.get $total) (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $total))
  (func (export "throw") (param i32) (result i32) (call $throw (local.get 0)) (local.get 0))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func $deep (export "deep") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
      (else (i32.const 0))))
  (func (export "grow") (result i32) (memory.grow (i32.const 1)))
  (func (export "fill") (param i32 i32) (result i32)
    (memory.fill (local.get 0) (local.get 1) (i32.const 1000))
    (i32.load8_u offset=999 (local.get 0))))`;

const { addon } = loadAddon();

const sumOf = (n) => {
  let total = 0;
  for (; n > 0; n--) total = (total + (n % 2 ? n * n : n * 2)) | 0;
  return total;
};

function instantiate(module) {
  const imports = {
    add: (a, b) => a + b,
    throw(value) {
      throw new Error(`thrown ${value}`);
    },
  };
  return new WebAssembly.Instance(module, { js: imports }).exports;
}

/** One round of everything; throws where a result is not what it should be. */
function work(exports, round) {
  const n = 1 + (round % 300);
  const check = (what, is, wanted) => {
    if (is !== wanted) throw new Error(`round ${round}: ${what} is ${is}, expected ${wanted}`);
  };
  const messageOf = (action) => {
    try {
      return action();
    } catch (error) {
      return `${error.name}: ${error.message}`;
    }
  };
  check('sum', exports.sum(n), sumOf(n));
  check('outside', exports.outside(n), (n * (n + 1)) / 2);
  check(
    'throw',
    messageOf(() => exports.throw(n)),
    `Error: thrown ${n}`,
  );
  check(
    'load',
    messageOf(() => exports.load(-8)),
    'RuntimeError: memory access out of bounds',
  );
  check(
    'divide',
    messageOf(() => exports.divide(n, 0)),
    'RuntimeError: divide by zero',
  );
  check('deep', exports.deep(n), n);
  check('fill', exports.fill(n, n % 256), n % 256);
  if (round % 200 === 0) check('grow', exports.grow() > 0, true);
  if (round % 100 === 0)
    check(
      'stack',
      messageOf(() => exports.deep(1e6)),
      'RangeError: Maximum call stack size exceeded',
    );
  if (round % 50 === 0) globalThis.gc();
}

if (isMainThread) {
  const drops = Number(process.argv[2]);
  const { parseWat } = await wabt();
  const module = new WebAssembly.Module(parseWat('retiering.wat', SOURCE).toBinary({}).buffer);
  const exports = instantiate(module);
  const worker = new Worker(new URL(import.meta.url), { workerData: module });
  let rounds = 0;
  while (addon.retierings(module) < drops) {
    addon.retier(module);
    for (let i = 0; i < 20; i++) work(exports, rounds++);
    if (rounds % 1000 === 0) await new Promise(setImmediate);
  }
  worker.postMessage('end');
  const [ofWorker] = await once(worker, 'message');
  console.log(JSON.stringify({ drops: addon.retierings(module), rounds, ofWorker }));
} else {
  const exports = instantiate(workerData);
  let rounds = 0;
  let isOver = false;
  parentPort.once('message', () => {
    isOver = true;
    parentPort.postMessage(rounds);
  });
  while (!isOver) {
    for (let i = 0; i < 100; i++) work(exports, rounds++);
    await new Promise(setImmediate);
  }
}
