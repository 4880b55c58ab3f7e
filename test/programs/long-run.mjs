// node long-run.mjs <rounds>: calls small functions in a loop, each round 1,000,000 times, or only 50,000 times in all for 0 rounds. Prints the
// result, the CPU time of the calls in milliseconds, and which functions have whose code in the end.

import {
  codeSection,
  customSection,
  I32,
  moduleOf,
  named,
  section,
  vector,
} from '../../.test-build/support/wasm-binary.js';
import { readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';
import { V8Engine } from '../../dist/index.js';

const get = (local) => [0x20, local];
const set = (local) => [0x21, local];
const call = (callee) => [0x10, callee];
const constant = (value) => [0x41, value];
const END = 0x0b;
const [ADD, SUBTRACT, MULTIPLY] = [0x6a, 0x6b, 0x6c];
const wireBytes = moduleOf(
  section(1, vector([[0x60, ...vector([[I32]]), ...vector([[I32]])]])),
  section(3, vector([[0], [0], [0]])),
  section(7, vector([[...named('sum'), 0, 2]])),
  codeSection([
    [0, ...get(0), ...constant(3), MULTIPLY, END],
    [0, ...get(0), ...constant(5), ADD, END],
    [
      ...[1, 1, I32], // local 1 is the sum
      ...[0x03, 0x40], // loop
      ...[...get(1), ...get(0), ...call(0), ...call(1), ADD, ...set(1)],
      ...[...get(0), ...constant(1), SUBTRACT, 0x22, 0, 0x0d, 0, END],
      ...[...get(1), END],
    ],
  ]),
  customSection('padding', 70_000),
);
const rounds = Number(process.argv[2]);
const module = new WebAssembly.Module(wireBytes);
const { sum } = new WebAssembly.Instance(module).exports;
const begin = process.cpuUsage();
let result = 0;
if (rounds === 0) for (let i = 0; i < 50; i++) result = (result + sum(1000)) | 0;
for (let i = 0; i < rounds; i++) result = (result + sum(1_000_000)) | 0;
const { user, system } = process.cpuUsage(begin);
const nativeCode = new V8Engine().serialize(module);
const { optimised, fromLearner } = nativeCode
  ? readNativeCode(nativeCode, countFunctions(wireBytes))
  : { optimised: [], fromLearner: [] };
console.log(
  JSON.stringify({ result, cpu: (user + system) / 1000, optimised: [...optimised], fromLearner: [...fromLearner] }),
);
process.on('exit', () => module); // Garbage is not saved.
