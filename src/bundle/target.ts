import { type Artifact, artifactParts, checkSignature, isSigned } from '../artifact/artifact.js';
import { pack, unpackArtifact, wanted } from '../artifact/packed.js';
import { generationAfter } from '../artifact/replacement.js';
import type { StoredValue } from '../artifact-store.js';
import { CacheError } from '../cache-error.js';
import { entryName } from '../caches/file-system.js';
import type { Place } from './place.js';

/** Other writers may be faster, but not for ever. */
const ATTEMPTS = 3;
const { now } = Date;
const MINUTE = 60_000;

/** Where artifacts are imported into. */
export class Target {
  readonly #place: Place;
  readonly #maxArtifactSize: number;
  readonly #signal: AbortSignal | undefined;

  constructor(place: Place, maxArtifactSize: number, signal: AbortSignal | undefined) {
    this.#place = place;
    this.#maxArtifactSize = maxArtifactSize;
    this.#signal = signal;
  }

  /**
   * Stores the artifact, unless what is there is as good. (The rule of `FileSystemCache`: nothing is replaced by less native code; and
   * wire bytes that are there are kept.)
   *
   * @param packs - whether it is packed, where a packed artifact can be read
   * @returns why it was not stored
   * @throws {CacheError} what the store says, and the signal's reason.
   */
  async offer(artifact: Artifact, packs: boolean): Promise<string | undefined> {
    const { store, signer, isFolder } = this.#place;
    const name = entryName(artifact);
    try {
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        const there = await store.get(name, { signal: this.#signal });
        const stored = there && this.#decode(there, artifact);
        const reason = stored && whyKept(stored, artifact);
        if (reason) return reason;
        const generation = stored ? generationAfter(stored) : artifact.generation;
        const wireBytes = artifact.wireBytes ?? stored?.wireBytes;
        const parts = artifactParts({ ...artifact, generation, wireBytes }, signer);
        const bytes = packs && !isFolder ? await pack(parts) : Buffer.concat(parts);
        const ifVersion = store.isConditional ? (there?.version ?? null) : undefined;
        if (await store.put(name, bytes, { signal: this.#signal, ifVersion })) return undefined;
      }
      return 'others keep storing it meanwhile';
    } catch (cause) {
      this.#signal?.throwIfAborted();
      if (CacheError.is(cause)) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new CacheError('Other', `The store ${store.description} failed: ${reason}`, { cause });
    }
  }

  #decode({ bytes }: StoredValue, expected: Artifact): Artifact | undefined {
    const { signer, isPrivate } = this.#place;
    try {
      const { artifact: stored, header } = unpackArtifact(bytes, wanted(expected, this.#maxArtifactSize));
      if (signer && !(isPrivate && !isSigned(header))) {
        checkSignature(header, stored.nativeCode, stored.wireBytes, signer);
      }
      return stored;
    } catch {
      return undefined; // Whatever it is, the new one is better.
    }
  }
}

function whyKept(stored: Artifact, artifact: Artifact): string | undefined {
  if (stored.leftAloneUntil * MINUTE > now()) {
    const until = new Date(stored.leftAloneUntil * MINUTE).toISOString();
    return `the module is left to V8 here until ${until}, because loading its artifact did not pay or did harm`;
  }
  const [there, here] = [stored.nativeCode.length, artifact.nativeCode.length];
  if (here < there) return `what is there has more native code: ${there} bytes, this ${here}`;
  const hasMore = here > there || (artifact.final && !stored.final) || (artifact.wireBytes && !stored.wireBytes);
  return hasMore ? undefined : 'what is there is as good';
}
