import type { ModuleHash } from '../module-hash.js';
import { privateCopy } from '../private-copy.js';
import { sha256 } from './digest.js';

/**
 * Wire bytes together with their hash, which is computed once. The bytes are copied on the way in and on the way out, so that
 * bytes and hash always match. As in Node.js, but hashing is asynchronous here.
 *
 * @example
 * ```ts
 * import { HashedModuleData, loadModule, ThreadLocalCache } from 'wasm-module-cache/browser';
 *
 * const data = await HashedModuleData.sha256(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
 * const { key } = await loadModule(data, { cache: new ThreadLocalCache() });
 * console.log(key === data.hash); // true
 * ```
 */
export class HashedModuleData {
  /** The hash of the wire bytes: the key of their module. */
  readonly hash: ModuleHash;
  readonly #wireBytes: Uint8Array<ArrayBuffer>;

  private constructor(wireBytes: Uint8Array<ArrayBuffer>, hash: ModuleHash) {
    this.#wireBytes = wireBytes;
    this.hash = hash;
  }

  /**
   * Copies the wire bytes and hashes them with SHA-256, in another thread if the page is a secure context.
   *
   * @throws {TypeError} when they are neither an `ArrayBuffer` (or a shared one) nor a view of one.
   */
  static async sha256(wireBytes: BufferSource): Promise<HashedModuleData> {
    const copy = privateCopy(wireBytes);
    return new HashedModuleData(copy, await sha256(copy));
  }

  /** The length of the wire bytes. */
  get byteLength(): number {
    return this.#wireBytes.byteLength;
  }

  /** A fresh copy of the wire bytes. */
  get wireBytes(): Uint8Array<ArrayBuffer> {
    return this.#wireBytes.slice();
  }

  /** @internal The bytes themselves, for code of this package, which never writes to them. */
  static borrow(data: HashedModuleData): Uint8Array<ArrayBuffer> {
    return data.#wireBytes;
  }
}
