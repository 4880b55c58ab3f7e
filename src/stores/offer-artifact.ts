import { type Artifact, artifactParts } from '../artifact/artifact.js';
import { type ArtifactChecks, pack, unpackArtifact, wanted } from '../artifact/packed.js';
import { compareArtifacts, joinArtifacts } from '../artifact/replacement.js';
import type { Signer } from '../artifact/signature.js';
import type { ArtifactStore, StoredValue, StoreOptions } from '../artifact-store.js';
import { CacheError } from '../cache-error.js';
import { getValue, largestArtifact } from './read-artifact.js';

/** Options of {@link offerArtifact}. */
export interface OfferOptions extends StoreOptions {
  /** Signs the artifact, and must have signed the stored one. */
  signer: Signer | undefined;
  /** See `ArtifactChecks`. */
  acceptsUnsigned?: boolean | undefined;
  /** Whether it is compressed. */
  packs: boolean;
  /** The size in bytes of the largest artifact to store. */
  maxSize: number;
  /** Whether the store most probably has none, so that one request is enough. Default: false. */
  isNew?: boolean | undefined;
}

/** The outcome of offering an artifact to a store. */
export interface OfferResult {
  isStored: boolean;
  /** Why the store keeps its artifact. */
  reason?: string;
  /** Bytes that the artifact takes in the store. */
  size: number;
}

/** The most tries, because another writer may store the same artifact in between. Then that one wins. */
const ATTEMPTS = 3;
const { now } = Date;
const MINUTE = 60_000;

/**
 * Stores an artifact unless the store has one that is as good. Keeps stored wire bytes.
 *
 * @throws {CacheError} kind `Serialize` when it is too large; the errors of the store.
 */
export async function offerArtifact(
  store: Pick<ArtifactStore, 'get' | 'put' | 'isConditional'>,
  name: string,
  artifact: Artifact,
  { signer, acceptsUnsigned, packs, maxSize, isNew = false, ...options }: OfferOptions,
): Promise<OfferResult> {
  const readable = largestArtifact(artifact.wireLength, maxSize);
  const checks = { signer, acceptsUnsigned, check: wanted(artifact, readable) };
  let size = 0;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const isBlind = isNew && store.isConditional && attempt === 1;
    const there = isBlind ? undefined : await getUsable(store, name, { ...options, maxSize: readable });
    const stored = there && (await unpackUsable(there, checks));
    const reason = stored && whyKept(stored, artifact);
    size = there?.bytes.length ?? 0;
    if (reason) return { isStored: false, reason, size };
    const parts = artifactParts(stored ? joinArtifacts(artifact, stored) : artifact, signer);
    checkSize(artifact, parts, maxSize);
    const bytes = packs ? await pack(parts, signer) : Buffer.concat(parts);
    const ifVersion = store.isConditional ? (there ? there.version : null) : undefined;
    if (await store.put(name, bytes, { ...options, ifVersion })) return { isStored: true, size: bytes.length };
  }
  return { isStored: false, reason: 'others keep storing it meanwhile', size };
}

/** What is too large has no version, and is not used either. */
async function getUsable(...[store, name, options]: Parameters<typeof getValue>): Promise<StoredValue | undefined> {
  try {
    return await getValue(store, name, options);
  } catch (error) {
    if (!CacheError.is(error, 'Deserialize')) throw error;
    return { bytes: new Uint8Array(0), version: undefined };
  }
}

/** `undefined` for a damaged or untrusted artifact, because any other is better. */
async function unpackUsable({ bytes }: StoredValue, checks: ArtifactChecks): Promise<Artifact | undefined> {
  try {
    return await unpackArtifact(bytes, checks);
  } catch {
    return undefined;
  }
}

function checkSize({ key }: Artifact, parts: readonly Uint8Array[], maxSize: number): void {
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  if (size <= maxSize) return;
  throw new CacheError('Serialize', `The artifact of ${key} has ${size} bytes, more than ${maxSize}`);
}

function whyKept(stored: Artifact, artifact: Artifact): string | undefined {
  if (stored.bypassedUntil * MINUTE > now()) {
    const until = new Date(stored.bypassedUntil * MINUTE).toISOString();
    return `the module is left to V8 here until ${until}, because loading its artifact did not pay or did harm`;
  }
  const [there, here] = [stored.nativeCode.length, artifact.nativeCode.length];
  if (here < there) return `what is there has more native code: ${there} bytes, this ${here}`;
  return compareArtifacts(artifact, stored) > 0 ? undefined : 'what is there is as good';
}
