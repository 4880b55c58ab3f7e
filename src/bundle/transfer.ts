import { type Artifact, DEFAULT_MAX_ARTIFACT_SIZE } from '../artifact/artifact.js';
import { canPack } from '../artifact/packed.js';
import type { ArtifactStore } from '../artifact-store.js';
import type { FileSystemCache } from '../caches/file-system.js';
import { whyNotThisEngine } from '../engine/engine-id.js';
import { V8Engine } from '../engine/v8-engine.js';
import { ArtifactLocation, type ArtifactSelection } from './location.js';
import { signerOf } from './options.js';
import type { LeftOutArtifact } from './types.js';

/** Options of {@link transferArtifacts}. */
export interface TransferOptions extends Pick<ArtifactSelection, 'names' | 'engines'> {
  from: FileSystemCache | ArtifactStore;
  into: FileSystemCache | ArtifactStore;
  /** See `ExportBundleOptions`. */
  secret?: readonly string[] | undefined;
  allowUnsigned?: boolean | undefined;
  /** Ends the transfer. Artifacts that were stored by then stay. */
  signal?: AbortSignal | undefined;
}

type ArtifactFacts = Pick<Artifact, 'key' | 'engineId' | 'coverage' | 'generation' | 'final' | 'wireLength'>;

interface TransferredArtifact extends ArtifactFacts {
  /** Bytes that it takes where it was read, and where it is stored. */
  sizes: { from: number; into: number };
  /** See `ImportedArtifact`. */
  outcome: 'imported' | 'kept';
  reasons: string[];
}

export interface TransferReport {
  artifacts: TransferredArtifact[];
  /** Requested artifacts that could not be used. */
  leftOut: LeftOutArtifact[];
}

/**
 * Copies artifacts between two folders or stores. Each is checked completely, and none replaces a better one.
 *
 * @throws {CacheError} kind `Untrusted` for a folder; `Other` when a store fails.
 * @throws {TypeError} when there is neither a secret nor `allowUnsigned`, or `from` cannot list its names and none are given.
 * @throws the signal's reason when it is aborted.
 */
export async function transferArtifacts(options: TransferOptions): Promise<TransferReport> {
  const { from, into, secret, allowUnsigned, names, engines, signal } = options;
  const signer = signerOf(secret, allowUnsigned);
  const source = new ArtifactLocation('from', from, signer);
  const target = new ArtifactLocation('into', into, signer);
  const here = new V8Engine().deterministicId;
  const maxArtifactSize = DEFAULT_MAX_ARTIFACT_SIZE;
  const report: TransferReport = { artifacts: [], leftOut: [] };
  for await (const found of source.artifacts({ names, engines, maxArtifactSize, signal })) {
    if ('reason' in found) {
      report.leftOut.push(found);
      continue;
    }
    const { key, engineId, coverage, generation, final, wireLength } = found.artifact;
    const { reason, size } = await target.offer(found.artifact, { packs: canPack(), maxArtifactSize, signal });
    report.artifacts.push({
      ...{ key, engineId, coverage, generation, final, wireLength },
      sizes: { from: found.size, into: size },
      outcome: reason === undefined ? 'imported' : 'kept',
      reasons: reason === undefined ? whyNotThisEngine(engineId, here) : [reason],
    });
  }
  return report;
}
