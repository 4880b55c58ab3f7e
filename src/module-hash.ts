import { CacheError } from './cache-error.js';

/**
 * `sha256`: 32 bytes. `xxhash`: the 8 bytes of XXH64, big-endian. XXH64 is fast, but an attacker can make collisions.
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

// Captured: programs replace globals. Builtins are loaded on first use: they cost start-up time, and a browser has none of them.
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
  /** The algorithm of the hash. A `random` one counts as `sha256`, because it has the same length. */
  readonly algorithm: HashAlgorithm;
  readonly #hex: string;

  private constructor(algorithm: HashAlgorithm, hex: string) {
    this.algorithm = algorithm;
    this.#hex = hex;
  }

  /** Hashes the wire bytes with SHA-256, the default everywhere in this package. */
  static sha256(wireBytes: Uint8Array): ModuleHash {
    return new ModuleHash('sha256', getBuiltinModule('node:crypto').hash('sha256', wireBytes, 'hex'));
  }

  /**
   * Hashes the wire bytes with XXH64, for hosts that trust every module they load: whoever can choose modules can choose two
   * with the same XXH64. Needs the optional peer `@node-rs/xxhash`.
   *
   * @throws {CacheError} kind `Other` when the peer is not installed.
   */
  static xxhash(wireBytes: Uint8Array): ModuleHash {
    const hash = loadXxhash().xxh64(wireBytes);
    return new ModuleHash('xxhash', hash.toString(16).padStart(DIGEST_LENGTHS.xxhash * 2, '0'));
  }

  /**
   * The hash with this digest: 32 bytes are a SHA-256, 8 bytes an XXH64.
   *
   * @throws {TypeError} for any other length.
   */
  static fromBytes(digest: Uint8Array): ModuleHash {
    return ModuleHash.parseHex(Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join(''));
  }

  /**
   * The inverse of `toString`. It accepts upper-case digits.
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

  /** A random key of the length of a SHA-256: for tests, and for modules without wire bytes of their own. */
  static random(): ModuleHash {
    return ModuleHash.fromBytes(crypto.getRandomValues(new Uint8Array(DIGEST_LENGTHS.sha256)));
  }

  /** A fresh copy of the digest. */
  toBytes(): Uint8Array {
    return Uint8Array.from(this.#hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
  }

  /** Lower-case hexadecimal digits. The algorithms have different lengths, so the text is unique too. */
  toString(): string {
    return this.#hex;
  }

  /** The same as `toString`, so that a hash in JSON is a string that `parseHex` reads. */
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
    loadedXxhash ??= getBuiltinModule('node:module').createRequire(import.meta.url ?? __filename)(
      '@node-rs/xxhash',
    ) as Xxhash;
    return loadedXxhash;
  } catch (cause) {
    throw new CacheError('Other', 'ModuleHash.xxhash needs the package @node-rs/xxhash: npm install @node-rs/xxhash', {
      cause,
    });
  }
}
