import type { FunctionCounts } from '../engine/wasm-binary.js';
import type { ModuleHash } from '../module-hash.js';
import type { Reading } from '../native/addon.js';
import type { Stored } from './saving-policy.js';

/** A module that this thread compiled or loaded. */
export interface KnownModule {
  /** `undefined` as long as nobody needed it: nothing was stored for this engine when it was looked up. */
  key: ModuleHash | undefined;
  /** What another thread finds out about it for the exit, the key first of all. */
  readonly reading: Reading | undefined;
  /** The engine's id when it was compiled or loaded: code made under other V8 flags must not be saved under these. */
  readonly engineId: string;
  readonly wireLength: number;
  /** What its native code is read by; `undefined` when it cannot be read, or need not be. */
  readonly functions: FunctionCounts | undefined;
  /** The artifact that it was loaded from, or that this process saved since. */
  stored: Stored;
  /** Whether that artifact is not to be loaded, but tried by a learner. */
  readonly isSuspect: boolean;
  /** Whether this process asked for a learner; one time is enough. */
  isLearnt: boolean;
}

// A program may compile the same bytes over and over; a few of the Module objects are enough to find one that is alive.
const MAX_REFERENCES = 8;

/**
 * Remembers modules without keeping them alive: an instance keeps its Module, and a program that lets both go wants the
 * memory back.
 */
export class KnownModules {
  #entries: { known: KnownModule; references: WeakRef<WebAssembly.Module>[] }[] = [];

  get size(): number {
    return this.#entries.length;
  }

  add(known: KnownModule, module: WebAssembly.Module): void {
    // Replaced when known before: its code is gone, or belongs to other flags. What nobody holds any more is forgotten, or a
    // program that compiles ever new modules would grow.
    const isReplaced = ({ key }: KnownModule) => key !== undefined && known.key !== undefined && key.equals(known.key);
    const others = this.#entries.filter((each) => !isReplaced(each.known) && each.references.some(isAlive));
    this.#entries = [...others, { known, references: [new WeakRef(module)] }];
  }

  /** Notes another Module object over the same native code. */
  addReference(known: KnownModule, module: WebAssembly.Module): void {
    const entry = this.#entries.find((each) => each.known === known);
    if (!entry) return;
    const alive = entry.references.filter(isAlive);
    entry.references = [...alive.slice(1 - MAX_REFERENCES), new WeakRef(module)];
  }

  /** The modules of which at least one object is alive. */
  *alive(): Generator<[KnownModule, WebAssembly.Module]> {
    for (const { known, references } of this.#entries) {
      for (const reference of references) {
        const module = reference.deref();
        if (module === undefined) continue;
        yield [known, module];
        break;
      }
    }
  }
}

function isAlive(reference: WeakRef<WebAssembly.Module>): boolean {
  return reference.deref() !== undefined;
}
