import { ModuleHash } from '../module-hash.js';
import { FakeEngine } from './fake-engine.js';
import { sumModule } from './modules.js';

/** A compiled module, and the arguments with which a cache is asked for it. */
export interface Sample {
  engine: FakeEngine;
  wireBytes: Uint8Array<ArrayBuffer>;
  key: ModuleHash;
  module: WebAssembly.Module;
}

/** Samples with different `offset` have different keys and different sums. */
export function sample({ offset = 0, engine = new FakeEngine() } = {}): Sample {
  const wireBytes = sumModule({ offset });
  return { engine, wireBytes, key: ModuleHash.sha256(wireBytes), module: engine.compileSync(wireBytes) };
}

/** Native code as if V8 had optimised `bytes` more. */
export function optimisedFurther(engine: FakeEngine, bytes: number): Uint8Array {
  const before = new FakeEngine(engine.deterministicId).nativeCode as Uint8Array;
  const further = new Uint8Array(before.length + bytes).fill(0x90);
  further.set(before);
  return further;
}
