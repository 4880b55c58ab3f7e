/**
 * What went wrong:
 *
 * | kind | meaning |
 * |---|---|
 * | `NotFound` | a miss: nothing usable is stored under the key for this engine. Also for a damaged entry; see `cause` |
 * | `Serialize` | the module cannot be turned into an artifact |
 * | `Deserialize` | bytes are not an artifact, or not one for this key and engine |
 * | `FileRead`, `FileWrite` | an error of the file system; see `path` |
 * | `Untrusted` | the artifact may come from somebody else, or its last load did not finish |
 * | `Other` | anything else; see `cause` |
 *
 * @example
 * ```ts
 * import { CacheError, type CacheErrorKind } from 'wasm-module-cache';
 *
 * const forAUser: CacheErrorKind[] = ['FileRead', 'FileWrite', 'Untrusted'];
 * const error: unknown = new CacheError('Untrusted', 'Others may write to the folder', { path: '/tmp/cache' });
 * if (CacheError.is(error) && forAUser.includes(error.kind)) console.log(error.path); // /tmp/cache
 * ```
 */
export type CacheErrorKind =
  | 'NotFound'
  | 'Serialize'
  | 'Deserialize'
  | 'FileRead'
  | 'FileWrite'
  | 'Untrusted'
  | 'Other';

/**
 * Options of the constructor of {@link CacheError}.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { CacheError, type CacheErrorOptions } from 'wasm-module-cache';
 *
 * const path = 'missing.artifact';
 * const result = await readFile(path).catch((cause: unknown) => {
 *   const options: CacheErrorOptions = { cause, path };
 *   return new CacheError('FileRead', `Could not read ${path}`, options);
 * });
 * console.log(CacheError.is(result, 'FileRead') && result.path); // missing.artifact
 * ```
 */
export interface CacheErrorOptions {
  /** The error behind it, as for every `Error`. Default: none. */
  cause?: unknown;
  /** The file, for the kinds `FileRead` and `FileWrite`, or the folder, for `Untrusted`. Default: none. */
  path?: string;
}

// Registered, so that an error made by one copy of this package is recognised by another copy.
const brand = Symbol.for('wasm-module-cache.CacheError');

/**
 * The one error class of this package. Recognise it with {@link CacheError.is}, not with `instanceof`.
 *
 * @example
 * ```ts
 * import { CacheError, inMemory, ModuleHash, V8Engine } from 'wasm-module-cache';
 *
 * try {
 *   await inMemory().load(ModuleHash.random(), new V8Engine());
 * } catch (error) {
 *   if (!CacheError.is(error, 'NotFound')) throw error;
 *   console.log(error.name, error.kind); // CacheError NotFound
 * }
 * ```
 */
export class CacheError extends Error {
  /** What went wrong. */
  readonly kind: CacheErrorKind;
  /** The file, for the kinds `FileRead` and `FileWrite`, or the folder, for `Untrusted`. */
  declare readonly path?: string;

  /** For your own strategies and engines. A miss must be `NotFound`. */
  constructor(kind: CacheErrorKind, message: string, options: CacheErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.kind = kind;
    if (options.path !== undefined) this.path = options.path;
  }

  /** Whether `error` is a `CacheError` (of that kind), also if another copy of this package made it. */
  static is<Kind extends CacheErrorKind = CacheErrorKind>(
    error: unknown,
    kind?: Kind,
  ): error is CacheError & { readonly kind: Kind } {
    if (typeof error !== 'object' || error === null || !(brand in error)) return false;
    return kind === undefined || ('kind' in error && error.kind === kind);
  }
}

Object.defineProperty(CacheError.prototype, 'name', { value: 'CacheError', writable: true, configurable: true });
Object.defineProperty(CacheError.prototype, brand, { value: true });

/** The message of an error, or of any other value that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
