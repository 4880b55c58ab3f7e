import type { ModuleHash } from '../module-hash.js';
import { sha256 } from './digest.js';

/**
 * Wire bytes together with their hash, which is computed once. The bytes are copied on the way in and on the way out, so
 * the two cannot come apart. As in Node.js, but hashing is asynchronous here.
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
  /** That of the wire bytes, the key of their module. */
  readonly hash: ModuleHash;
  readonly #wireBytes: Uint8Array<ArrayBuffer>;

  private constructor(wireBytes: Uint8Array<ArrayBuffer>, hash: ModuleHash) {
    this.#wireBytes = wireBytes;
    this.hash = hash;
  }

  /**
   * Copies and hashes the wire bytes with SHA-256: in another thread, but for a page that is no secure context.
   *
   * @throws {TypeError} when they are neither an `ArrayBuffer` nor a view of one.
   */
  static async sha256(wireBytes: BufferSource): Promise<HashedModuleData> {
    if (!ArrayBuffer.isView(wireBytes) && !(wireBytes instanceof ArrayBuffer)) {
      throw new TypeError(`Wire bytes must be an ArrayBuffer, a typed array or a DataView, not ${typeof wireBytes}`);
    }
    const copy = ArrayBuffer.isView(wireBytes)
      ? new Uint8Array(new Uint8Array(wireBytes.buffer, wireBytes.byteOffset, wireBytes.byteLength))
      : new Uint8Array(wireBytes.slice(0));
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
