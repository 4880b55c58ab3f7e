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
/** The time stamp of an entry notes its last use, with this precision in milliseconds, so that not every read causes a write. */
const USE_IS_NOTED_EVERY = 3_600_000;

/** Settings for reading and writing the artifacts of a folder. */
export interface ArtifactFileOptions {
  signer: Signer | undefined;
  includeWireBytes: boolean;
  maxArtifactSize: number;
}

/** Options of a read. */
export interface ReadOptions {
  /** The wire bytes, if the reader has them. */
  wireBytes?: Uint8Array | undefined;
  /** Whether to note the use in the time stamp. */
  isUse?: boolean | undefined;
  signal?: AbortSignal | undefined;
  onRead?: ((bytes: number, totalBytes: number) => void) | undefined;
}

/** Reads and writes the artifacts of a folder, one file each, for {@link FileSystemCache}. Its procedures run either way. */
export class ArtifactFiles {
  readonly #store: FileSystemStore;
  readonly #options: ArtifactFileOptions;
  /** The bytes written so far. */
  written = 0;

  constructor(store: FileSystemStore, options: ArtifactFileOptions) {
    this.#store = store;
    this.#options = options;
  }

  /**
   * Reads an artifact and checks it completely. Removes a damaged one.
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
   * Reads the header of an artifact. Reads the whole artifact if artifacts are signed, because the signature covers everything.
   *
   * @throws {CacheError} `NotFound`, `Deserialize`, `FileRead` or `Untrusted`.
   */
  *header(expected: Expectation): Steps<ArtifactHeader> {
    const wants = this.#options.signer ? 'all' : 'nothing';
    return (yield* this.#store.use(entryName(expected), (file) => this.#read(file, expected, wants))).header;
  }

  /** The {@link header}, or `undefined` if there is no usable artifact. */
  *storedHeader(expected: Expectation): Steps<ArtifactHeader | undefined> {
    try {
      return yield* this.header(expected);
    } catch {
      return undefined; // The new artifact is better, or writing it will report the error.
    }
  }

  /** Stores an artifact, unless what is stored is as good. @throws {CacheError} `Serialize`, `FileWrite` or `Untrusted`. */
  *save(artifact: Artifact): Steps<void> {
    const offered = this.#withoutUnwanted(artifact);
    const stored = yield* this.#stored(offered);
    if (!stored || compareArtifacts(offered, stored) > 0) yield* this.#write(offered, stored);
  }

  /**
   * Stores an artifact, unless the stored one is better; the same amount of code is a new generation. Only the stored header is read: if
   * the rest is damaged, the next load notices.
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

  /** Stores an artifact and replaces any other. @throws {CacheError} `Serialize`, `FileWrite` or `Untrusted`. */
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

  /** Whether an artifact is small enough to be read. */
  allows(header: ArtifactHeader): boolean {
    return HEADER_LENGTH + bodyLength(header) <= this.#options.maxArtifactSize;
  }

  *#read(file: OpenFile, expected: Expectation, wants: 'nothing' | 'code' | 'all', options: ReadOptions = {}) {
    const { signer, maxArtifactSize } = this.#options;
    const head = yield* file.read(0, HEADER_LENGTH);
    const header = decodeHeader(head);
    checkExpectation(header, expected);
    const { touchedAt } = file;
    // Checked before memory is taken for it.
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
    // Without native code and wire bytes there is nothing to load.
    if (artifact.wireBytes || artifact.coverage !== 'none') yield* this.replace(artifact);
  }
}

const NOTHING = new Uint8Array(0);

/** @internal The miss after an entry was removed. */
export function unusable({ key }: Expectation, cause: unknown): CacheError {
  return new CacheError('NotFound', `The entry for ${key} was not usable and is removed`, { cause });
}
