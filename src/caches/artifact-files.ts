import { type Artifact, artifactParts, checkSignature, decodeNativeCode, decodeParts } from '../artifact/artifact.js';
import {
  type ArtifactHeader,
  bodyLength,
  checkExpectation,
  damaged,
  decodeHeader,
  type Expectation,
  HEADER_LENGTH,
} from '../artifact/header.js';
import { compareArtifacts, joinArtifacts, keepsPartOf } from '../artifact/replacement.js';
import type { Signer } from '../artifact/signature.js';
import { CacheError } from '../cache-error.js';
import type { OpenFile } from '../files/file.js';
import type { Steps } from '../files/steps.js';
import type { FileSystemStore } from '../stores/file-system.js';
import { entryName } from './entry-name.js';

const { now } = Date;
/** A time stamp says when an entry was used, to this many milliseconds: noting every use would be a write for every read. */
const USE_IS_NOTED_EVERY = 3_600_000;

/** How the artifacts of a folder are read and written. */
export interface ArtifactFileOptions {
  signer: Signer | undefined;
  includeWireBytes: boolean;
  maxArtifactSize: number;
}

/** What a reader has, and who waits. */
export interface ReadOptions {
  /** The wire bytes, where the reader has them. */
  wireBytes?: Uint8Array | undefined;
  /** Whether the time stamp may say that the artifact was used. */
  isUse?: boolean | undefined;
  signal?: AbortSignal | undefined;
  onRead?: ((bytes: number, totalBytes: number) => void) | undefined;
}

/** The artifacts of a folder, a file each: what {@link FileSystemCache} does with them, as procedures that run either way. */
export class ArtifactFiles {
  readonly #store: FileSystemStore;
  readonly #options: ArtifactFileOptions;
  /** Bytes that were written so far. */
  written = 0;

  constructor(store: FileSystemStore, options: ArtifactFileOptions) {
    this.#store = store;
    this.#options = options;
  }

