/**
 * Artifacts in any driver of unstorage. Needs `unstorage`.
 *
 * @module wasm-module-cache/stores/unstorage
 */

import nodeUtil from 'node:util';
import type { ArtifactStore, GetOptions, PutOptions, StoredValue, StoreOptions } from '../artifact-store.js';
import { CacheError } from '../cache-error.js';
import { crc32 } from '../native/digest.js';
import { TooLargeError } from '../too-large-error.js';
import { withSignal } from './with-signal.js';

/**
 * Length and CRC-32 come before the bytes of each value. Some drivers, such as `fs`, write in place, so that a reader may find half
 * a value, or parts of two.
 */
const HEADER_LENGTH = 8;

/** unstorage's mark for bytes in drivers that store only text. */
const BASE64_PREFIX = 'base64:';

/**
 * The part of a storage that `UnstorageStore` uses. `createStorage()` and `prefixStorage()` of `unstorage` make one.
 *
 * @example
 * ```ts
 * import { createStorage, prefixStorage } from 'unstorage';
 * import { type UnstorageLike, UnstorageStore } from 'wasm-module-cache/stores/unstorage';
 *
 * const storage: UnstorageLike = prefixStorage(createStorage(), 'wasm');
 * const store = new UnstorageStore(storage);
 * await store.put('engine/key.artifact', Buffer.from('bytes'));
 * console.log(await storage.getKeys()); // [ 'engine:key.artifact' ]
 * ```
 */
export interface UnstorageLike {
  /** Whether there is a value under this key. */
  hasItem(key: string): Promise<boolean>;
  /** The bytes under this key, in a form of the driver's choice. */
  getItemRaw(key: string): Promise<unknown>;
  /** Stores bytes. */
  setItemRaw(key: string, value: Uint8Array): Promise<unknown>;
  /** Removes the value under this key. */
  removeItem(key: string): Promise<unknown>;
  /** The keys below a base. */
  getKeys(base?: string): Promise<string[]>;
}

/**
 * Bytes by name in a storage of `unstorage`, with any of its drivers. For Redis, S3 and HTTP there are stores that do
 * more, such as conditional puts.
 *
 * A `/` in a name is a `:` in the storage's key. A value that was not stored whole is a miss. The store does not dispose of the storage.
 * Read-only drivers silently ignore puts. Drivers read a value whole, however large it is: use only storages that you trust
 * with your memory.
 *
 * @example
 * ```ts
 * import { createStorage } from 'unstorage';
 * import fsLite from 'unstorage/drivers/fs-lite';
 * import { UnstorageStore } from 'wasm-module-cache/stores/unstorage';
 *
 * const store = new UnstorageStore(createStorage({ driver: fsLite({ base: 'shared' }) }));
 * console.log(store.description); // unstorage (fs-lite)
 * await store.put('engine/key.artifact', Buffer.from('bytes'));
 * for await (const name of store.list('engine/')) console.log(name); // engine/key.artifact
 * ```
 */
export class UnstorageStore implements ArtifactStore {
  readonly isConditional = false;
  readonly #storage: UnstorageLike;
  readonly #puts = new Map<string, Promise<unknown>>();

  /** @throws {TypeError} when the argument is no storage. */
  constructor(storage: UnstorageLike) {
    if (typeof storage?.getItemRaw !== 'function' || typeof storage.setItemRaw !== 'function') {
      const given = storage === null ? 'null' : typeof storage;
      throw new TypeError(`The storage must be one that createStorage() of unstorage 1.17 made, not ${given}`);
    }
    this.#storage = storage;
  }

  /** The name of the driver, without its options, which may contain secrets. */
  get description(): string {
    const { getMount } = this.#storage as { getMount?: () => { driver?: { name?: unknown } } };
    const name = getMount?.().driver?.name;
    return typeof name === 'string' ? `unstorage (${name})` : 'unstorage';
  }

