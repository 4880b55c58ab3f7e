import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { type Artifact, checkSignature, DEFAULT_MAX_ARTIFACT_SIZE, HEADER_LENGTH } from '../artifact/artifact.js';
import { canPack, unpackArtifact, wanted } from '../artifact/packed.js';
import type { Signer } from '../artifact/signature.js';
import { CacheError } from '../cache-error.js';
import { whyNotThisEngine } from '../engine/engine-id.js';
import { V8Engine } from '../engine/v8-engine.js';
import type { Engine } from '../module-cache.js';
import { sha256 } from '../native/digest.js';
import type { ImportBundleOptions, ImportBundleReport, ImportedArtifact } from './import-bundle.js';
import {
  type BundledArtifact,
  checkManifest,
  damaged,
  decodeManifest,
  MANIFEST,
  MAX_SIGNATURE_SIZE,
  type Manifest,
  maxManifestSize,
  pathOf,
  SIGNATURE,
} from './manifest.js';
import { fromOne, oneOf, signerOf } from './options.js';
import { placeOf } from './place.js';
import { type FoundEntry, readTar } from './tar.js';
import { Target } from './target.js';

/** As many files as a `FileSystemCache` has by default. */
const DEFAULT_MAX_ARTIFACTS = 10_000;
/** What tar adds to an entry: its header and what fills it up to a block; other writers than ours may add more headers. */
const TAR_BYTES_PER_ENTRY = 4096;
/** At the end, where writers fill up to the size of their blocks. */
const TAR_BYTES_AT_END = 2 ** 20;
/** Around an artifact that is packed, however badly that went. */
const MAX_OVERHEAD = HEADER_LENGTH + 1024;
const MAX_NAME_SHOWN = 200;
const CHUNK = 2 ** 18;

/** See `importBundle`. */
export async function readBundle(options: ImportBundleOptions): Promise<ImportBundleReport> {
  const { from, secret, allowUnsigned, all = false, wireBytes = 'include', signal } = options;
  const { maxArtifactSize = DEFAULT_MAX_ARTIFACT_SIZE, maxArtifacts = DEFAULT_MAX_ARTIFACTS } = options;
  const signer = signerOf(secret, allowUnsigned);
  oneOf('wireBytes', wireBytes, ['include', 'omit']);
  fromOne({ maxArtifactSize, maxArtifacts });
  if (typeof from === 'string' ? from === '' : typeof from?.destroy !== 'function') {
    throw new TypeError('The option from must be the path of a file or a readable stream');
  }
  const { engine = new V8Engine() } = options;
  signal?.throwIfAborted();
  const target = new Target(placeOf('into', options.into, signer), maxArtifactSize, signal);

  const bundle = await Bundle.open(from, maxArtifacts, signal);
  try {
    const manifest = await bundle.readManifest(signer);
    const importer = { engine, all, wireBytes, maxArtifactSize, signer, target };
    const artifacts = await importArtifacts(bundle, manifest, importer);
    return { created: manifest.created, artifacts, totals: totalsOf(artifacts) };
  } finally {
    await bundle.close();
  }
}

/** The bundle could not be read further. */
class Unreadable extends Error {}

/** The entries of a bundle, in their order. */
class Bundle {
  readonly #entries: AsyncGenerator<FoundEntry, void, void>;
  readonly #budget: { bytes: number };
  readonly #maxArtifacts: number;
  readonly #signal: AbortSignal | undefined;
  readonly #source: Readable;
  /** Rejects with the signal's reason. */
  readonly #aborted: Promise<never>;
  readonly #stopWatching: () => void;
  #next: FoundEntry | undefined;

