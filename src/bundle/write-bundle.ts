import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Writable } from 'node:stream';
import {
  artifactParts,
  checkSignature,
  DEFAULT_MAX_ARTIFACT_SIZE,
  type decodeArtifact,
  isSigned,
} from '../artifact/artifact.js';
import { canPack, pack, unpackArtifact } from '../artifact/packed.js';
import type { Signer } from '../artifact/signature.js';
import type { ArtifactStore } from '../artifact-store.js';
import { CacheError } from '../cache-error.js';
import { entryName } from '../caches/file-system.js';
import { describeEngine } from '../engine/engine-id.js';
import { V8Engine } from '../engine/v8-engine.js';
import { ModuleHash } from '../module-hash.js';
import { sha256 } from '../native/digest.js';
import type { ExportBundleOptions, ExportBundleReport, LeftOutArtifact } from './export-bundle.js';
import { type BundledArtifact, encodeManifest, MANIFEST, pathOf, SIGNATURE, signManifest } from './manifest.js';
import { fromOne, oneOf, signerOf } from './options.js';
import { type Place, placeOf } from './place.js';
import { type NewEntry, writeTar } from './tar.js';
import { TemporaryFile, temporaryName } from './temporary-file.js';

const BLOCK = 512;
const ARTIFACT_NAME = /^([^/]+)\/([0-9a-f]{64}|[0-9a-f]{16})\.artifact$/;
/** Behind it is the hash of an id that makes no name. */
const HASHED_ENGINE = /^engine-[0-9a-f]{32}$/;

type Wanted = (artifact: { key: ModuleHash; engineId: string | undefined }) => boolean;

/** See `exportBundle`. */
export async function writeBundle(options: ExportBundleOptions): Promise<ExportBundleReport> {
  const { to, secret, allowUnsigned, wireBytes = 'include', signal } = options;
  const { compression = canPack() ? 'zstd' : 'none', maxArtifactSize = DEFAULT_MAX_ARTIFACT_SIZE } = options;
  const signer = signerOf(secret, allowUnsigned);
  oneOf('wireBytes', wireBytes, ['include', 'omit']);
  oneOf('compression', compression, ['zstd', 'none']);
  if (compression === 'zstd' && !canPack()) {
    throw new TypeError(`The option compression is zstd, which Node ${process.version} does not have; give none`);
  }
  fromOne({ maxArtifactSize });
  const isWanted = wantedBy(options);
  const isStream = typeof to !== 'string';
  if (isStream ? typeof to?.write !== 'function' : to === '') {
    throw new TypeError('The option to must be the path of a file or a writable stream');
  }
  signal?.throwIfAborted();
  const place = placeOf('from', options.from, signer);
  const names = await namesIn(place, isWanted, signal);

  const file = isStream ? path.join(os.tmpdir(), 'wasm-module-cache') : path.resolve(to);
  const packed = await TemporaryFile.create(temporaryName(file)).catch((error) => {
    throw writeError(file, error);
  });
  try {
    const taken: { artifact: BundledArtifact; start: number }[] = [];
    const leftOut: LeftOutArtifact[] = [];
    for (const name of names) {
      signal?.throwIfAborted();
      const took = await take(place, name, { isWanted, signer, wireBytes, compression, maxArtifactSize, signal });
      if (took && 'reason' in took) leftOut.push(took);
      if (took && 'bytes' in took) {
        const start = await packed.append(took.bytes).catch((error) => {
          throw writeError(file, error);
        });
        taken.push({ artifact: took.artifact, start });
      }
    }
    const created = new Date();
    const artifacts = taken.map(({ artifact }) => artifact);
    const manifest = encodeManifest({ created, artifacts });
    const entries: NewEntry[] = [{ name: MANIFEST, size: manifest.length, chunks: [manifest] }];
    if (signer) {
      const signature = signManifest(manifest, signer);
      entries.push({ name: SIGNATURE, size: signature.length, chunks: [signature] });
    }
    for (const { artifact, start } of taken) {
      entries.push({ name: artifact.path, size: artifact.size, chunks: packed.read(start, artifact.size) });
    }
    await (isStream ? writeStream(to, entries, created, signal) : writeFile(file, entries, created, signal));
    const size = entries.reduce((sum, entry) => sum + BLOCK + Math.ceil(entry.size / BLOCK) * BLOCK, 2 * BLOCK);
    return { artifacts, leftOut, size };
  } finally {
    await packed.remove();
  }
}

function wantedBy({ engines, keys }: ExportBundleOptions): Wanted {
  const hereId = engines === 'this' ? new V8Engine().deterministicId : undefined;
  for (const [name, filter, or] of [
    ['engines', hereId === undefined ? engines : undefined, "'this' or "],
    ['keys', keys, ''],
  ]) {
    if (filter === undefined || typeof filter === 'function') continue;
    throw new TypeError(`The option ${name} must be ${or}a function, not ${JSON.stringify(filter)}`);
  }
  const isEngine = hereId === undefined ? (engines as (engineId: string) => boolean) : (id: string) => id === hereId;
  return ({ key, engineId }) => {
    if (keys && !keys(key)) return false;
    return engineId === undefined || !isEngine || isEngine(engineId);
  };
}

