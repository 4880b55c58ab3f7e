import type { ArtifactStore, GetOptions, PutOptions, StoredValue, StoreOptions } from '../artifact-store.js';

/**
 * A conditional store in memory, for tests of code that uses stores. Override its methods to make it fail.
 *
 * @example
 * ```ts
 * import { RemoteCache } from 'wasm-module-cache';
 * import { MemoryStore } from 'wasm-module-cache/testing';
 *
 * class DeadStore extends MemoryStore {
 *   override get(): never {
 *     throw new Error('dead');
 *   }
 * }
 *
 * const cache = new RemoteCache(new DeadStore(), { allowUnsigned: true });
 * console.log(cache.stats.failed); // 0
 * ```
 */
export class MemoryStore implements ArtifactStore {
  readonly description: string = 'memory';
  readonly isConditional: boolean = true;
  /** The stored values. Their versions count up. */
  readonly values = new Map<string, { bytes: Uint8Array; version: string }>();
  #puts = 0;

  async get(name: string, { signal }: GetOptions = {}): Promise<StoredValue | undefined> {
    signal?.throwIfAborted();
    const value = this.values.get(name);
    return value && { ...value, bytes: Uint8Array.from(value.bytes) };
  }

  async put(name: string, bytes: Uint8Array, { signal, ifVersion }: PutOptions = {}): Promise<boolean> {
    signal?.throwIfAborted();
    const version = this.values.get(name)?.version ?? null;
    if (this.isConditional && ifVersion !== undefined && ifVersion !== version) return false;
    this.values.set(name, { bytes: Uint8Array.from(bytes), version: String(++this.#puts) });
    return true;
  }

  async has(name: string, { signal }: StoreOptions = {}): Promise<boolean> {
    signal?.throwIfAborted();
    return this.values.has(name);
  }

  async delete(name: string, { signal }: StoreOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.values.delete(name);
  }

  async *list(prefix: string, { signal }: StoreOptions = {}): AsyncGenerator<string> {
    signal?.throwIfAborted();
    for (const name of this.values.keys()) if (name.startsWith(prefix)) yield name;
  }
}
