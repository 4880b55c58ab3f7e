/**
 * How a store is asked.
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
  /** Ends the operation, which then rejects with the signal's reason; whether a `put` was done is not known then. */
  signal?: AbortSignal | undefined;
  /**
   * From its abort on nobody waits, but a late answer is still welcome: the operation goes on as far as it can without keeping the
   * process alive. Stores may not mind it.
   */
  background?: AbortSignal | undefined;
}

/**
 * How a store is asked for a value.
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
   * Bytes. A store rejects instead of returning a longer value, before it takes memory for it where it can. Stores may ignore it:
   * then the caller throws the value away. Default: the store's own limit, or none.
   */
  maxSize?: number | undefined;
}

/**
 * How a store is given something.
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
   * Store only where this version is still there, as `get` told it; `null`: only where nothing is. Stores that are not
   * conditional store all the same.
   */
  ifVersion?: string | null | undefined;
}

/**
 * What a store has under a name.
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
  /** In memory of its own, which the caller may keep and change. */
  bytes: Uint8Array;
  /** Changes with every `put`; for {@link PutOptions.ifVersion}. `undefined` where the store is not conditional. */
  version: string | undefined;
}

/**
 * Bytes by name, anywhere: what `RemoteCache` keeps artifacts in. It knows nothing of WebAssembly, trusts nobody, and reports
 * trouble by rejecting; deadlines and failures are the business of who asks.
 *
 * Names are of at most 400 letters, digits, `.`, `_`, `+`, `-`, in parts with a `/` between them, of which none is `.` or `..`. A value is
 * there whole or not at all, also while it is replaced. `artifactStoreContract` of `wasm-module-cache/testing` tests all of this.
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
  /** What it is and where, for people: `redis://cache.internal:6379/0`. Never with a user name, a password or a token. */
  readonly description: string;
  /** Whether it minds {@link PutOptions.ifVersion}, so that of several writers the one with the better artifact wins. */
  readonly isConditional: boolean;
  /** `undefined` when there is nothing under this name. */
  get(name: string, options?: GetOptions): Promise<StoredValue | undefined>;
  /** Stores the bytes, in place of what was there. @returns `false` when `ifVersion` was not met, and nothing was stored. */
  put(name: string, bytes: Uint8Array, options?: PutOptions): Promise<boolean>;
  /** Whether there is something under this name. */
  has(name: string, options?: StoreOptions): Promise<boolean>;
  /** Removes what is under this name; that there is nothing is no error. */
  delete(name: string, options?: StoreOptions): Promise<void>;
  /** The names that start with the prefix, in any order, each once. Where a store cannot tell, it has no such method. */
  list?(prefix: string, options?: StoreOptions): AsyncIterable<string>;
  /** Lets go of connections. Nothing is asked of it any more. */
  close?(): Promise<void>;
}
