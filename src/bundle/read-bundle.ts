import { type Artifact, DEFAULT_MAX_ARTIFACT_SIZE } from '../artifact/artifact.js';
import { HEADER_LENGTH } from '../artifact/header.js';
import { canPack, unpackArtifact, wanted } from '../artifact/packed.js';
import type { Signer } from '../artifact/signature.js';
import { CacheError, messageOf } from '../cache-error.js';
import { whyNotThisEngine } from '../engine/engine-id.js';
import { V8Engine } from '../engine/v8-engine.js';
import type { Engine } from '../module-cache.js';
import { sha256 } from '../native/digest.js';
import { wrongOption } from '../wrong-option.js';
import { BundleReader, UnreadableBundle } from './bundle-reader.js';
import { ArtifactLocation } from './location.js';
import { type Manifest, pathOf } from './manifest.js';
import { checkNumbers, checkOneOf, signerOf } from './options.js';
import type { FoundEntry } from './tar.js';
import type { BundledArtifact, ImportBundleOptions, ImportBundleReport, ImportedArtifact } from './types.js';

/** The default limit of a `FileSystemCache`, too. */
const DEFAULT_MAX_ARTIFACTS = 10_000;
/** The most bytes that compression can add to an artifact. */
const MAX_OVERHEAD = HEADER_LENGTH + 1024;
const MAX_NAME_SHOWN = 200;

/** See `importBundle`. */
export async function readBundle(options: ImportBundleOptions): Promise<ImportBundleReport> {
  const { from, secret, allowUnsigned, all = false, wireBytes = 'include', signal } = options;
  const { maxArtifactSize = DEFAULT_MAX_ARTIFACT_SIZE, maxArtifacts = DEFAULT_MAX_ARTIFACTS } = options;
  const signer = signerOf(secret, allowUnsigned);
  checkOneOf('wireBytes', wireBytes, ['include', 'omit']);
  checkNumbers({ maxArtifactSize, maxArtifacts });
  if (typeof from === 'string' ? from === '' : typeof from?.destroy !== 'function') {
    throw wrongOption('from', 'the path of a file or a readable stream', from);
  }
  const { engine = new V8Engine() } = options;
  signal?.throwIfAborted();
  const target = new ArtifactLocation('into', options.into, signer);

  const bundle = new BundleReader(from, maxArtifacts, signal);
  try {
    const manifest = await bundle.readManifest(signer);
    const settings = { engine, all, wireBytes, maxArtifactSize, signer, target, signal };
    const artifacts = await importArtifacts(bundle, manifest, settings);
    return { created: manifest.created, artifacts, totals: totalsOf(artifacts) };
  } finally {
    await bundle.close();
  }
}

interface ImportSettings {
  engine: Engine;
  all: boolean;
  wireBytes: 'include' | 'omit';
  maxArtifactSize: number;
  signer: Signer | undefined;
  target: ArtifactLocation;
  signal: AbortSignal | undefined;
}

type ImportResult = Pick<ImportedArtifact, 'outcome' | 'reasons'>;

async function importArtifacts(
  bundle: BundleReader,
  { artifacts }: Manifest,
  settings: ImportSettings,
): Promise<ImportedArtifact[]> {
  const announced = new Map(artifacts.map((artifact) => [artifact.path, artifact]));
  const results = new Map<BundledArtifact, ImportResult>();
  let problem = 'the bundle ends without it';
  try {
    for (let entry = await bundle.next(); entry; entry = await bundle.next()) {
      const artifact = announced.get(entry.name);
      // Somebody added an entry to the bundle, so nothing behind it is trusted.
      if (!artifact || !entry.isFile) {
        throw new UnreadableBundle(`it has an entry that its manifest does not name: ${shown(entry)}`);
      }
      announced.delete(entry.name);
      results.set(artifact, await importOne(bundle, entry, artifact, settings));
    }
  } catch (error) {
    if (!(error instanceof UnreadableBundle)) throw error;
    problem = `the bundle is damaged before it, or in it: ${error.message}`;
  }
  const lost: ImportResult = { outcome: 'refused', reasons: [problem] };
  return artifacts.map((artifact) => ({ ...artifact, ...(results.get(artifact) ?? lost) }));
}

async function importOne(
  bundle: BundleReader,
  entry: FoundEntry,
  announced: BundledArtifact,
  { engine, all, wireBytes, maxArtifactSize, signer, target, signal }: ImportSettings,
): Promise<ImportResult> {
  const refused = (reason: string): ImportResult => ({ outcome: 'refused', reasons: [reason] });
  const { size, compression } = announced;
  if (entry.size !== size) return refused(`it has ${entry.size} bytes, but ${size} in the manifest`);
  if (entry.name !== pathOf(announced)) {
    return refused(`${shown(entry)} is not the right name for its key and engine`);
  }
  const length = announced.nativeLength + (announced.includesWireBytes ? announced.wireLength : 0);
  if (Math.max(length, size - MAX_OVERHEAD) > maxArtifactSize) {
    return refused(`it has ${Math.max(length, size)} bytes, more than the option maxArtifactSize, ${maxArtifactSize}`);
  }
  const reasons = whyUnsuitable(announced.engineId, engine);
  if (compression === 'zstd' && !canPack()) {
    const missing = `packed with Zstandard, which Node ${process.version} does not have (from 22.15)`;
    return { outcome: 'unsuitable', reasons: [...reasons, missing] };
  }
  if (reasons.length > 0 && !all) return { outcome: 'unsuitable', reasons };

  const bytes = await bundle.read(entry);
  let artifact: Artifact;
  try {
    artifact = await check(bytes, announced, maxArtifactSize, signer);
  } catch (error) {
    return refused(messageOf(error));
  }
  if (wireBytes === 'omit') artifact.wireBytes = undefined;
  if (artifact.coverage === 'none' && !artifact.wireBytes) {
    return { outcome: 'unsuitable', reasons: ['it has neither native code nor wire bytes'] };
  }
  const { reason } = await target.offer(artifact, { packs: compression === 'zstd', maxArtifactSize, signal });
  return reason === undefined ? { outcome: 'imported', reasons } : { outcome: 'kept', reasons: [reason] };
}

/** @throws when the bytes differ from those that the manifest describes. */
async function check(
  bytes: Uint8Array,
  { key, engineId, wireLength, ...announced }: BundledArtifact,
  maxArtifactSize: number,
  signer: Signer | undefined,
): Promise<Artifact> {
  if (sha256(bytes).toString() !== announced.sha256) {
    throw new CacheError('Deserialize', 'It is damaged: its SHA-256 differs from the one in the manifest');
  }
  return unpackArtifact(bytes, { check: wanted({ key, engineId, wireLength }, maxArtifactSize), signer });
}

function whyUnsuitable(engineId: string, { deterministicId, canSerialize, unsupportedReason }: Engine): string[] {
  const reasons = whyNotThisEngine(engineId, deterministicId, unsupportedReason);
  if (canSerialize || reasons.length > 0) return reasons;
  return [`native code is not supported in this process: ${unsupportedReason}`];
}

function shown({ name }: FoundEntry): string {
  return JSON.stringify(name.slice(0, MAX_NAME_SHOWN));
}

function totalsOf(artifacts: ImportedArtifact[]): ImportBundleReport['totals'] {
  const none = () => ({ artifacts: 0, size: 0 });
  const totals = { imported: none(), kept: none(), unsuitable: none(), refused: none() };
  for (const { outcome, size } of artifacts) {
    totals[outcome].artifacts++;
    totals[outcome].size += size;
  }
  return totals;
}
