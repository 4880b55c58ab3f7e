// A step of the probe on a V8 that has a fault. Arguments: the fault, the step that has it, and the step to run.
import { V8Engine } from '../../dist/index.js';

const [fault, faulty] = process.argv.splice(2, 2);
const [, , step] = process.argv;

const faults = {
  crash: () => process.abort(),
  segfault: () => process.kill(process.pid, 'SIGSEGV'),
  killed: () => process.kill(process.pid, 'SIGKILL'),
  hang() {
    for (;;);
  },
  'wrong results': () => replace('fibonacci', (fibonacci) => (n) => fibonacci(n) + 1),
  'no trap': () => replace('peek', (peek) => (address) => (address === 65_536 ? 0 : peek(address))),
  // Behaves like a V8 that no longer compares the header.
  'takes anything'() {
    V8Engine.prototype.deserialize = function (_, wireBytes) {
      return this.compileSync(wireBytes);
    };
  },
};

function replace(name, replacement) {
  const { Instance } = WebAssembly;
  WebAssembly.Instance = class {
    constructor(...given) {
      const { exports } = new Instance(...given);
      this.exports = { ...exports, [name]: replacement(exports[name]) };
    }
  };
}

if (step === faulty) faults[fault]();
await import('../../dist/probe/step-process.js');