/** In their order, so that two bundles of the same artifacts have the same order. */
async function namesIn({ store }: Place, isWanted: Wanted, signal: AbortSignal | undefined): Promise<string[]> {
  if (!store.list) throw new TypeError(`The store ${store.description} cannot list what it has`);
  const names: string[] = [];
  try {
    for await (const name of store.list('', { signal })) {
      const [, folder = '', key = ''] = ARTIFACT_NAME.exec(name) ?? [];
      if (folder === '') continue;
      const engineId = HASHED_ENGINE.test(folder) ? undefined : folder;
      if (isWanted({ key: ModuleHash.parseHex(key), engineId })) names.push(name);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw storeError(store, error);
  }
  return names.sort();
}

interface TakeOptions {
  isWanted: Wanted;
  signer: Signer | undefined;
  wireBytes: 'include' | 'omit';
  compression: 'zstd' | 'none';
  maxArtifactSize: number;
  signal: AbortSignal | undefined;
}

/** `undefined` when it is gone by now, or is not wanted after all. */
async function take(
  place: Place,
  name: string,
  { isWanted, signer, wireBytes, compression, maxArtifactSize, signal }: TakeOptions,
): Promise<{ artifact: BundledArtifact; bytes: Uint8Array } | LeftOutArtifact | undefined> {
  const stored = await place.store.get(name, { signal }).catch((error) => {
    signal?.throwIfAborted();
    throw storeError(place.store, error);
  });
  if (!stored) return undefined;
  const leaveOut = (reason: LeftOutArtifact['reason'], message: string) => ({ name, reason, message });
  let size = 0;
  try {
    const { artifact, header } = unpackArtifact(stored.bytes, (found) => {
      size = found.nativeLength + (found.includesWireBytes ? found.wireLength : 0);
      if (size > maxArtifactSize) throw new CacheError('Deserialize', `${size} bytes, more than ${maxArtifactSize}`);
    });
    if (entryName(artifact) !== name) return leaveOut('damaged', `It belongs at ${entryName(artifact)}`);
    if (!isWanted(artifact)) return undefined;
    if (place.signer && !(place.isPrivate && !isSigned(header))) {
      checkSignature(header, artifact.nativeCode, artifact.wireBytes, place.signer);
    }
    const suspect = place.suspect(name);
    if (suspect) return leaveOut('quarantined', `${suspect.deaths} loads of it did not finish`);
    const kept = wireBytes === 'include' ? artifact.wireBytes : undefined;
    if (!kept && artifact.coverage === 'none') {
      const isNote = artifact.leftAloneUntil > 0;
      return leaveOut('empty', isNote ? 'A note that its module is left to V8' : 'Neither native code nor wire bytes');
    }
    const parts = artifactParts({ ...artifact, wireBytes: kept }, signer);
    const packed = compression === 'zstd' ? await pack(parts) : Buffer.concat(parts);
    return { artifact: describe(artifact, kept !== undefined, compression, packed), bytes: packed };
  } catch (error) {
    if (!CacheError.is(error)) throw error;
    if (error.kind === 'Untrusted') return leaveOut('untrusted', error.message);
    if (error.kind !== 'Deserialize') throw error;
    return leaveOut(size > maxArtifactSize ? 'too-large' : 'damaged', error.message);
  }
}

function describe(
  artifact: ReturnType<typeof decodeArtifact>,
  includesWireBytes: boolean,
  compression: 'zstd' | 'none',
  bytes: Uint8Array,
): BundledArtifact {
  const { key, engineId, coverage, generation, final, nativeCode, wireLength } = artifact;
  return {
    path: pathOf(artifact),
    key,
    engineId,
    engine: describeEngine(engineId),
    coverage,
    generation,
    final,
    nativeLength: nativeCode.length,
    wireLength,
    includesWireBytes,
    compression,
    size: bytes.length,
    sha256: sha256(bytes).toString(),
  };
}

async function writeFile(
  file: string,
  entries: NewEntry[],
  created: Date,
  signal: AbortSignal | undefined,
): Promise<void> {
  const temporary = temporaryName(file);
  try {
    await writeTar(entries, fs.createWriteStream(temporary, { flags: 'wx' }), created, signal);
    await fs.promises.rename(temporary, file);
  } catch (error) {
    await fs.promises.unlink(temporary).catch(() => {});
    signal?.throwIfAborted();
    throw writeError(file, error);
  }
}

async function writeStream(
  stream: Writable,
  entries: NewEntry[],
  created: Date,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await writeTar(entries, stream, created, signal);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new CacheError('Other', `The bundle could not be written: ${messageOf(cause)}`, { cause });
  }
}

function writeError(file: string, cause: unknown): CacheError {
  return new CacheError('FileWrite', `Could not write ${file}: ${messageOf(cause)}`, { cause, path: file });
}

function storeError(store: ArtifactStore, cause: unknown): unknown {
  if (CacheError.is(cause)) return cause;
  return new CacheError('Other', `The store ${store.description} failed: ${messageOf(cause)}`, { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
