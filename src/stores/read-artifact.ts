import type { Artifact } from '../artifact/artifact.js';
import { type ArtifactChecks, checkedHeader, unpackArtifact } from '../artifact/packed.js';
import type { ArtifactStore, GetOptions, StoredValue, StoreOptions } from '../artifact-store.js';
import { TooLargeError } from '../too-large-error.js';

/** A checked artifact, and its size and version in the store. */
export interface StoredArtifact {
  artifact: Artifact;
  /** Bytes that it takes in the store. */
  size: number;
  /** See `StoredValue`. */
  version: string | undefined;
}

/** Options of {@link readArtifact}. */
export interface ReadArtifactOptions extends ArtifactChecks, StoreOptions {
  /** The size in bytes of the largest artifact to read, unpacked. */
  maxSize: number;
}

/**
 * Reads an artifact from a store: the one way from a name to checked bytes. It checks sizes first, then the header, then the signature;
 * only then it unpacks.
 *
 * @returns `undefined` if nothing has this name
 * @throws {CacheError} kind `Deserialize` or `Untrusted` when it must not be used; the errors of the store and of `check`.
 */
export async function readArtifact(
  store: Pick<ArtifactStore, 'get'>,
  name: string,
  options: ReadArtifactOptions,
): Promise<StoredArtifact | undefined> {
  const check = (beginning: Uint8Array) => void checkedHeader(beginning, options.check);
  const value = await getValue(store, name, { ...options, check });
  if (!value) return undefined;
  const { bytes, version } = value;
  return { artifact: await unpackArtifact(bytes, options), size: bytes.length, version };
}

/**
 * The bytes of an artifact that is no larger than `maxSize`, not checked.
 *
 * @throws {CacheError} kind `Deserialize` when it is larger; the errors of the store.
 */
export async function getValue(
  store: Pick<ArtifactStore, 'get'>,
  name: string,
  { signal, background, maxSize: unpackedSize, check }: GetOptions & Pick<ReadArtifactOptions, 'maxSize'>,
): Promise<StoredValue | undefined> {
  const maxSize = storedSize(unpackedSize);
  let value: StoredValue | undefined;
  try {
    value = await store.get(name, { signal, background, maxSize, check });
  } catch (error) {
    if (!(error instanceof TooLargeError)) throw error;
    throw new TooLargeError(name, undefined, maxSize, 'Deserialize');
  }
  // Users' stores may ignore the limit.
  if (value && value.bytes.length > maxSize) throw new TooLargeError(name, value.bytes.length, maxSize, 'Deserialize');
  return value;
}

/** The most bytes of an artifact in a store: with headers, and the bytes that Zstandard adds to data that it cannot compress. */
function storedSize(unpackedSize: number): number {
  return unpackedSize + Math.ceil(unpackedSize / 128) + 4096;
}

/** Native code is up to five times as large as the wire bytes, and inlining can double that. The rest is for small modules. */
const MAX_EXPANSION = 16;
const ROOM_FOR_SMALL_MODULES = 2 ** 22;

/** The largest size in bytes of an artifact for so many wire bytes, unpacked. */
export function largestArtifact(wireLength: number | undefined, limit: number): number {
  if (wireLength === undefined) return limit;
  return Math.min(limit, MAX_EXPANSION * wireLength + ROOM_FOR_SMALL_MODULES);
}
