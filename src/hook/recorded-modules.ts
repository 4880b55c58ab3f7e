import type { FunctionCounts } from '../engine/wasm-binary.js';
import type { Stored } from '../learning/saving-policy.js';
import { ModuleHash } from '../module-hash.js';
import { loadAddon, type ModuleAnalysis } from '../native/addon.js';

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

interface Entry {
  readonly recorded: RecordedModule;
  references: WeakRef<WebAssembly.Module>[];
  /** Its number in the addon, or 0. */
  kept: number;
}

/**
 * Remembers modules without keeping them alive: an instance keeps its Module, and a program that drops both wants the
 * memory back. Only until they are saved, the addon keeps the last few (native/unsaved-modules.cc).
 */
export class RecordedModules {
  #entries: Entry[] = [];

  get size(): number {
    return this.#entries.length;
  }

  add(recorded: RecordedModule, module: WebAssembly.Module): void {
    // An earlier record of the same module is replaced: its code is gone, or was made under other flags. Dead entries are
    // dropped, because a program that keeps compiling new modules would grow otherwise.
    const isReplaced = ({ key }: RecordedModule) =>
      key !== undefined && recorded.key !== undefined && key.equals(recorded.key);
    const others = this.#entries.filter((each) => {
      if (isReplaced(each.recorded)) letGo(each);
      return !isReplaced(each.recorded) && (each.kept > 0 || each.references.some(isAlive));
    });
    this.#entries = [...others, { recorded, references: [new WeakRef(module)], kept: 0 }];
  }

  /** Keeps a module that was added, also beyond the end of this thread, until {@link letGo}. */
  keep(recorded: RecordedModule, module: WebAssembly.Module): void {
    const entry = this.#entries.find((each) => each.recorded === recorded);
    const { analysis: _, ...details } = recorded;
    if (entry) entry.kept = loadAddon().addon?.keepUnsaved(module, JSON.stringify(details)) ?? 0;
  }

  letGo(): void {
    for (const entry of this.#entries) letGo(entry);
  }

  /** What other threads kept and did not save. For the main thread at its end; nothing is kept any more. */
  takeLeftBehind(): [RecordedModule, WebAssembly.Module][] {
    this.letGo();
    const left = loadAddon().addon?.takeUnsaved() ?? [];
    return left.flatMap(([module, text]) => {
      const { key, ...details } = JSON.parse(text);
      const recorded = { ...details, key: key && ModuleHash.parseHex(key), analysis: undefined };
      return module ? [[recorded, module]] : [];
    });
  }

  /** Notes another Module object over the same native code. */
  addReference(recorded: RecordedModule, module: WebAssembly.Module): void {
    const entry = this.#entries.find((each) => each.recorded === recorded);
    if (!entry) return;
    const alive = entry.references.filter(isAlive);
    entry.references = [...alive.slice(1 - MAX_REFERENCES), new WeakRef(module)];
  }

  /** Another object of a module that was added, if it is alive or kept. */
  find(recorded: RecordedModule): WebAssembly.Module | undefined {
    const entry = this.#entries.find((each) => each.recorded === recorded);
    return entry && objectOf(entry);
  }

  /** The modules of which at least one object is alive, or that are kept. */
  *alive(): Generator<[RecordedModule, WebAssembly.Module]> {
    for (const entry of this.#entries) {
      const module = objectOf(entry);
      if (module !== undefined) yield [entry.recorded, module];
    }
  }
}

/** An object that is alive, or a new one. */
function objectOf(entry: Entry): WebAssembly.Module | undefined {
  const alive = entry.references.find(isAlive)?.deref();
  if (alive !== undefined || entry.kept === 0) return alive;
  const module = loadAddon().addon?.findUnsaved(entry.kept);
  if (module) entry.references = [new WeakRef(module)];
  else entry.kept = 0;
  return module;
}

function letGo(entry: Entry): void {
  if (entry.kept > 0) loadAddon().addon?.letGoOfUnsaved(entry.kept);
  entry.kept = 0;
}

function isAlive(reference: WeakRef<WebAssembly.Module>): boolean {
  return reference.deref() !== undefined;
}
