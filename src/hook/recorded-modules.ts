import type { FunctionCounts } from '../engine/wasm-binary.js';
import type { Stored } from '../learning/saving-policy.js';
import { ModuleHash } from '../module-hash.js';
import { loadAddon, type ModuleAnalysis } from '../native/addon.js';
import { crc32 } from '../native/digest.js';

// Captured: programs replace them.
const { parse, stringify } = JSON;
const { floor, imul, min } = Math;

/** A module that this thread compiled or restored. */
export interface RecordedModule {
  /** `undefined` until it is needed: nothing was stored for this engine when the module was looked up. */
  key: ModuleHash | undefined;
  /** Another thread reads the wire bytes for the save at the exit: it finds the key and the functions. */
  readonly analysis: ModuleAnalysis | undefined;
  /** The engine's id when the module was compiled or restored. Code made under other V8 flags must not be saved under these. */
  readonly engineId: string;
  readonly wireLength: number;
  /** See {@link sampleOf}. */
  readonly sample: number;
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

/** As many as the addon has room for. Programs with more modules keep most of them alive themselves. */
const MAX_KEPT = 32;

/** Modules of one thread that are alive at once. */
const MAX_MODULES = 256;
const ASKS_UNTIL_CLEANING = 32;

/** What modules of the same bytes have in common. */
type Alike = Pick<RecordedModule, 'wireLength' | 'sample'>;

/** Members of a group, which a look-up compares one by one. */
const MAX_GROUP = 8;

interface Entry {
  readonly recorded: RecordedModule;
  /** Of its group. */
  name: string;
  references: WeakRef<WebAssembly.Module>[];
  /** Its number in the addon, or 0. */
  kept: number;
}

/**
 * Remembers modules without keeping them alive: an instance keeps its Module, and a program that drops both wants the
 * memory back. Only until they are saved, the addon keeps the last few (native/unsaved-modules.cc).
 */
export class RecordedModules {
  /** In the order in which they were added. */
  readonly #entries = new Map<RecordedModule, Entry>();
  /** The entries whose bytes have one length and one sample, and in a crowd also one checksum. */
  readonly #groups = new Map<string, Set<Entry>>();
  /** The groups that became too large, because the sample says nothing about their bytes. */
  readonly #crowds = new Set<string>();
  #addsUntilCleaning = 0;
  #asksUntilCleaning = ASKS_UNTIL_CLEANING;
  /** Modules that are kept. */
  #kept = 0;

  /**
   * Whether another module is looked up. Further ones are left to V8 while there are so many: a program that makes thousands would spend
   * more on hashes, saves and jobs for learners than it gains.
   */
  get hasRoom(): boolean {
    if (this.#entries.size < MAX_MODULES) return true;
    if (--this.#asksUntilCleaning > 0) return false;
    this.#clean();
    this.#asksUntilCleaning = ASKS_UNTIL_CLEANING;
    return this.#entries.size < MAX_MODULES;
  }

  get size(): number {
    return this.#entries.size;
  }

  add(recorded: RecordedModule, module: WebAssembly.Module): void {
    // An earlier record of the same module is replaced: its code is gone, or was made under other flags.
    const name = this.#nameOf(recorded, () => checksumOf(module));
    for (const { recorded: other } of this.#groups.get(name) ?? []) {
      if (other.key !== undefined && recorded.key !== undefined && other.key.equals(recorded.key)) this.#remove(other);
    }
    const entry = { recorded, name, references: [new WeakRef(module)], kept: 0 };
    this.#entries.set(recorded, entry);
    this.#group(entry);
    // A program that keeps compiling new modules would grow otherwise. Not at every call, which would take longer and longer.
    if (--this.#addsUntilCleaning > 0) return;
    this.#clean();
    this.#addsUntilCleaning = this.#entries.size;
  }

  /** Forgets modules that were collected. */
  #clean(): void {
    for (const each of this.#entries.values()) {
      if (each.kept === 0 && !each.references.some(isAlive)) this.#remove(each.recorded);
    }
  }

  #remove(recorded: RecordedModule): void {
    const entry = this.#entries.get(recorded);
    if (!entry) return;
    if (entry.kept > 0) this.#kept--;
    letGo(entry);
    this.#entries.delete(recorded);
    const group = this.#groups.get(entry.name);
    group?.delete(entry);
    if (group?.size === 0) this.#groups.delete(entry.name);
  }

  #nameOf({ wireLength, sample }: Alike, checksum: () => number): string {
    const name = `${wireLength} ${sample}`;
    return this.#crowds.has(name) ? `${name} ${checksum()}` : name;
  }

