import { CacheError } from './cache-error.js';

/** A value has more bytes than the caller accepts. */
export class TooLargeError extends CacheError {
  /** @param kind - `Other` from a store, `Deserialize` when an artifact was asked for */
  constructor(what: string, size: number | undefined, maxSize: number, kind: 'Other' | 'Deserialize' = 'Other') {
    super(
      kind,
      size === undefined ? `${what}: more than ${maxSize} bytes` : `${what}: ${size} bytes, more than ${maxSize}`,
    );
  }
}
