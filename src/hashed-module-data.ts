import { ModuleHash } from './module-hash.js';

/**
 * Wire bytes together with their hash, which is computed once. The bytes are copied on the way in and on the way out, so
 * the two cannot come apart.
 */
export class HashedModuleData {
  readonly hash: ModuleHash;
  readonly #wireBytes: Uint8Array;

  private constructor(wireBytes: Uint8Array, hash: ModuleHash) {
    this.#wireBytes = wireBytes;
    this.hash = hash;
  }

  /** Copies and hashes the wire bytes with SHA-256. */
  static sha256(wireBytes: BufferSource): HashedModuleData {
    const copy = privateCopy(wireBytes);
    return new HashedModuleData(copy, ModuleHash.sha256(copy));
  }

  /** Copies and hashes the wire bytes with XXH64; see {@link ModuleHash.xxhash} for when that is safe. */
  static xxhash(wireBytes: BufferSource): HashedModuleData {
    const copy = privateCopy(wireBytes);
    return new HashedModuleData(copy, ModuleHash.xxhash(copy));
  }

  /** The length of the wire bytes. */
  get byteLength(): number {
    return this.#wireBytes.byteLength;
  }

  /** A fresh copy of the wire bytes. */
  get wireBytes(): Uint8Array {
    return this.#wireBytes.slice();
  }

  /** @internal The bytes themselves, for code of this package, which never writes to them. */
  static borrow(data: HashedModuleData): Uint8Array {
    return data.#wireBytes;
  }
}

function privateCopy(source: BufferSource): Uint8Array {
  if (!ArrayBuffer.isView(source) && !isArrayBuffer(source)) {
    throw new TypeError(`Wire bytes must be an ArrayBuffer, a typed array or a DataView, not ${typeof source}`);
  }
  const view = ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
  // Uint8Array.prototype.slice of a shared array copies into an ordinary buffer; set() makes that explicit.
  const copy = new Uint8Array(view.byteLength);
  copy.set(view);
  return copy;
}

function isArrayBuffer(source: unknown): source is ArrayBuffer {
  const tag = Object.prototype.toString.call(source);
  return tag === '[object ArrayBuffer]' || tag === '[object SharedArrayBuffer]';
}
