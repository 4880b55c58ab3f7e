// Translates WebAssembly text and back.
import openWabt from 'wabt';
import { printResult } from './result.mjs';

const wabt = await openWabt();
const functions = Array.from(
  { length: 400 },
  (_, i) =>
    `(func (export "f${i}") (param i32) (result i32) local.get 0 i32.const ${i} i32.mul i32.const ${i + 1} i32.add)`,
);
const module = wabt.parseWat('module.wat', `(module ${functions.join('\n')})`);
module.validate();
const { buffer } = module.toBinary({});
printResult(wabt.readWasm(buffer, {}).toText({ foldExprs: true }));
