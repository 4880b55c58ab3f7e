import type fs from 'node:fs';
import path from 'node:path';
import type { ArtifactStore, GetOptions, PutOptions, StoredValue, StoreOptions } from '../artifact-store.js';
import { CacheError } from '../cache-error.js';
import { codeOf, messageOf } from '../files/errors.js';
import { type OpenFile, openFile, type Watcher } from '../files/file.js';
import { checkFolder, type Folder } from '../files/folder.js';
import { OpenFolders } from '../files/open-folders.js';
import { call, run, type Steps } from '../files/steps.js';
import { appendToFile, createFile, TEMPORARY, writeFile } from '../files/write.js';
import { TooLargeError } from '../too-large-error.js';

const { now } = Date;
const { getBuiltinModule } = process;

/** The default limit for reading a value in bytes: an artifact of 256 MiB, and what is around it. */
const DEFAULT_MAX_SIZE = 2 ** 28 + 2 ** 20;

/** Tries of a write, because a sweep removes empty folders, also a new one that has no file yet. */
const ATTEMPTS = 3;

/** A value that was read. */
export interface ReadValue {
  bytes: Uint8Array;
  /** Milliseconds since 1970 of its last write or touch. */
  touchedAt: number;
}

/**
 * Stores bytes by name in a folder, one file each. `FileSystemCache` keeps its artifacts in one. As an {@link ArtifactStore} it is for a
 * folder that several machines share.
 *
 * Readers get a value whole or not at all: it is written to a temporary file in the same folder, which is then renamed. After a power
 * failure it may be cut off, because nothing is flushed to the disk; readers must notice that, like any damage. Symbolic links in the
 * folder are not followed.
 *
 * A folder that others may write to is refused: the methods reject with a {@link CacheError} of kind `Untrusted`. The same holds for
 * folders and values in it that belong to somebody else, or that others may write to.
 *
 * @example
 * ```ts
 * import { FileSystemStore } from 'wasm-module-cache';
 *
 * const store = new FileSystemStore('shared', { isShared: true });
 * await store.put('engine/key.artifact', Buffer.from('bytes'));
 * for await (const name of store.list('engine/')) console.log(name); // engine/key.artifact
 * ```
 */
export class FileSystemStore implements ArtifactStore {
  /** The absolute path of the folder. */
  readonly directory: string;
  readonly isConditional = false;
  readonly #isShared: boolean;
  readonly #folders: OpenFolders;

  /**
   * Does not read or create the folder yet.
   *
   * @param options - `isShared`: others may write here, too, and values are checked by other means, such as a signature
   */
  constructor(directory: string, { isShared = false } = {}) {
    this.directory = path.resolve(directory);
    this.#isShared = isShared;
    this.#folders = new OpenFolders(this.directory, isShared);
  }

  /** The same path, for people. */
  get description(): string {
    return this.directory;
  }

