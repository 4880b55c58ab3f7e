import type { FunctionCounts } from '../engine/wasm-binary.js';
import type { Stored } from '../learning/saving-policy.js';
import type { ModuleHash } from '../module-hash.js';
import type { ModuleAnalysis } from '../native/addon.js';

/** A module that this thread compiled or restored. */
export interface RecordedModule {
  /** `undefined` until it is needed: nothing was stored for this engine when the module was looked up. */
  key: ModuleHash | undefined;
  /** Another thread reads the wire bytes for the save at the exit: it finds the key and the functions. */
  readonly analysis: ModuleAnalysis | undefined;
  /** The engine's id when the module was compiled or restored. Code made under other V8 flags must not be saved under these. */
  readonly engineId: string;
  readonly wireLength: number;
  /** Needed to read the native code; `undefined` when it cannot be read, or need not be. */
  readonly functions: FunctionCounts | undefined;
  /** Microseconds of CPU time that the process had used when the module was compiled or restored. */
  readonly cpuTimeBefore: number;
  /** Whether its code comes from the cache. */
  readonly isRestored: boolean;
  /** Whether a long run drops the restored code; see `retierAfter` in learning/retiering-policy.ts. */
  readonly mayRetier: boolean;
  /** The artifact that the module was restored from, or that this process saved since. */
  stored: Stored;
  /** Whether that artifact is quarantined: a learner tries it before a program loads it again. */
  isQuarantined: boolean;
  /** Whether it is not saved, because modules like it come only once. */
  hasPassed?: boolean;
  /** Whether this process asked for a learner. Once is enough. */
  hasRequestedLearner: boolean;
}

// A program may compile the same bytes over and over; a few of the Module objects are enough to find one that is alive.
const MAX_REFERENCES = 8;

/**
 * Remembers modules without keeping them alive: an instance keeps its Module, and a program that drops both wants the
 * memory back.
 */
export class RecordedModules {
  #entries: { recorded: RecordedModule; references: WeakRef<WebAssembly.Module>[] }[] = [];

  get size(): number {
    return this.#entries.length;
  }

  add(recorded: RecordedModule, module: WebAssembly.Module): void {
    // An earlier record of the same module is replaced: its code is gone, or was made under other flags. Dead entries are
    // dropped, because a program that keeps compiling new modules would grow otherwise.
    const isReplaced = ({ key }: RecordedModule) =>
      key !== undefined && recorded.key !== undefined && key.equals(recorded.key);
    const others = this.#entries.filter((each) => !isReplaced(each.recorded) && each.references.some(isAlive));
    this.#entries = [...others, { recorded, references: [new WeakRef(module)] }];
  }

  /** Notes another Module object over the same native code. */
  addReference(recorded: RecordedModule, module: WebAssembly.Module): void {
    const entry = this.#entries.find((each) => each.recorded === recorded);
    if (!entry) return;
    const alive = entry.references.filter(isAlive);
    entry.references = [...alive.slice(1 - MAX_REFERENCES), new WeakRef(module)];
  }

  /** The modules of which at least one object is alive. */
  *alive(): Generator<[RecordedModule, WebAssembly.Module]> {
    for (const { recorded, references } of this.#entries) {
      for (const reference of references) {
        const module = reference.deref();
        if (module === undefined) continue;
        yield [recorded, module];
        break;
      }
    }
  }
}

function isAlive(reference: WeakRef<WebAssembly.Module>): boolean {
  return reference.deref() !== undefined;
}
