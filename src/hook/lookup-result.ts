import type { FunctionCounts } from '../engine/wasm-binary.js';
import type { Stored } from '../learning/saving-policy.js';
import type { ModuleHash } from '../module-hash.js';
import type { RecordedModule } from './recorded-modules.js';

/** What looking up some wire bytes gave. After a miss, give `Recorder.record` the module that V8 compiled. */
export interface Lookup {
  /** `undefined` when nothing is stored for this engine, so that no key was needed. */
  readonly key: ModuleHash | undefined;
  readonly engineId: string;
  readonly wireLength: number;
  readonly functions: FunctionCounts | undefined;
  /** A fresh Module object after a hit. */
  readonly module: WebAssembly.Module | undefined;
  /** What the cache folder has of the module. */
  readonly stored: Stored;
  /** Whether that is not loaded because a process died while it loaded it. */
  readonly isQuarantined: boolean;
  /** The record of the module, where this thread has one. */
  readonly recorded: RecordedModule | undefined;
}

/** The result of a look-up that waited for the store, and the wire bytes as they were when it began. */
export interface LaterLookup {
  readonly lookup: Lookup | undefined;
  readonly wireBytes: Uint8Array;
}
