import { CacheError } from '../cache-error.js';

/** No part of a name may lead out of the store's folder. */
const NAME = /^(?!(?:.*\/)?\.{1,2}(?:\/|$))[\w.+-]+(?:\/[\w.+-]+)*$/;

/** Whether the text is a name as `ArtifactStore` defines them. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

/**
 * Encodes a name as a part of a URL.
 *
 * @throws {CacheError} kind `Other` for an invalid name: `..` would lead out of the store.
 */
export function encodeName(name: string): string {
  if (!isName(name)) throw new CacheError('Other', `Not a valid name in a store: ${JSON.stringify(name)}`);
  return name.replaceAll('+', '%2B'); // Some servers read a plus as a space.
}
