/**
 * Options of all operations of a store.
 *
 * @example
 * ```ts
 * import { FileSystemStore, type StoreOptions } from 'wasm-module-cache';
 *
 * const options: StoreOptions = { signal: AbortSignal.timeout(250) };
 * console.log(await new FileSystemStore('store').has('a/b.artifact', options)); // false
 * ```
 */
export interface StoreOptions {
  /** Ends the operation, which rejects with the signal's reason. It is then unknown whether a `put` was done. */
  signal?: AbortSignal | undefined;
  /**
   * From its abort on nobody waits, but a late answer is still useful: the operation goes on as far as it can without keeping the
   * process alive. Stores may ignore it.
   */
  background?: AbortSignal | undefined;
}

/**
 * Options of `get`.
 *
 * @example
 * ```ts
 * import { FileSystemStore, type GetOptions } from 'wasm-module-cache';
 *
 * const small: GetOptions = { maxSize: 1000, signal: AbortSignal.timeout(250) };
 * const store = new FileSystemStore('store');
 * await store.put('a/b.artifact', Buffer.alloc(1001));
 * console.log(await store.get('a/b.artifact', small).catch(({ message }) => /more than 1000/.test(message))); // true
 * ```
 */
export interface GetOptions extends StoreOptions {
  /**
   * The largest value in bytes. For a longer value the store rejects, if possible before it takes memory for it. Stores may ignore
   * this option; then the caller throws the value away. Default: the store's own limit, or none.
   */
  maxSize?: number | undefined;
  /**
   * Receives the beginning of the value, of at least 512 bytes unless the value is shorter, before the rest takes memory. What it throws,
   * the store rejects with. Stores may ignore this option: the caller checks the whole value anyway.
   */
  check?: ((beginning: Uint8Array) => void) | undefined;
}

/**
 * Options of `put`.
 *
 * @example
 * ```ts
 * import { FileSystemStore, type PutOptions } from 'wasm-module-cache';
 *
 * const onlyIfNothingIsThere: PutOptions = { ifVersion: null };
 * const store = new FileSystemStore('store');
 * console.log(store.isConditional); // false
 * console.log(await store.put('a/b.artifact', Buffer.from('bytes'), onlyIfNothingIsThere)); // true
 * ```
 */
export interface PutOptions extends StoreOptions {
  /**
   * Stores only if this version, from `get`, is still there; with `null` only if nothing is there. Stores that are not conditional
   * ignore it.
   */
  ifVersion?: string | null | undefined;
}

/**
 * A value of a store.
 *
 * @example
 * ```ts
 * import { FileSystemStore, type StoredValue } from 'wasm-module-cache';
 *
 * const describe = ({ bytes, version }: StoredValue) => `${bytes.length} bytes, version ${version}`;
 * const store = new FileSystemStore('store');
 * await store.put('a/b.artifact', Buffer.from('bytes'));
 * const value = await store.get('a/b.artifact');
 * console.log(value && describe(value)); // 5 bytes, version undefined
 * ```
 */
export interface StoredValue {
  /** The caller may keep and change this memory. */
  bytes: Uint8Array;
  /** Changes with every `put`; for {@link PutOptions.ifVersion}. `undefined` if the store is not conditional. */
  version: string | undefined;
}

/**
 * Stores bytes by name, anywhere: `RemoteCache` keeps artifacts in one. It knows nothing of WebAssembly and rejects if something fails.
 * Deadlines and retries are up to the caller.
 *
 * A name has at most 400 letters, digits, `.`, `_`, `+` and `-`, in parts separated by `/`, none of which is `.` or `..`. Readers get a
 * value whole or not at all, also while it is replaced. `artifactStoreContract` of `wasm-module-cache/testing` tests all of this.
 *
 * @example
 * ```ts
 * import type { ArtifactStore, StoredValue } from 'wasm-module-cache';
 *
 * class MapStore implements ArtifactStore {
 *   readonly description = 'a map';
 *   readonly isConditional = false;
 *   readonly #values = new Map<string, Uint8Array>();
 *
 *   async get(name: string): Promise<StoredValue | undefined> {
 *     const bytes = this.#values.get(name);
 *     return bytes && { bytes: Uint8Array.from(bytes), version: undefined };
 *   }
 *
 *   async put(name: string, bytes: Uint8Array): Promise<boolean> {
 *     this.#values.set(name, Uint8Array.from(bytes));
 *     return true;
 *   }
 *
 *   async has(name: string): Promise<boolean> {
 *     return this.#values.has(name);
 *   }
 *
 *   async delete(name: string): Promise<void> {
 *     this.#values.delete(name);
 *   }
 * }
 *
 * const store = new MapStore();
 * await store.put('a/b.artifact', Buffer.from('bytes'));
 * console.log(await store.has('a/b.artifact')); // true
 * ```
 */
export interface ArtifactStore {
  /** Describes the store for people: `redis://cache.internal:6379/0`. Never contains a user name, a password or a token. */
  readonly description: string;
  /** Whether it respects {@link PutOptions.ifVersion}, so that of several writers the one with the better artifact wins. */
  readonly isConditional: boolean;
  /** The value, or `undefined` if there is none under this name. */
  get(name: string, options?: GetOptions): Promise<StoredValue | undefined>;
  /** Stores the bytes and replaces an older value. @returns `false` if `ifVersion` did not match, so that nothing was stored. */
  put(name: string, bytes: Uint8Array, options?: PutOptions): Promise<boolean>;
  /** Whether there is a value under this name. */
  has(name: string, options?: StoreOptions): Promise<boolean>;
  /** Removes the value under this name. A missing value is no error. */
  delete(name: string, options?: StoreOptions): Promise<void>;
  /** The names that start with the prefix, in any order, each once. Stores that cannot list have no such method. */
  list?(prefix: string, options?: StoreOptions): AsyncIterable<string>;
  /** Closes connections. The store is not used afterwards. */
  close?(): Promise<void>;
}