  private constructor(source: Readable, maxArtifacts: number, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#maxArtifacts = maxArtifacts;
    this.#signal = signal;
    this.#budget = { bytes: maxManifestSize(maxArtifacts) + 3 * TAR_BYTES_PER_ENTRY + TAR_BYTES_AT_END };
    this.#entries = readTar(source, this.#budget);
    let stopWatching = () => {};
    this.#aborted = new Promise((_, reject) => {
      const onAbort = () => reject(signal?.reason);
      signal?.addEventListener('abort', onAbort);
      stopWatching = () => signal?.removeEventListener('abort', onAbort);
    });
    this.#aborted.catch(() => {});
    this.#stopWatching = stopWatching;
  }

  static async open(from: string | Readable, maxArtifacts: number, signal: AbortSignal | undefined): Promise<Bundle> {
    return new Bundle(typeof from === 'string' ? await openFile(from) : from, maxArtifacts, signal);
  }

  /** @throws {CacheError} kind `Deserialize` or `Untrusted`. */
  async readManifest(signer: Signer | undefined): Promise<Manifest> {
    try {
      const entry = await this.#advance();
      if (entry?.name !== MANIFEST || !entry.isFile) throw damaged(`its first entry is not ${MANIFEST}`);
      if (entry.size > maxManifestSize(this.#maxArtifacts)) {
        throw damaged(`its manifest has ${entry.size} bytes, too many for ${this.#maxArtifacts} artifacts`);
      }
      const bytes = await this.read(entry);
      this.#next = await this.#advance();
      let signature: Uint8Array | undefined;
      if (this.#next?.name === SIGNATURE) {
        if (this.#next.size > MAX_SIGNATURE_SIZE) throw damaged('its signature is too long to be one');
        signature = await this.read(this.#next);
        this.#next = undefined;
      }
      if (signer) checkManifest(bytes, signature, signer);
      const manifest = decodeManifest(bytes, this.#maxArtifacts);
      this.#budget.bytes += manifest.artifacts.reduce((sum, { size }) => sum + size + TAR_BYTES_PER_ENTRY, 0);
      return manifest;
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      const { cause, message } = error;
      if (CacheError.is(cause)) throw cause;
      const isOfSystem = typeof (cause as NodeJS.ErrnoException).syscall === 'string';
      throw isOfSystem ? readError('the bundle', cause) : damaged(message, cause);
    }
  }

  /** @throws {Unreadable} and the signal's reason. */
  async next(): Promise<FoundEntry | undefined> {
    const entry = this.#next ?? (await this.#advance());
    this.#next = undefined;
    return entry;
  }

  /** @throws {Unreadable} and the signal's reason. */
  read(entry: FoundEntry): Promise<Uint8Array> {
    return this.#readable(() => entry.read());
  }

  async close(): Promise<void> {
    this.#stopWatching();
    void this.#entries.return();
    this.#source.destroy();
    // Windows removes no file that is open. A stream of somebody's own may never close.
    if (this.#source instanceof fs.ReadStream && !this.#source.closed) await once(this.#source, 'close');
  }

  async #advance(): Promise<FoundEntry | undefined> {
    const { value } = await this.#readable(() => this.#entries.next());
    return value ?? undefined;
  }

  async #readable<T>(read: () => Promise<T>): Promise<T> {
    this.#signal?.throwIfAborted();
    const reading = read();
    reading.catch(() => {}); // It may lose the race.
    try {
      return await Promise.race([reading, this.#aborted]);
    } catch (cause) {
      this.#signal?.throwIfAborted();
      throw new Unreadable(cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }
}

interface Importer {
  engine: Engine;
  all: boolean;
  wireBytes: 'include' | 'omit';
  maxArtifactSize: number;
  signer: Signer | undefined;
  target: Target;
}

type Verdict = Pick<ImportedArtifact, 'outcome' | 'reasons'>;

async function importArtifacts(
  bundle: Bundle,
  { artifacts }: Manifest,
  importer: Importer,
): Promise<ImportedArtifact[]> {
  const announced = new Map(artifacts.map((artifact) => [artifact.path, artifact]));
  const verdicts = new Map<BundledArtifact, Verdict>();
  let problem = 'the bundle ends without it';
  try {
    for (let entry = await bundle.next(); entry; entry = await bundle.next()) {
      const artifact = announced.get(entry.name);
      // Whoever added something to the bundle is not asked for more.
      if (!artifact || !entry.isFile) {
        throw new Unreadable(`it has an entry that its manifest does not name: ${shown(entry)}`);
      }
      announced.delete(entry.name);
      verdicts.set(artifact, await importOne(bundle, entry, artifact, importer));
    }
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    problem = `the bundle is damaged before it, or in it: ${error.message}`;
  }
  const lost: Verdict = { outcome: 'refused', reasons: [problem] };
  return artifacts.map((artifact) => ({ ...artifact, ...(verdicts.get(artifact) ?? lost) }));
}

async function importOne(
  bundle: Bundle,
  entry: FoundEntry,
  announced: BundledArtifact,
  { engine, all, wireBytes, maxArtifactSize, signer, target }: Importer,
): Promise<Verdict> {
  const refused = (reason: string): Verdict => ({ outcome: 'refused', reasons: [reason] });
  const { size, compression } = announced;
  if (entry.size !== size) return refused(`it has ${entry.size} bytes, and ${size} according to the manifest`);
  if (entry.name !== pathOf(announced)) {
    return refused(`${shown(entry)} is not the name of an artifact with its key and its engine`);
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
    artifact = check(bytes, announced, maxArtifactSize, signer);
  } catch (error) {
    // Whatever it is that its bytes led to.
    return refused(error instanceof Error ? error.message : String(error));
  }
  if (wireBytes === 'omit') artifact = { ...artifact, wireBytes: undefined };
  if (artifact.coverage === 'none' && !artifact.wireBytes) {
    return { outcome: 'unsuitable', reasons: ['it has neither native code nor wire bytes'] };
  }
  const kept = await target.offer(artifact, compression === 'zstd');
  return kept === undefined ? { outcome: 'imported', reasons } : { outcome: 'kept', reasons: [kept] };
}

/** @throws when it is not what was announced. */
function check(
  bytes: Uint8Array,
  { key, engineId, wireLength, ...announced }: BundledArtifact,
  maxArtifactSize: number,
  signer: Signer | undefined,
): Artifact {
  if (sha256(bytes).toString() !== announced.sha256) {
    throw new CacheError('Deserialize', 'It is damaged: its SHA-256 is not that of the manifest');
  }
  const { artifact, header } = unpackArtifact(bytes, wanted({ key, engineId, wireLength }, maxArtifactSize));
  if (signer) checkSignature(header, artifact.nativeCode, artifact.wireBytes, signer);
  return artifact;
}

function whyUnsuitable(engineId: string, { deterministicId, canSerialize, unsupportedReason }: Engine): string[] {
  const reasons = whyNotThisEngine(engineId, deterministicId, unsupportedReason);
  if (canSerialize || reasons.length > 0) return reasons;
  return [`native code is not supported in this process: ${unsupportedReason}`];
}

async function openFile(from: string): Promise<Readable> {
  const file = path.resolve(from);
  try {
    return (await fs.promises.open(file, 'r')).createReadStream({ highWaterMark: CHUNK });
  } catch (cause) {
    throw readError(file, cause, { path: file });
  }
}

function readError(what: string, cause: unknown, options = {}): CacheError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CacheError('FileRead', `Could not read ${what}: ${reason}`, { cause, ...options });
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
