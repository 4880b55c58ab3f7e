import type { FunctionCounts } from '../engine/wasm-binary.js';
import type { Stored } from '../learning/saving-policy.js';
import type { ModuleHash } from '../module-hash.js';
import type { RecordedModule } from './recorded-modules.js';

/** The result of a look-up. After a miss, pass the module that V8 compiled to `Recorder.record`. */
export interface Lookup {
  /** `undefined` when nothing is stored for this engine, so that no key was needed. */
  readonly key: ModuleHash | undefined;
  readonly engineId: string;
  readonly wireLength: number;
  /** See `sampleOf`. */
  readonly sample: number;
  readonly functions: FunctionCounts | undefined;
  /** A fresh Module object after a hit. */
  readonly module: WebAssembly.Module | undefined;
  /** The artifact of the module in the cache folder. */
  readonly stored: Stored;
  /** Whether that artifact is not loaded because a process died while it loaded it. */
  readonly isQuarantined: boolean;
  /** The record of the module, if this thread has one. */
  readonly recorded: RecordedModule | undefined;
}

/** The result of a look-up that waited for the store, and the wire bytes as they were when it began. */
export interface LaterLookup {
  readonly lookup: Lookup | undefined;
  readonly wireBytes: Uint8Array;
}