  /**
   * Reads an artifact and checks all of it. A damaged one is removed.
   *
   * @throws {CacheError} `NotFound`, `FileRead` or `Untrusted`; the signal's reason.
   */
  *read(expected: Expectation, options: ReadOptions = {}): Steps<Artifact> {
    const { wireLength } = expected;
    const wants = wireLength === undefined ? 'all' : 'code';
    const name = entryName(expected);
    try {
      const { artifact, touchedAt } = yield* this.#store.use(name, (file) =>
        this.#read(file, expected, wants, options),
      );
      if (options.isUse && Math.abs(now() - touchedAt) > USE_IS_NOTED_EVERY) yield* this.#store.touch(name);
      if (wireLength !== undefined || artifact.wireBytes) return artifact;
      throw new CacheError('NotFound', `The entry for ${expected.key} has no wire bytes, and none were given`);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!CacheError.is(error, 'Deserialize')) throw error;
      yield* this.remove(expected);
      throw unusable(expected, error);
    }
  }

  /**
   * Reads what an artifact says of itself. Where artifacts are signed, all of it is read, because the signature covers all.
   *
   * @throws {CacheError} `NotFound`, `Deserialize`, `FileRead` or `Untrusted`.
   */
  *header(expected: Expectation): Steps<ArtifactHeader> {
    const wants = this.#options.signer ? 'all' : 'nothing';
    return (yield* this.#store.use(entryName(expected), (file) => this.#read(file, expected, wants))).header;
  }

  /** As {@link header}; `undefined` when there is nothing that could be kept. */
  *storedHeader(expected: Expectation): Steps<ArtifactHeader | undefined> {
    try {
      return yield* this.header(expected);
    } catch {
      return undefined; // The new artifact is better, or writing it will say what is wrong.
    }
  }

  /** Stores an artifact, unless what is stored is as good. @throws {CacheError} `Serialize`, `FileWrite` or `Untrusted`. */
  *save(artifact: Artifact): Steps<void> {
    const offered = this.#withoutUnwanted(artifact);
    const stored = yield* this.#stored(offered);
    if (!stored || compareArtifacts(offered, stored) > 0) yield* this.#write(offered, stored);
  }

  /**
   * Stores an artifact, unless what is stored is better: as much code makes another generation. That is told by the stored header.
   * If the rest is damaged, the next load finds that out.
   *
   * @throws {CacheError} `Serialize`, `FileWrite` or `Untrusted`.
   */
  *overwrite(artifact: Artifact): Steps<void> {
    const offered = this.#withoutUnwanted(artifact);
    const header = yield* this.storedHeader(offered);
    if (header && compareArtifacts(offered, header) < 0) return;
    const stored = header && keepsPartOf(header, offered) ? yield* this.#stored(offered) : header;
    yield* this.#write(offered, stored ?? header);
  }

  /** Stores an artifact in place of whatever is stored. @throws {CacheError} `Serialize`, `FileWrite` or `Untrusted`. */
  *replace(artifact: Artifact): Steps<void> {
    const { maxArtifactSize, signer } = this.#options;
    const parts = artifactParts(artifact, signer);
    const size = parts.reduce((sum, { length }) => sum + length, 0);
    if (size > maxArtifactSize) {
      const message = `The artifact of ${artifact.key} has ${size} bytes, more than ${maxArtifactSize}`;
      throw new CacheError('Serialize', message);
    }
    yield* this.#store.write(entryName(artifact), ...parts);
    this.written += size;
  }

  *remove(expected: Expectation): Steps<void> {
    yield* this.#store.remove(entryName(expected));
  }

  *#read(file: OpenFile, expected: Expectation, wants: 'nothing' | 'code' | 'all', options: ReadOptions = {}) {
    const { signer, maxArtifactSize } = this.#options;
    const head = yield* file.read(0, HEADER_LENGTH);
    const header = decodeHeader(head);
    checkExpectation(header, expected);
    const { touchedAt } = file;
    // Before memory is taken for it.
    const size = HEADER_LENGTH + bodyLength(header);
    if (file.size !== size)
      throw damaged(Math.min(file.size, size), `${file.size} bytes where the header announces ${size}`);
    if (wants === 'nothing')
      return { header, touchedAt, artifact: { ...header, nativeCode: NOTHING, wireBytes: undefined } };
    if (size > maxArtifactSize) {
      throw new CacheError(
        'NotFound',
        `The artifact of ${expected.key} has ${size} bytes, more than ${maxArtifactSize}`,
      );
    }
    // The signature covers the wire bytes, too.
    const isWhole = header.includesWireBytes && (wants === 'all' || (signer && !options.wireBytes));
    const length = isWhole ? bodyLength(header) : header.nativeLength;
    let bytes = HEADER_LENGTH;
    const onRead = (count: number) => {
      bytes += count;
      options.onRead?.(bytes, HEADER_LENGTH + length);
    };
    if (length === 0) onRead(0);
    const body = yield* file.read(HEADER_LENGTH, length, { signal: options.signal, onRead: options.onRead && onRead });
    const artifact = isWhole ? decodeParts(head, body) : decodeNativeCode(head, header, body);
    if (signer) checkSignature(head, artifact.nativeCode, options.wireBytes ?? artifact.wireBytes, signer);
    return { header, touchedAt, artifact };
  }

  *#stored(expected: Expectation): Steps<Artifact | undefined> {
    try {
      return (yield* this.#store.use(entryName(expected), (file) => this.#read(file, expected, 'all'))).artifact;
    } catch {
      return undefined;
    }
  }

  #withoutUnwanted(artifact: Artifact): Artifact {
    return this.#options.includeWireBytes ? artifact : { ...artifact, wireBytes: undefined };
  }

  *#write(offered: Artifact, stored: Artifact | ArtifactHeader | undefined): Steps<void> {
    const artifact = stored ? joinArtifacts(offered, stored) : offered;
    // Nothing can be made of neither code nor wire bytes.
    if (artifact.wireBytes || artifact.coverage !== 'none') yield* this.replace(artifact);
  }
}

const NOTHING = new Uint8Array(0);

/** @internal The miss for an entry that is removed. */
export function unusable({ key }: Expectation, cause: unknown): CacheError {
  return new CacheError('NotFound', `The entry for ${key} was not usable and is removed`, { cause });
}