  async get(
    name: string,
    { signal, maxSize = Number.POSITIVE_INFINITY }: GetOptions = {},
  ): Promise<StoredValue | undefined> {
    const key = toKey(name);
    const stored = await this.#run(`get ${name}`, signal, async () => {
      try {
        const stored = await this.#storage.getItemRaw(key);
        // The drivers fs and fs-lite resolve with the error instead of rejecting.
        if (stored instanceof Error) throw stored;
        return stored;
      } catch (error) {
        // Drivers reject if a folder of the key is a file, and the driver http if there is no value.
        if (!(await this.#storage.hasItem(key))) return undefined;
        throw error;
      }
    });
    if (stored === null || stored === undefined) return undefined;
    // The driver has read the whole value by now.
    const tooLarge = () => new TooLargeError(`${this.description}: ${name}`, undefined, maxSize);
    if (leastLengthOf(stored) > maxSize + HEADER_LENGTH) throw tooLarge();
    const bytes = wholeBytes(this.#bytesOf(stored, name));
    if (bytes && bytes.length > maxSize) throw tooLarge();
    return bytes && { bytes, version: undefined };
  }

  async put(name: string, bytes: Uint8Array, { signal }: PutOptions = {}): Promise<boolean> {
    const key = toKey(name);
    // In its own memory of exactly this length, because a driver may keep it or use the whole buffer.
    const value = Buffer.allocUnsafeSlow(HEADER_LENGTH + bytes.length);
    value.set(bytes, HEADER_LENGTH);
    value.writeUInt32LE(bytes.length, 0);
    value.writeUInt32LE(crc32(value.subarray(HEADER_LENGTH)), 4);
    await this.#run(`put ${name}`, signal, () => this.#putInTurn(key, value));
    return true;
  }

  async has(name: string, { signal }: StoreOptions = {}): Promise<boolean> {
    return await this.#run(`look for ${name}`, signal, () => this.#storage.hasItem(toKey(name)));
  }

  async delete(name: string, { signal }: StoreOptions = {}): Promise<void> {
    await this.#run(`delete ${name}`, signal, () => this.#storage.removeItem(toKey(name)));
  }

  async *list(prefix: string, { signal }: StoreOptions = {}): AsyncGenerator<string> {
    const folder = toKey(prefix.slice(0, prefix.lastIndexOf('/') + 1));
    const keys = await this.#run('list names', signal, () => this.#storage.getKeys(folder));
    for (const key of new Set(keys)) {
      signal?.throwIfAborted();
      const name = toName(key);
      // The storage may contain foreign keys that are not valid names.
      if (name.startsWith(prefix) && toKey(name) === key) yield name;
    }
  }

  /** Runs writes one after the other, for drivers that write in place. */
  async #putInTurn(key: string, value: Uint8Array): Promise<void> {
    const before = this.#puts.get(key) ?? Promise.resolve();
    const put = before.catch(() => {}).then(() => this.#storage.setItemRaw(key, value));
    this.#puts.set(key, put);
    try {
      await put;
    } finally {
      if (this.#puts.get(key) === put) this.#puts.delete(key);
    }
  }

  #bytesOf(stored: unknown, name: string): Uint8Array {
    if (ArrayBuffer.isView(stored)) return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
    if (nodeUtil.types.isAnyArrayBuffer(stored)) return new Uint8Array(stored);
    if (typeof stored === 'string' && stored.startsWith(BASE64_PREFIX)) {
      const text = stored.slice(BASE64_PREFIX.length);
      const bytes = Buffer.from(text, 'base64');
      if (bytes.toString('base64') === text) return bytes;
    }
    const given = typeof stored === 'string' ? 'text' : Object.prototype.toString.call(stored);
    throw new CacheError('Other', `${this.description} gave ${given} for ${name}: this driver does not store bytes`);
  }

  async #run<T>(what: string, signal: AbortSignal | undefined, operation: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    try {
      return await withSignal(operation(), signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#error(what, error);
    }
  }

  #error(what: string, cause: unknown): CacheError {
    const message = cause instanceof Error ? cause.message : String(cause);
    return new CacheError('Other', `${this.description}: could not ${what}: ${message}`, { cause });
  }
}

/** The least number of bytes of this text. */
function leastLengthOf(stored: unknown): number {
  if (typeof stored === 'string') return ((stored.length - BASE64_PREFIX.length) * 3) / 4 - 2;
  return (stored as Partial<ArrayBuffer>).byteLength ?? 0;
}

/** A copy, because the driver memory returns its own bytes. */
function wholeBytes(value: Uint8Array): Uint8Array | undefined {
  if (value.length < HEADER_LENGTH) return undefined;
  const header = new DataView(value.buffer, value.byteOffset, HEADER_LENGTH);
  const bytes = value.slice(HEADER_LENGTH);
  const isWhole = header.getUint32(0, true) === bytes.length && header.getUint32(4, true) === crc32(bytes);
  return isWhole ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length) : undefined;
}

/**
 * A name has neither `:` nor `%`, so both ways are exact. A `.` at the end of a part is escaped: the file drivers
 * refuse keys with `..` there, and Windows drops it.
 */
function toKey(name: string): string {
  return name.replace(/\.(?=\/|$)/g, '%2E').replaceAll('/', ':');
}

function toName(key: string): string {
  return key.replaceAll(':', '/').replaceAll('%2E', '.');
}
