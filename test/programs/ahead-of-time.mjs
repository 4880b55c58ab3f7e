// What a program and its learner do with a module between them, in one process: V8's flags are changed for a while.
import { optimiseAheadOfTime, partToOptimise } from '../../dist/engine/ahead-of-time.js';
import { readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';

export function optimise(wireBytes, nativeCode, coverage) {
  const executed = nativeCode && readNativeCode(nativeCode, countFunctions(wireBytes)).executed;
  return optimiseAheadOfTime(partToOptimise(wireBytes, coverage === 'full' ? 'all' : executed), nativeCode, coverage);
}
