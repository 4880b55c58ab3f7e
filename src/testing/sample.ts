import { ModuleHash } from '../module-hash.js';
import { FakeEngine } from './fake-engine.js';
import { sumModule } from './modules.js';

/** A module that an engine compiled, with all that caches are asked with. */
export interface Sample {
  engine: FakeEngine;
  wireBytes: Uint8Array<ArrayBuffer>;
  key: ModuleHash;
  module: WebAssembly.Module;
}

/** Samples with different `offset` have different keys and compute different sums. */
export function sample({ offset = 0, engine = new FakeEngine() } = {}): Sample {
  const wireBytes = sumModule({ offset });
  return { engine, wireBytes, key: ModuleHash.sha256(wireBytes), module: engine.compileSync(wireBytes) };
}

/** As if V8 had optimised `bytes` more of code. */
export function optimisedFurther(engine: FakeEngine, bytes: number): Uint8Array {
  const before = new FakeEngine(engine.deterministicId).nativeCode as Uint8Array;
  const further = new Uint8Array(before.length + bytes).fill(0x90);
  further.set(before);
  return further;
}
