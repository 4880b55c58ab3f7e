/**
 * What went wrong:
 *
 * | kind | meaning |
 * |---|---|
 * | `NotFound` | a miss: nothing usable is stored under the key for this engine (a damaged entry is one too; see `cause`) |
 * | `Serialize` | the module cannot be turned into an artifact |
 * | `Deserialize` | bytes are not an artifact, or not one for this key and engine |
 * | `FileRead`, `FileWrite` | the file system refused; `path` says where |
 * | `Untrusted` | the source may not be trusted with machine code |
 * | `Other` | anything else; see `cause` |
 */
export type CacheErrorKind =
  | 'NotFound'
  | 'Serialize'
  | 'Deserialize'
  | 'FileRead'
  | 'FileWrite'
  | 'Untrusted'
  | 'Other';

export interface CacheErrorOptions {
  cause?: unknown;
  /** The file that the error is about, for the kinds `FileRead` and `FileWrite`, and the folder for `Untrusted`. */
  path?: string;
}

// Registered, so that an error made by one copy of this package is recognised by another copy.
const brand = Symbol.for('wasm-module-cache.CacheError');

/** The one error class of this package. Recognise it with {@link CacheError.is}, not with `instanceof`. */
export class CacheError extends Error {
  readonly kind: CacheErrorKind;
  declare readonly path?: string;

  constructor(kind: CacheErrorKind, message: string, options: CacheErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.kind = kind;
    if (options.path !== undefined) this.path = options.path;
  }

  /** Whether `error` is a `CacheError` (of that kind), also when another copy of this package made it. */
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
