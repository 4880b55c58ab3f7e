// Does in one process what a program and its learner do with a module. Changes V8's flags for a while.
import { optimiseAheadOfTime, partToOptimise } from '../../dist/engine/ahead-of-time.js';
import { readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';

export function optimise(wireBytes, nativeCode, coverage) {
  const executed = nativeCode && readNativeCode(nativeCode, countFunctions(wireBytes)).executed;
  return optimiseAheadOfTime(partToOptimise(wireBytes, coverage === 'full' ? 'all' : executed), nativeCode, coverage);
}
