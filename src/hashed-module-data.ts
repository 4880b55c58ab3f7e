import { FileHashes, type HashFileOptions } from './file-hashes.js';
import { ModuleHash } from './module-hash.js';
import { privateCopy } from './private-copy.js';

// One for the thread: an unchanged file is hashed once, whoever reads it.
const files = new FileHashes();

/**
 * Wire bytes together with their hash, which is computed once. The bytes are copied on the way in and on the way out, so that
 * bytes and hash always match.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { HashedModuleData, ModuleHash } from 'wasm-module-cache';
 *
 * const data = HashedModuleData.sha256(await readFile('plugin.wasm'));
 * console.log(data.hash.equals(ModuleHash.sha256(data.wireBytes))); // true
 * ```
 */
export class HashedModuleData {
  /** The hash of the wire bytes: the key of their module. */
  readonly hash: ModuleHash;
  readonly #wireBytes: Uint8Array;

  private constructor(wireBytes: Uint8Array, hash: ModuleHash) {
    this.#wireBytes = wireBytes;
    this.hash = hash;
  }

  /**
   * Copies and hashes the wire bytes with SHA-256.
   *
   * @throws {TypeError} when they are neither an `ArrayBuffer` (or a shared one) nor a view of one.
   */
  static sha256(wireBytes: BufferSource): HashedModuleData {
    const copy = privateCopy(wireBytes);
    return new HashedModuleData(copy, ModuleHash.sha256(copy));
  }

  /**
   * Copies and hashes the wire bytes with XXH64. {@link ModuleHash.xxhash} says when that is safe.
   *
   * @throws {CacheError} kind `Other` when the optional peer `@node-rs/xxhash` is not installed.
   * @throws {TypeError} as `sha256`.
   */
  static xxhash(wireBytes: BufferSource): HashedModuleData {
    const copy = privateCopy(wireBytes);
    return new HashedModuleData(copy, ModuleHash.xxhash(copy));
  }

  /**
   * Reads a regular file, through symbolic links, and hashes it. This thread remembers the hashes of the 1,000 files that it used
   * last, and does not hash an unchanged file again: the file must have the same inode, size, mtime and ctime (in nanoseconds), and
   * must not have been written to for 2.1 s. {@link HashFileOptions.paranoid} says when that is not enough.
   *
   * @throws {CacheError} kind `FileRead`, with the path and the cause, when the file is missing, may not be read, is a folder or a
   * device, is larger than 1 GiB, or changed each of the three times that it was read. Kind `Other` as `xxhash`.
   * @throws {TypeError} for an empty path, a URL that is not a file: URL, and an unknown algorithm.
   *
   * @example
   * ```ts
   * import { HashedModuleData, inMemory, loadModule, V8Engine } from 'wasm-module-cache';
   *
   * const data = await HashedModuleData.fromFile('plugin.wasm');
   * const { key } = await loadModule(data, { cache: inMemory(), engine: new V8Engine() });
   * console.log(key === data.hash); // true
   * ```
   */
  static async fromFile(path: string | URL, options?: HashFileOptions): Promise<HashedModuleData> {
    const { wireBytes, hash } = await files.read(path, options);
    return new HashedModuleData(wireBytes, hash);
  }

  /**
   * The synchronous form of `fromFile`. (`fromFile` reads in the background, but hashes in this thread, too: SHA-256 of 30 MB takes
   * 17 ms.)
   *
   * @throws as {@link HashedModuleData.fromFile} rejects.
   */
  static fromFileSync(path: string | URL, options?: HashFileOptions): HashedModuleData {
    const { wireBytes, hash } = files.readSync(path, options);
    return new HashedModuleData(wireBytes, hash);
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
