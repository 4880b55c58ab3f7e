import { DEFAULT_MAX_ARTIFACT_SIZE } from '../artifact/artifact.js';
import type { Coverage } from '../artifact/header.js';
import { canPack } from '../artifact/packed.js';
import type { ArtifactStore } from '../artifact-store.js';
import type { FileSystemCache } from '../caches/file-system.js';
import { whyNotThisEngine } from '../engine/engine-id.js';
import { V8Engine } from '../engine/v8-engine.js';
import type { ModuleHash } from '../module-hash.js';
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

interface TransferredArtifact {
  key: ModuleHash;
  engineId: string;
  coverage: Coverage;
  generation: number;
  final: boolean;
  wireLength: number;
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
    const offered = await target.offer(found.artifact, { packs: canPack(), maxArtifactSize, signal });
    const { outcome, size } = offered;
    const reasons = outcome === 'kept' ? offered.reasons : whyNotThisEngine(engineId, here);
    const sizes = { from: found.size, into: size };
    report.artifacts.push({ key, engineId, coverage, generation, final, wireLength, sizes, outcome, reasons });
  }
  return report;
}
