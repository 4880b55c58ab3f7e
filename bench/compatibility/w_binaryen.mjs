// Optimises a module.
import binaryen from 'binaryen';
import { printResult } from './result.mjs';

const functions = Array.from(
  { length: 60 },
  (_, i) =>
    `(func (export "f${i}") (param i32) (result i32) (i32.add (i32.mul (local.get 0) (i32.const ${i})) (i32.mul (i32.const 2) (i32.const ${i}))))`,
);
const module = binaryen.parseText(`(module ${functions.join('\n')})`);
binaryen.setOptimizeLevel(3);
module.optimize();
printResult(module.emitText());
