import fs from 'node:fs';
import path from 'node:path';
import { runSync } from '../files/steps.js';
import { FileSystemStore } from './file-system.js';

// Captured: see stores/file-system.ts.
const { existsSync, readdirSync } = fs;
const { now } = Date;
const { parse, stringify } = JSON;

/** Where program records are, in a folder and in a store. */
export const PROGRAMS_FOLDER = 'programs';
/** What tells a record from a file of somebody else, and its version from others, which count as no record. */
const FORMAT = 'wasm-module-cache program record 1';
/** Bytes. A longer record is not read: the store's may be hostile. */
export const MAX_RECORD_SIZE = 2 ** 18;
/** A record forgets more modules than this, those of the earliest runs first, because all of it is fetched when the program starts. */
const MAX_MODULES = 32;
const KEY = /^(?:[0-9a-f]{16}|[0-9a-f]{64})$/;
/** Milliseconds between two times that the store is asked for what it does not seem to have. */
const ASKED_EVERY = 3_600_000;

/** What a record says of one module. Later versions may say more: where its file is, or how long the program runs. */
interface RecordedModule {
  key: string;
}

/**
 * The name of a program's record. It is made of the program's package and path in the package, or of its file and folder, so that it is
 * the same where the program lies somewhere else. Programs that share a name fetch each other's modules, which does no harm.
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
   * Whether the store is to be asked for the record and its modules. After a yes it is not asked again for an hour, whatever the answer:
   * the program may use no modules, the store may not have all, and a program that ends at once would start a thread in vain each time.
   */
  beginPrefetch(): boolean {
    const isRecent = this.#keys !== undefined && Math.abs(now() - this.#writtenAt) <= ASKED_EVERY;
    if (isRecent || (this.#keys?.length && this.#isInFolder())) return false;
    try {
      if (this.#keys) runSync(this.#store.touch(this.name));
      else runSync(this.#store.write(this.name, encodeProgramRecord([])));
    } catch {
      // Where nothing can be written, each process asks.
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

  /** Lets the next run note, and push, everything anew. Never throws. */
  forget(): void {
    try {
      runSync(this.#store.remove(this.name));
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
   * @returns whether the record lacked any of them, and had room
   * @throws {CacheError}
   */
  note(used: readonly string[]): boolean {
    this.#keys = this.#read(); // The store's record may be here by now.
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