  #group(entry: Entry): void {
    const group = this.#groups.get(entry.name) ?? new Set();
    this.#groups.set(entry.name, group.add(entry));
    const sampleName = `${entry.recorded.wireLength} ${entry.recorded.sample}`;
    if (group.size <= MAX_GROUP || this.#crowds.has(sampleName)) return;
    this.#crowds.add(sampleName);
    this.#groups.delete(entry.name);
    for (const each of group) {
      const module = objectOf(each);
      if (module === undefined) continue; // The next cleaning removes it.
      each.name = this.#nameOf(each.recorded, () => checksumOf(module));
      this.#group(each);
    }
  }

  /** Keeps a module that was added, also beyond the end of this thread, until {@link letGo}. */
  keep(recorded: RecordedModule, module: WebAssembly.Module): void {
    const entry = this.#entries.get(recorded);
    if (!entry || this.#kept >= MAX_KEPT) return;
    const { analysis: _, ...details } = recorded;
    entry.kept = loadAddon().addon?.keepUnsaved(module, stringify(details)) ?? 0;
    if (entry.kept > 0) this.#kept++;
  }

  letGo(): void {
    for (const entry of this.#entries.values()) letGo(entry);
    this.#kept = 0;
  }

  /** What other threads kept and did not save. For the main thread at its end; nothing is kept any more. */
  takeLeftBehind(): [RecordedModule, WebAssembly.Module][] {
    this.letGo();
    const left = loadAddon().addon?.takeUnsaved() ?? [];
    return left.flatMap(([module, text]) => {
      const { key, ...details } = parse(text);
      const recorded = { ...details, key: key && ModuleHash.parseHex(key), analysis: undefined };
      return module ? [[recorded, module]] : [];
    });
  }

  /** Notes another Module object over the same native code. */
  addReference(recorded: RecordedModule, module: WebAssembly.Module): void {
    const entry = this.#entries.get(recorded);
    if (!entry) return;
    const alive = entry.references.filter(isAlive);
    entry.references = [...alive.slice(1 - MAX_REFERENCES), new WeakRef(module)];
  }

  /** Another object of a module that was added, if it is alive or kept. */
  find(recorded: RecordedModule): WebAssembly.Module | undefined {
    const entry = this.#entries.get(recorded);
    return entry && objectOf(entry);
  }

  /** The modules of which at least one object is alive, or that are kept. */
  alive(): Generator<[RecordedModule, WebAssembly.Module]> {
    return aliveOf(this.#entries.values());
  }

  /** Those of them that may have the same bytes. A look-up compares few modules, however many are alive. */
  alike(alike: Alike, wireBytes: Uint8Array): Generator<[RecordedModule, WebAssembly.Module]> {
    return aliveOf(this.#groups.get(this.#nameOf(alike, () => crc32(wireBytes))) ?? []);
  }
}

function* aliveOf(entries: Iterable<Entry>): Generator<[RecordedModule, WebAssembly.Module]> {
  for (const entry of entries) {
    const module = objectOf(entry);
    if (module !== undefined) yield [entry.recorded, module];
  }
}

function checksumOf(module: WebAssembly.Module): number {
  const wireBytes = loadAddon().addon?.wireBytes(module);
  return wireBytes ? crc32(wireBytes) : 0;
}

/** A number that differs for most modules of one length: of their first and last bytes, and of some between them. */
export function sampleOf(wireBytes: Uint8Array): number {
  const { length } = wireBytes;
  let sample = 0;
  const add = (at: number) => {
    sample = imul(sample ^ (wireBytes[at] as number), FNV_PRIME);
  };
  const ends = min(SAMPLED, length);
  for (let i = 0; i < ends; i++) {
    add(i);
    add(length - 1 - i);
    add(floor((i * length) / ends));
  }
  return sample >>> 0;
}

/** Bytes at each end, and between them. */
const SAMPLED = 32;
const FNV_PRIME = 16_777_619;

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
