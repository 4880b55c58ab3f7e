import { CacheError } from './cache-error.js';

/**
 * `sha256`: 32 bytes. `xxhash`: the 8 bytes of XXH64, big-endian; fast, but not safe against made-up collisions.
 *
 * @example
 * ```ts
 * import { type HashAlgorithm, HashedModuleData } from 'wasm-module-cache';
 *
 * const algorithm: HashAlgorithm = process.env.TRUSTED_PLUGINS ? 'xxhash' : 'sha256';
 * const { hash } = await HashedModuleData.fromFile('plugin.wasm', { algorithm });
 * console.log(hash.algorithm, hash.toBytes().length); // sha256 32
 * ```
 */
export type HashAlgorithm = 'sha256' | 'xxhash';

const DIGEST_LENGTHS: Record<HashAlgorithm, number> = { sha256: 32, xxhash: 8 };

// Captured: programs replace globals. What Node has is loaded on first use: it costs start-up time, and a browser has none of it.
const { getBuiltinModule } = process;

/**
 * The key of a module: the hash of its wire bytes. Immutable.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { ModuleHash } from 'wasm-module-cache';
 *
 * const key = ModuleHash.sha256(await readFile('plugin.wasm'));
 * const text = `${key}`;
 * console.log(text.length); // 64
 * console.log(ModuleHash.parseHex(text).equals(key)); // true
 * ```
 */
export class ModuleHash {
  /** What made it; that of a `random` one is `sha256`, whose length it has. */
  readonly algorithm: HashAlgorithm;
  readonly #hex: string;

  private constructor(algorithm: HashAlgorithm, hex: string) {
    this.algorithm = algorithm;
    this.#hex = hex;
  }

  /** SHA-256 of the wire bytes: the default everywhere in this package. */
  static sha256(wireBytes: Uint8Array): ModuleHash {
    return new ModuleHash('sha256', getBuiltinModule('node:crypto').hash('sha256', wireBytes, 'hex'));
  }

  /**
   * XXH64 of the wire bytes, for hosts that trust every module they load: somebody who can choose modules can choose two
   * with the same XXH64. Needs the optional peer `@node-rs/xxhash`.
   *
   * @throws {CacheError} kind `Other` when the peer is not installed.
   */
  static xxhash(wireBytes: Uint8Array): ModuleHash {
    const hash = loadXxhash().xxh64(wireBytes);
    return new ModuleHash('xxhash', hash.toString(16).padStart(DIGEST_LENGTHS.xxhash * 2, '0'));
  }

  /**
   * The hash with these digest bytes: 32 of them are a SHA-256, 8 an XXH64.
   *
   * @throws {TypeError} for any other length.
   */
  static fromBytes(digest: Uint8Array): ModuleHash {
    return ModuleHash.parseHex(Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join(''));
  }

  /**
   * The inverse of `toString`; upper-case digits are accepted.
   *
   * @throws {TypeError} when `text` is not 64 or 16 hexadecimal digits.
   */
  static parseHex(text: string): ModuleHash {
    if (/^[0-9a-f]+$/i.test(text)) {
      if (text.length === DIGEST_LENGTHS.sha256 * 2) return new ModuleHash('sha256', text.toLowerCase());
      if (text.length === DIGEST_LENGTHS.xxhash * 2) return new ModuleHash('xxhash', text.toLowerCase());
    }
    throw new TypeError(
      `Not a module hash: ${JSON.stringify(text)}. Expected 64 hexadecimal digits (sha256) or 16 (xxhash).`,
    );
  }

  /** A random key, as long as a SHA-256: for tests, and for modules that have no wire bytes of their own. */
  static random(): ModuleHash {
    return ModuleHash.fromBytes(crypto.getRandomValues(new Uint8Array(DIGEST_LENGTHS.sha256)));
  }

  /** A fresh copy of the digest. */
  toBytes(): Uint8Array {
    return Uint8Array.from(this.#hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
  }

  /** Lower-case hexadecimal digits; different algorithms give different lengths, so the text is unique too. */
  toString(): string {
    return this.#hex;
  }

  /** As `toString`: in JSON it is a string, for `parseHex` to read. */
  toJSON(): string {
    return this.#hex;
  }

  /** Whether both have the same algorithm and the same digest. */
  equals(other: ModuleHash): boolean {
    return this.toString() === other.toString();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `ModuleHash(${this.algorithm}:${this.#hex})`;
  }
}

type Xxhash = typeof import('@node-rs/xxhash');
let loadedXxhash: Xxhash | undefined;

function loadXxhash(): Xxhash {
  try {
    loadedXxhash ??= getBuiltinModule('node:module').createRequire(import.meta.url)('@node-rs/xxhash') as Xxhash;
    return loadedXxhash;
  } catch (cause) {
    throw new CacheError('Other', 'ModuleHash.xxhash needs the package @node-rs/xxhash: npm install @node-rs/xxhash', {
      cause,
    });
  }
}