  async get(name: string, { signal, maxSize = DEFAULT_MAX_SIZE }: GetOptions = {}): Promise<StoredValue | undefined> {
    signal?.throwIfAborted();
    try {
      return { bytes: (await run(this.read(name, maxSize, { signal }))).bytes, version: undefined };
    } catch (error) {
      signal?.throwIfAborted();
      if (CacheError.is(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  async put(name: string, bytes: Uint8Array, { signal }: PutOptions = {}): Promise<boolean> {
    signal?.throwIfAborted();
    await run(this.write(name, bytes));
    return true;
  }

  async has(name: string, { signal }: StoreOptions = {}): Promise<boolean> {
    signal?.throwIfAborted();
    return (await run(this.stat(name))) !== undefined;
  }

  async delete(name: string, { signal }: StoreOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    await run(this.remove(name));
  }

  async *list(prefix: string, { signal }: StoreOptions = {}): AsyncGenerator<string> {
    signal?.throwIfAborted();
    this.checkTrust();
    // If the prefix names a folder, list only that.
    const from = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    let entries: fs.Dirent[];
    try {
      entries = await getBuiltinModule('node:fs/promises').readdir(path.join(this.directory, from), {
        recursive: true,
        withFileTypes: true,
      });
    } catch (error) {
      const reason = this.#readError(from, error);
      if (CacheError.is(reason, 'NotFound')) return;
      throw reason;
    }
    for (const entry of entries) {
      signal?.throwIfAborted();
      const file = path.join(entry.parentPath, entry.name);
      const name = path.relative(this.directory, file).split(path.sep).join('/');
      if (entry.isFile() && name.startsWith(prefix) && !name.endsWith(TEMPORARY)) yield name;
    }
  }

  /**
   * @internal Reads a whole value.
   *
   * @throws {CacheError} `NotFound`, `FileRead` or `Untrusted`; a {@link TooLargeError}.
   */
  *read(name: string, maxSize = DEFAULT_MAX_SIZE, watcher?: Watcher): Steps<ReadValue> {
    return yield* this.use(name, function* (file) {
      if (file.size > maxSize) throw new TooLargeError(name, file.size, maxSize);
      return { bytes: yield* file.read(0, file.size, watcher), touchedAt: file.touchedAt };
    });
  }

  /**
   * @internal Opens a value for a procedure that reads it, or a part of it.
   *
   * @throws {CacheError} `NotFound`, `FileRead` or `Untrusted`; also the procedure's errors, as `CacheError`.
   */
  *use<T>(name: string, steps: (file: OpenFile) => Steps<T>): Steps<T> {
    try {
      return yield* this.#folders.use(name, false, function* (folder, own) {
        const file = yield* openFile(folder, own);
        try {
          return yield* steps(file);
        } finally {
          file.close();
        }
      });
    } catch (error) {
      throw this.#readError(name, error);
    }
  }

  /** @internal Size and time stamp of a value; `undefined` if there is no readable one. @throws {CacheError} `FileRead` or `Untrusted`. */
  *stat(name: string): Steps<{ size: number; touchedAt: number } | undefined> {
    try {
      return yield* this.use(name, function* ({ size, touchedAt }) {
        yield* nothing();
        return { size, touchedAt };
      });
    } catch (error) {
      const isNoValue = CacheError.is(error, 'NotFound') || codeOf((error as CacheError).cause) === 'EISDIR';
      if (isNoValue || (CacheError.is(error, 'Untrusted') && error.path === undefined)) return undefined;
      throw error;
    }
  }

  /**
   * @internal Stores the parts, in order, as one value.
   *
   * @throws {CacheError} `FileWrite` or `Untrusted`. The old value is then still there.
   */
  *write(name: string, ...parts: readonly Uint8Array[]): Steps<void> {
    yield* this.#change(name, (folder, own) => writeFile(folder, own, parts));
  }

  /**
   * @internal Creates a new value. Its existence may be a lock.
   *
   * @returns whether it was created; false if something has this name
   * @throws {CacheError} `FileWrite` or `Untrusted`.
   */
  *create(name: string, ...parts: readonly Uint8Array[]): Steps<boolean> {
    try {
      yield* this.#change(name, (folder, own) => createFile(folder, own, parts));
      return true;
    } catch (error) {
      if (codeOf((error as CacheError).cause) === 'EEXIST') return false;
      throw error;
    }
  }

  /** @internal See {@link appendToFile}. @throws {CacheError} `FileWrite` or `Untrusted`. */
  *append(name: string, text: string, maxSize: number): Steps<number | undefined> {
    return yield* this.#change(name, (folder, own) => appendToFile(folder, own, text, maxSize));
  }

  /** @internal The stats of whatever has this name; `undefined` if nothing has it. @throws {CacheError} `FileRead` or `Untrusted`. */
  *lstat(name: string): Steps<fs.Stats | undefined> {
    try {
      return yield* this.#folders.use(name, false, (folder, own) => call('lstat', folder.at(own)));
    } catch (error) {
      const reason = this.#readError(name, error);
      if (CacheError.is(reason, 'NotFound')) return undefined;
      throw reason;
    }
  }

  /** @internal The {@link remove} that reports failures. @throws {CacheError} `NotFound`, `FileRead` or `Untrusted`. */
  *unlink(name: string): Steps<void> {
    try {
      yield* this.#folders.use(name, false, (folder, own) => call('unlink', folder.at(own)));
    } catch (error) {
      throw this.#readError(name, error);
    }
  }

  /**
   * @internal Removes a value. A missing value, or one that cannot be removed, is no error.
   *
   * @throws {CacheError} `Untrusted`.
   */
  *remove(name: string): Steps<void> {
    yield* this.#quietly(name, (file) => call('unlink', file));
  }

  /** @internal Notes the use of a value in its time stamp. Failure, as in a read-only folder, is no error. */
  *touch(name: string): Steps<void> {
    const seconds = now() / 1000;
    yield* this.#quietly(name, (file) => call('lutimes', file, seconds, seconds));
  }

  /** @internal Whether any name may start with `folder/`. @throws {CacheError} `FileRead` or `Untrusted`. */
  *hasFolder(folder: string): Steps<boolean> {
    try {
      yield* this.#folders.use('', false, nothing);
    } catch (error) {
      const reason = this.#readError('', error);
      if (CacheError.is(reason, 'NotFound')) return false;
      throw reason;
    }
    try {
      yield* this.#folders.use(`${folder}/`, false, nothing);
      return true;
    } catch (error) {
      return !CacheError.is(this.#readError(folder, error), 'NotFound'); // the read will report the error
    }
  }

  /** @internal Creates `folder` and its parents. @throws {CacheError} `FileWrite` or `Untrusted`. */
  *makeFolder(folder: string): Steps<void> {
    yield* this.#change(`${folder}/`, nothing);
  }

  /**
   * @internal Checks that nobody else can write here, because they could run code in every process that loads from here.
   *
   * @throws {CacheError} kind `Untrusted`.
   */
  checkTrust(): void {
    if (this.#isShared) return;
    try {
      checkFolder(this.directory);
    } catch (error) {
      const reason = this.#readError('', error);
      if (!CacheError.is(reason, 'NotFound')) throw reason; // otherwise nothing exists yet
    }
  }

  *#change<T>(name: string, steps: (folder: Folder, own: string) => Steps<T>): Steps<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return yield* this.#folders.use(name, true, steps);
      } catch (error) {
        if (attempt < ATTEMPTS && codeOf(error) === 'ENOENT') continue;
        if (CacheError.is(error)) throw error;
        const file = path.join(this.directory, name);
        throw new CacheError('FileWrite', `Could not write ${file}: ${messageOf(error)}`, { cause: error, path: file });
      }
    }
  }

  *#quietly(name: string, steps: (file: string) => Steps<void>): Steps<void> {
    try {
      yield* this.#folders.use(name, false, (folder, own) => steps(folder.at(own)));
    } catch (error) {
      if (CacheError.is(error, 'Untrusted') && error.path !== undefined) throw error;
    }
  }

  #readError(name: string, cause: unknown): CacheError {
    if (CacheError.is(cause)) return cause;
    const file = path.join(this.directory, name);
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(cause) as string)) {
      return new CacheError('NotFound', `Nothing is stored at ${file}`, { cause });
    }
    return new CacheError('FileRead', `Could not read ${file}: ${messageOf(cause)}`, { cause, path: file });
  }
}

function* nothing(): Steps<void> {}
