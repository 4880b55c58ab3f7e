import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { Signer } from '../artifact/signature.js';
import { CacheError, messageOf } from '../cache-error.js';
import { withSignal } from '../stores/with-signal.js';
import {
  checkManifest,
  damaged,
  decodeManifest,
  MANIFEST,
  MAX_SIGNATURE_SIZE,
  type Manifest,
  maxManifestSize,
  SIGNATURE,
} from './manifest.js';
import { type FoundEntry, readTar } from './tar.js';

/** The bytes that tar adds to an entry: its header and the padding to a block. Foreign writers may add more headers. */
const TAR_BYTES_PER_ENTRY = 4096;
/** The padding at the end: writers fill up the last block. */
const TAR_BYTES_AT_END = 2 ** 20;
const CHUNK = 2 ** 18;

/** The bundle could not be read any further. */
export class UnreadableBundle extends Error {}

/** Reads a bundle from its start to its end. Takes no more bytes than the manifest announces. */
export class BundleReader {
  /** `undefined` for a stream of the caller. */
  readonly #file: string | undefined;
  readonly #source: Readable;
  readonly #maxArtifacts: number;
  readonly #signal: AbortSignal | undefined;
  readonly #budget: { bytes: number };
  readonly #entries: AsyncGenerator<FoundEntry, void, void>;
  /** An entry that was read in advance. */
  #ahead: FoundEntry | undefined;

  constructor(from: string | Readable, maxArtifacts: number, signal: AbortSignal | undefined) {
    this.#file = typeof from === 'string' ? path.resolve(from) : undefined;
    this.#source = typeof from === 'string' ? fs.createReadStream(from, { highWaterMark: CHUNK }) : from;
    this.#maxArtifacts = maxArtifacts;
    this.#signal = signal;
    this.#budget = { bytes: maxManifestSize(maxArtifacts) + 3 * TAR_BYTES_PER_ENTRY + TAR_BYTES_AT_END };
    this.#entries = readTar(this.#source, this.#budget);
  }

  /**
   * Reads the manifest and its signature. Call it first.
   *
   * @throws {CacheError} kind `Deserialize`, `Untrusted` or `FileRead`.
   */
  async readManifest(signer: Signer | undefined): Promise<Manifest> {
    try {
      const entry = await this.next();
      if (entry?.name !== MANIFEST || !entry.isFile) throw damaged(`its first entry is not ${MANIFEST}`);
      if (entry.size > maxManifestSize(this.#maxArtifacts)) {
        throw damaged(`its manifest has ${entry.size} bytes, too many for ${this.#maxArtifacts} artifacts`);
      }
      const bytes = await this.read(entry);
      this.#ahead = await this.next();
      let signature: Uint8Array | undefined;
      if (this.#ahead?.name === SIGNATURE) {
        if (this.#ahead.size > MAX_SIGNATURE_SIZE) throw damaged('its signature is too long');
        signature = await this.read(this.#ahead);
        this.#ahead = undefined;
      }
      if (signer) checkManifest(bytes, signature, signer);
      const manifest = decodeManifest(bytes, this.#maxArtifacts);
      this.#budget.bytes += manifest.artifacts.reduce((sum, { size }) => sum + size + TAR_BYTES_PER_ENTRY, 0);
      return manifest;
    } catch (error) {
      if (!(error instanceof UnreadableBundle)) throw error;
      const { cause, message } = error;
      if (CacheError.is(cause)) throw cause;
      const isOfSystem = typeof (cause as NodeJS.ErrnoException).syscall === 'string';
      if (!isOfSystem) throw damaged(message, cause);
      const path = this.#file === undefined ? {} : { path: this.#file };
      throw new CacheError('FileRead', `Could not read ${this.#file ?? 'the bundle'}: ${message}`, { cause, ...path });
    }
  }

  /** @throws {UnreadableBundle} and the signal's reason. */
  async next(): Promise<FoundEntry | undefined> {
    const entry = this.#ahead;
    this.#ahead = undefined;
    return entry ?? (await this.#readable(() => this.#entries.next())).value ?? undefined;
  }

  /** @throws {UnreadableBundle} and the signal's reason. */
  read(entry: FoundEntry): Promise<Uint8Array> {
    return this.#readable(() => entry.read());
  }

  async close(): Promise<void> {
    this.#entries.return().catch(() => {}); // It may be unreadable.
    this.#source.destroy();
    // Windows does not remove an open file. A stream of the caller may never close.
    if (this.#source instanceof fs.ReadStream && !this.#source.closed) await once(this.#source, 'close');
  }

  async #readable<T>(read: () => Promise<T>): Promise<T> {
    this.#signal?.throwIfAborted();
    try {
      return await withSignal(read(), this.#signal);
    } catch (cause) {
      this.#signal?.throwIfAborted();
      throw new UnreadableBundle(messageOf(cause), { cause });
    }
  }
}
