import fs from 'node:fs';
import path from 'node:path';
import { runSync } from '../files/steps.js';
import { FileSystemStore } from './file-system.js';
import { PROGRAMS_FOLDER } from './programs-folder.js';

// Captured: programs patch these objects.
const { existsSync, readdirSync } = fs;
const { now } = Date;
const { parse, stringify } = JSON;

/** Distinguishes a record from foreign files and from other versions, which count as missing. */
const FORMAT = 'wasm-module-cache program record 1';
/** In bytes. A longer record is not read, because the store may be hostile. */
export const MAX_RECORD_SIZE = 2 ** 18;
/** The most modules of a record, because all are fetched when the program starts. Those of the earliest runs are dropped first. */
const MAX_MODULES = 32;
const KEY = /^(?:[0-9a-f]{16}|[0-9a-f]{64})$/;
/** Milliseconds until the store is asked again for modules that it did not have. */
const ASKED_EVERY = 3_600_000;

/** The entry of a module in a record. Later versions may have more: the place of its file, or how long the program runs. */
interface RecordedModule {
  key: string;
}

/**
 * The name of a program's record: the program's package and the path in it, or its file and folder, so that it does not depend on where
 * the program is installed. Programs that share a name fetch each other's modules, which does no harm.
 * `undefined` for a program without a file.
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

/** The keys of a record's modules, the latest used first; `undefined` for anything else. A forged record can only make a program fetch. */
export function decodeProgramRecord(bytes: Uint8Array): string[] | undefined {
  if (bytes.length > MAX_RECORD_SIZE) return undefined;
  try {
    const record = parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
    if (record.format !== FORMAT || !Array.isArray(record.modules)) return undefined;
    const keys = record.modules.map(({ key }: RecordedModule) => key);
    return keys.every((key: unknown) => typeof key === 'string' && KEY.test(key))
      ? keys.slice(0, MAX_MODULES)
      : undefined;
  } catch {
    return undefined;
  }
}

export function encodeProgramRecord(keys: Iterable<string>): Uint8Array {
  const modules: RecordedModule[] = [...new Set(keys)].slice(0, MAX_MODULES).map((key) => ({ key }));
  return Buffer.from(`${stringify({ format: FORMAT, modules })}\n`);
}

/** A program's record in the cache folder. */
export class ProgramRecord {
  readonly name: string;
  readonly #store: FileSystemStore;
  #keys: readonly string[] | undefined;
  #writtenAt = 0;

  /** Reads the record. Never throws. */
  constructor(name: string, directory: string, isShared: boolean) {
    this.name = name;
    this.#store = new FileSystemStore(directory, { isShared });
    this.#keys = this.#read();
  }

  /** The modules that the program used in its last runs, as of the last read; `undefined` without a valid record. */
  get keys(): readonly string[] | undefined {
    return this.#keys;
  }

  /**
   * Whether to ask the store for the record and its modules. After a yes the answer is no for an hour: the program may use no modules, the
   * store may not have all of them, and a program that ends at once would start a thread in vain each time.
   */
  beginPrefetch(): boolean {
    const isRecent = this.#keys !== undefined && Math.abs(now() - this.#writtenAt) <= ASKED_EVERY;
    if (isRecent || (this.#keys?.length && this.#isInFolder())) return false;
    try {
      if (this.#keys) runSync(this.#store.touch(this.name));
      else runSync(this.#store.write(this.name, encodeProgramRecord([])));
    } catch {
      // If nothing can be written, each process asks.
    }
    return true;
  }

  /**
   * Replaces the record. An empty one says, for a while, that the store has none.
   *
   * @throws {CacheError}
   */
  write(keys: readonly string[]): void {
    runSync(this.#store.write(this.name, encodeProgramRecord(keys)));
    this.#keys = keys;
  }

  /** Deletes the record, so that the next run writes and pushes everything again. Never throws. */
  forget(): void {
    try {
      runSync(this.#store.remove(this.name));
    } catch {
      // The folder is not trusted.
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
   * @returns whether the record lacked any of them, and had room
   * @throws {CacheError}
   */
  note(used: readonly string[]): boolean {
    this.#keys = this.#read(); // the store's record may have arrived
    const known = new Set(this.#keys);
    const recorded = used.filter((key) => known.has(key)).length;
    if (recorded === used.length || recorded >= MAX_MODULES) return false;
    runSync(this.#store.write(this.name, encodeProgramRecord([...used, ...known])));
    return true;
  }

  #read(): string[] | undefined {
    try {
      const { bytes, touchedAt } = runSync(this.#store.read(this.name, MAX_RECORD_SIZE));
      this.#writtenAt = touchedAt;
      return decodeProgramRecord(bytes);
    } catch {
      return undefined;
    }
  }
}
