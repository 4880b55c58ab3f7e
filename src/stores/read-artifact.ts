import type { Artifact } from '../artifact/artifact.js';
import { type ArtifactChecks, unpackArtifact } from '../artifact/packed.js';
import type { ArtifactStore, StoredValue, StoreOptions } from '../artifact-store.js';
import { TooLargeError } from '../too-large-error.js';

/** An artifact, checked, and what is known of it in its store. */
export interface StoredArtifact {
  artifact: Artifact;
  /** Bytes that it takes in the store. */
  size: number;
  /** See `StoredValue`. */
  version: string | undefined;
}

/** How {@link readArtifact} asks and checks. */
export interface ReadArtifactOptions extends ArtifactChecks, StoreOptions {
  /** Bytes of the largest artifact that is read, unpacked. */
  maxSize: number;
}

/**
 * Reads an artifact from a store: the one way from a name to checked bytes. Sizes come first, then the header, then the signature; only
 * then something is unpacked.
 *
 * @returns `undefined` when nothing has this name
 * @throws {CacheError} kind `Deserialize` or `Untrusted` when it is not to be used; what the store and `check` throw.
 */
export async function readArtifact(
  store: Pick<ArtifactStore, 'get'>,
  name: string,
  options: ReadArtifactOptions,
): Promise<StoredArtifact | undefined> {
  const value = await getValue(store, name, options);
  if (!value) return undefined;
  const { bytes, version } = value;
  return { artifact: await unpackArtifact(bytes, options), size: bytes.length, version };
}

/**
 * The bytes of an artifact that is no larger than `maxSize`, not checked.
 *
 * @throws {CacheError} kind `Deserialize` when it is larger; what the store throws.
 */
export async function getValue(
  store: Pick<ArtifactStore, 'get'>,
  name: string,
  { signal, background, maxSize: unpackedSize }: Pick<ReadArtifactOptions, 'signal' | 'background' | 'maxSize'>,
): Promise<StoredValue | undefined> {
  const maxSize = storedSize(unpackedSize);
  let value: StoredValue | undefined;
  try {
    value = await store.get(name, { signal, background, maxSize });
  } catch (error) {
    if (!(error instanceof TooLargeError)) throw error;
    throw new TooLargeError(name, undefined, maxSize, 'Deserialize');
  }
  // Stores of other people may not look at the size.
  if (value && value.bytes.length > maxSize) throw new TooLargeError(name, value.bytes.length, maxSize, 'Deserialize');
  return value;
}

/** Bytes that an artifact may take in a store: the headers, and what Zstandard adds to bytes that it cannot compress. */
function storedSize(unpackedSize: number): number {
  return unpackedSize + Math.ceil(unpackedSize / 128) + 4096;
}

/** V8's code is up to five times as large as the wire bytes; inlining can double that. The rest is for small modules. */
const MAX_EXPANSION = 16;
const ROOM_FOR_SMALL_MODULES = 2 ** 22;

/** Bytes of the largest artifact that a module of so many wire bytes may have, unpacked. */
export function largestArtifact(wireLength: number | undefined, limit: number): number {
  if (wireLength === undefined) return limit;
  return Math.min(limit, MAX_EXPANSION * wireLength + ROOM_FOR_SMALL_MODULES);
}
