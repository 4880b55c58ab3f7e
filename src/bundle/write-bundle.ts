import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Writable } from 'node:stream';
import { type Artifact, artifactParts, DEFAULT_MAX_ARTIFACT_SIZE } from '../artifact/artifact.js';
import { canPack, pack } from '../artifact/packed.js';
import { CacheError, messageOf } from '../cache-error.js';
import { describeEngine } from '../engine/engine-id.js';
import { hostTag } from '../files/write.js';
import { sha256 } from '../native/digest.js';
import { wrongOption } from '../wrong-option.js';
import { ArtifactLocation } from './location.js';
import { encodeManifest, MANIFEST, pathOf, SIGNATURE, signManifest } from './manifest.js';
import { checkNumbers, checkOneOf, signerOf } from './options.js';
import { type NewEntry, writeTar } from './tar.js';
import type { BundledArtifact, ExportBundleOptions, ExportBundleReport, LeftOutArtifact } from './types.js';

const BLOCK = 512;
/** Nobody else may read an unfinished bundle or write to it. */
const PRIVATE_FILE = 0o600;
let temporaryFiles = 0;

/** See `exportBundle`. */
export async function writeBundle(options: ExportBundleOptions): Promise<ExportBundleReport> {
  const { to, secret, allowUnsigned, engines, keys, wireBytes = 'include', signal } = options;
  const { compression = canPack() ? 'zstd' : 'none', maxArtifactSize = DEFAULT_MAX_ARTIFACT_SIZE } = options;
  const signer = signerOf(secret, allowUnsigned);
  checkOneOf('wireBytes', wireBytes, ['include', 'omit']);
  checkOneOf('compression', compression, ['zstd', 'none']);
  if (compression === 'zstd' && !canPack()) {
    throw new TypeError(`The option compression is zstd, which Node ${process.version} does not have; give none`);
  }
  checkNumbers({ maxArtifactSize });
  if (engines !== undefined && engines !== 'this' && typeof engines !== 'function') {
    throw wrongOption('engines', "'this' or a function", engines);
  }
  if (keys !== undefined && typeof keys !== 'function') throw wrongOption('keys', 'a function', keys);
  const isStream = typeof to !== 'string';
  if (isStream ? typeof to?.write !== 'function' : to === '') {
    throw wrongOption('to', 'the path of a file or a writable stream', to);
  }
  signal?.throwIfAborted();
  const source = new ArtifactLocation('from', options.from, signer);

  const file = isStream ? path.join(os.tmpdir(), 'wasm-module-cache') : path.resolve(to);
  const packedFile = temporaryName(file);
  // The manifest comes first in the bundle, and is known last.
  const packed = await written(file, fs.promises.open(packedFile, 'wx+', PRIVATE_FILE));
  try {
    const artifacts: BundledArtifact[] = [];
    const leftOut: LeftOutArtifact[] = [];
    for await (const found of source.artifacts({ engines, keys, wireBytes, maxArtifactSize, signal })) {
      if ('reason' in found) {
        leftOut.push(found);
        continue;
      }
      const parts = artifactParts(found.artifact, signer);
      const bytes = compression === 'zstd' ? await pack(parts, signer) : Buffer.concat(parts);
      await written(file, packed.appendFile(bytes));
      artifacts.push(describe(found.artifact, compression, bytes));
    }
    const created = new Date();
    const manifest = encodeManifest({ created, artifacts });
    const entries: NewEntry[] = [entryOf(MANIFEST, manifest)];
    if (signer) entries.push(entryOf(SIGNATURE, signManifest(manifest, signer)));
    let start = 0;
    for (const { path: name, size } of artifacts) {
      entries.push({ name, size, chunks: readRange(packed, start, size) });
      start += size;
    }
    await writeEntries(isStream ? to : file, entries, created, signal).catch((error) => {
      signal?.throwIfAborted();
      throw writeError(isStream ? undefined : file, error);
    });
    const size = entries.reduce((sum, entry) => sum + BLOCK + Math.ceil(entry.size / BLOCK) * BLOCK, 2 * BLOCK);
    return { artifacts, leftOut, size };
  } finally {
    await packed.close().catch(() => {});
    await fs.promises.unlink(packedFile).catch(() => {});
  }
}

/** Beside the file that it is for, where it can be renamed to that. */
function temporaryName(file: string): string {
  const unique = `${hostTag()}-${process.pid}-${temporaryFiles++}-${Math.random().toString(36).slice(2)}`;
  return path.join(path.dirname(file), `.${path.basename(file)}.${unique}.tmp`);
}

function entryOf(name: string, bytes: Uint8Array): NewEntry {
  return { name, size: bytes.length, chunks: [bytes] };
}

/** In pieces: all artifacts together may not fit into memory. */
async function* readRange(handle: fs.promises.FileHandle, start: number, size: number): AsyncGenerator<Uint8Array> {
  if (size > 0) yield* handle.createReadStream({ start, end: start + size - 1, autoClose: false });
}

function describe(artifact: Artifact, compression: 'zstd' | 'none', bytes: Uint8Array): BundledArtifact {
  const { key, engineId, coverage, generation, final, nativeCode, wireBytes, wireLength } = artifact;
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
    includesWireBytes: wireBytes !== undefined,
    compression,
    size: bytes.length,
    sha256: sha256(bytes).toString(),
  };
}

/** Replaces the file when the bundle is complete, or ends the stream. */
async function writeEntries(
  to: string | Writable,
  entries: NewEntry[],
  created: Date,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (typeof to !== 'string') return writeTar(entries, to, created, signal);
  const temporary = temporaryName(to);
  try {
    await writeTar(entries, fs.createWriteStream(temporary, { flags: 'wx' }), created, signal);
    await fs.promises.rename(temporary, to);
  } catch (error) {
    await fs.promises.unlink(temporary).catch(() => {});
    throw error;
  }
}

/** @throws {CacheError} kind `FileWrite` when the writing failed. */
function written<T>(file: string, writing: Promise<T>): Promise<T> {
  return writing.catch((error) => {
    throw writeError(file, error);
  });
}

/** @param file - `undefined` for a stream */
function writeError(file: string | undefined, cause: unknown): CacheError {
  const reason = messageOf(cause);
  if (file === undefined) return new CacheError('Other', `The bundle could not be written: ${reason}`, { cause });
  return new CacheError('FileWrite', `Could not write ${file}: ${reason}`, { cause, path: file });
}
