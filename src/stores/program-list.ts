import fs from 'node:fs';
import path from 'node:path';
import { FileSystemStore } from './file-system.js';

// Captured: see stores/file-system.ts.
const { existsSync, readdirSync } = fs;
const { now } = Date;
const { parse, stringify } = JSON;

/** Where the lists of programs are, in a folder and in a store. */
export const PROGRAMS_FOLDER = 'programs';
/** More are forgotten, those of the earliest runs first: what a program uses is fetched at once when it starts. */
const MAX_MODULES = 32;
const KEY = /^(?:[0-9a-f]{16}|[0-9a-f]{64})$/;
/** Milliseconds between two times that the store is asked for what it does not seem to have. */
const ASKED_EVERY = 3_600_000;

/**
 * The name of a program's list: of its package and path therein, or of its file and folder, so that it is the same where the program
 * lies somewhere else. Programs that share a name fetch each other's modules, which does no harm. `undefined` for a program
 * without a file.
 */
export function programName(file: string | undefined): string | undefined {
  if (!file) return undefined;
  const parts = file.split(/[\\/]/);
  const inPackage = parts.lastIndexOf('node_modules') + 1;
  const own = inPackage > 0 ? parts.slice(inPackage) : parts.slice(-2);
  return `${PROGRAMS_FOLDER}/${own
    .join('_')
    .replace(/[^\w.+-]/g, '_')
    .replace(/^\.+/, '')
    .slice(-100)}.json`;
}

/** The keys in a list, the latest used first; `undefined` for what is no list. Whoever wrote it, it can only make a program fetch. */
export function decodeList(bytes: Uint8Array): string[] | undefined {
  try {
    const { modules } = parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
    if (!Array.isArray(modules) || !modules.every((key) => typeof key === 'string' && KEY.test(key))) return undefined;
    return modules.slice(0, MAX_MODULES);
  } catch {
    return undefined;
  }
}

export function encodeList(keys: Iterable<string>): Uint8Array {
  return Buffer.from(`${stringify({ modules: [...new Set(keys)].slice(0, MAX_MODULES) })}\n`);
}

/** Which modules a program used in its last runs, as the cache folder has it. */
export class ProgramList {
  readonly name: string;
  readonly #store: FileSystemStore;
  #keys: readonly string[] | undefined;
  #writtenAt = 0;

  /** Reads the list. Never throws. */
  constructor(name: string, directory: string, isShared: boolean) {
    this.name = name;
    this.#store = new FileSystemStore(directory, { isShared });
    this.#keys = this.#read();
  }

  /** What the folder had when it was last read; `undefined` when that was no list. */
  get keys(): readonly string[] | undefined {
    return this.#keys;
  }

  /**
   * Whether the store is to be asked for the list and its modules. Then it is not again for an hour, whatever comes of that: the
   * program may use no modules, the store may not have all, and a program that ends at once would start a thread in vain each time.
   */
  beginPrefetch(): boolean {
    const isRecent = this.#keys !== undefined && Math.abs(now() - this.#writtenAt) <= ASKED_EVERY;
    if (isRecent || (this.#keys?.length && this.#isInFolder())) return false;
    try {
      if (this.#keys) this.#store.touchSync(this.name);
      else this.#store.writeSync(this.name, encodeList([]));
    } catch {
      // Where nothing can be written, each process asks.
    }
    return true;
  }

  /**
   * Takes the place of what there was; an empty list says, for a while, that the store has none.
   *
   * @throws {CacheError}
   */
  write(keys: readonly string[]): void {
    this.#store.writeSync(this.name, encodeList(keys));
    this.#keys = keys;
  }

  /** Lets the next run note, and push, everything anew. Never throws. */
  forget(): void {
    try {
      this.#store.deleteSync(this.name);
    } catch {
      // A folder that is not trusted.
    }
  }

  /** Whether the folder has artifacts of all these modules, for this Node, whatever its flags. */
  #isInFolder(): boolean {
    const { directory } = this.#store;
    let engines: string[];
    try {
      engines = readdirSync(directory).filter((name) => name.startsWith(`node-${process.version}_`));
    } catch {
      return false;
    }
    const has = (key: string) => engines.some((engine) => existsSync(path.join(directory, engine, `${key}.artifact`)));
    return this.keys?.every(has) ?? false;
  }

  /**
   * Notes which modules the program used.
   *
   * @returns whether the list did not have all of them, as far as it has room
   * @throws {CacheError}
   */
  note(used: readonly string[]): boolean {
    this.#keys = this.#read(); // What it was in the store may be here by now.
    const known = new Set(this.#keys);
    const listed = used.filter((key) => known.has(key)).length;
    if (listed === used.length || listed >= MAX_MODULES) return false;
    this.#store.writeSync(this.name, encodeList([...used, ...known]));
    return true;
  }

  #read(): string[] | undefined {
    try {
      const { body, touchedAt } = this.#store.readSync(this.name);
      this.#writtenAt = touchedAt;
      return decodeList(body);
    } catch {
      return undefined;
    }
  }
}
