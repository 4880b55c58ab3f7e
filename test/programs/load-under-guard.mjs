// Does something in the middle of a load that the crash guard watches. Arguments: the path of an artifact, and what to do.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { CrashGuard } from '../../dist/caches/crash-guard.js';
import { readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';
import { V8Engine } from '../../dist/index.js';
import { optimise, sumModule } from '../../dist/testing/modules.js';

const [artifact, how] = isMainThread ? process.argv.slice(2) : workerData;
const guard = new CrashGuard(artifact);
const engine = new V8Engine();
const wireBytes = sumModule();
const sleep = (milliseconds) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
/** Ends this process with the signal, nearly as a crash does. */
const raise = (signal) => {
  process.kill(process.pid, signal);
  sleep(10_000);
};
const inWorker = (what) => new Worker(new URL(import.meta.url), { workerData: [artifact, what] });
const loading = (worker) => new Promise((resolve) => worker.once('message', resolve));
/** The handlers of this process, one bit for each signal that has one. */
const handlers = () => /SigCgt:\s*(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1];

const ways = {
  well: () => guard.watch(() => {}),
  async compile() {
    const nativeCode = await optimise(engine.compileSync(wireBytes), (module) => engine.serialize(module));
    process.stdout.write(Buffer.from(nativeCode).toString('base64'));
  },
  crash() {
    // From another process: V8 gives this one the live module that it has of the same bytes.
    const { stdout } = spawnSync(process.execPath, [import.meta.filename, artifact, 'compile'], { encoding: 'utf8' });
    const nativeCode = new Uint8Array(Buffer.from(stdout, 'base64'));
    const { recordStarts, optimised } = readNativeCode(nativeCode, countFunctions(wireBytes));
    const start = recordStarts[[...optimised][0]] + 1;
    nativeCode.fill(0x7f, start, start + 4 * 12); // the lengths of the parts, among others
    guard.watch(() => engine.deserialize(nativeCode, wireBytes));
  },
  'crash in a worker': () => void inWorker('crash'),
  exit: () => guard.watch(() => process.exit()),
  hang: () =>
    guard.watch(() => {
      process.stdout.write('loading\n');
      sleep(600_000);
    }),
  'kill itself': () => guard.watch(() => raise('SIGKILL')),
  'hang in a worker': () =>
    guard.watch(() => {
      parentPort.postMessage('loading');
      sleep(1_000);
    }),
  async terminate() {
    const worker = inWorker('hang in a worker');
    await loading(worker);
    await worker.terminate();
  },
  async 'exit while a worker loads'() {
    await loading(inWorker('hang in a worker'));
    process.reallyExit(0);
  },
  async 'abort while a worker loads'() {
    await loading(inWorker('hang in a worker'));
    process.abort();
  },
  async 'trap while another thread loads'() {
    const worker = inWorker('hang in a worker');
    await loading(worker);
    const { peek } = new WebAssembly.Instance(new WebAssembly.Module(wireBytes)).exports;
    let traps = 0;
    for (let round = 0; round < 1000; round++) {
      try {
        peek(100_000);
      } catch (error) {
        if (error instanceof WebAssembly.RuntimeError) traps++;
      }
    }
    // Also in a thread that is not the main thread.
    const other = inWorker('trap');
    const trapped = await loading(other);
    console.log(traps === 1000 && trapped ? 'trapped' : `${traps} ${trapped}`);
  },
  trap() {
    const { peek } = new WebAssembly.Instance(new WebAssembly.Module(wireBytes)).exports;
    try {
      peek(100_000);
    } catch (error) {
      parentPort.postMessage(error instanceof WebAssembly.RuntimeError);
    }
  },
  handlers() {
    const before = handlers();
    const meanwhile = guard.watch(() => guard.watch(handlers));
    console.log(before === handlers() && before !== meanwhile ? 'the same' : `${before} ${meanwhile} ${handlers()}`);
  },
};
if (/^SIG/.test(how)) guard.watch(() => raise(how));
else await ways[how]();
