import fs from 'node:fs';
import path from 'node:path';
import type { ArtifactStore, PutOptions, StoredValue, StoreOptions } from '../artifact-store.js';
import { CacheError } from '../cache-error.js';
import { crc32 } from '../native/digest.js';
import { whyUntrusted } from './trust.js';

// Captured: programs patch fs, and the hook, which is synchronous, must keep working under them. (fs.promises takes 2 ms
// to load, so it is left for whoever needs it.)
const { chmodSync, closeSync, fstatSync, mkdirSync, openSync, readvSync } = fs;
const { renameSync, statfsSync, statSync, unlinkSync, utimesSync, writeSync } = fs;
const { now } = Date;
const { getBuiltinModule, pid } = process;

/** A stored value in two pieces, each in a buffer of its own of exactly its length. */
export interface Parts {
  head: Uint8Array;
  body: Uint8Array;
  /** Length of the whole value, including a tail that was not read. */
  size: number;
  /** Milliseconds since 1970: when it was written, or last touched. */
  touchedAt: number;
}

/** What a procedure asks of its store; see {@link FileSystemStore.run}. */
export type StoreCall =
  | { read: string; headLength?: number; tailLength?: number }
  | { touch: string }
  | { write: string; parts: Uint8Array[] }
  | { delete: string };

/** A procedure over a store that is written once and run either way: it yields calls and is sent what was read. */
export type StoreSteps<T> = Generator<StoreCall, T, Parts>;

/** Who waits for a read. */
export interface Watcher {
  signal?: AbortSignal | undefined;
  onRead?: ((bytes: number, totalBytes: number) => void) | undefined;
}

const NOTHING: Parts = { head: new Uint8Array(0), body: new Uint8Array(0), size: 0, touchedAt: 0 };

const PRIVATE_DIRECTORY = 0o700;
const PRIVATE_FILE = 0o600;
/** Less what the process's umask takes. */
const SHARED_FILE = 0o666;

/** What is read without a look at the signal: 1 to 2 ms (2-core machine, file in memory). */
const CHUNK = 4 * 2 ** 20;

/** What Windows says when somebody, a virus scanner above all, has the file open that is to be replaced. */
const RETRIED = new Set(['EPERM', 'EBUSY']);
/** Milliseconds; a program may be waiting to exit. */
const RETRY_DELAYS = [2, 10, 30];

/** What is left free of a disk: this part of it, but not more than so many bytes. */
const PART_KEPT_FREE = 0.05;
const MAX_SPACE_KEPT_FREE = 2 ** 30;

/** A sweep removes empty folders, also one that was just made and has no file yet. */
const ATTEMPTS = 3;

const TEMPORARY = '.tmp';
let temporaryFiles = 0;
let tagOfThisHost: string | undefined;

/** Stands for this machine in the names of temporary files: only here can it be told whether their writers live. */
export function hostTag(): string {
  tagOfThisHost ??= crc32(Buffer.from(getBuiltinModule('node:os').hostname())).toString(36);
  return tagOfThisHost;
}

/**
 * Bytes by name in a folder, a file each: what `FileSystemCache` keeps its artifacts in, and an {@link ArtifactStore} for a folder
 * that several machines see. Every other method has a synchronous twin, because compiling a module is synchronous in programs that
 * cannot wait.
 *
 * A value is either there whole or not there: it is written to a temporary file in the same folder and renamed. It is not
 * flushed to the disk first, which would take longer than the write, in programs that are about to exit: after a power
 * failure a value may be cut off, which is for its reader to notice, as any damage.
 * A folder that others may write to is not touched: its methods reject with a {@link CacheError} of kind `Untrusted`.
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
  #trusted = false;

  /**
   * Neither reads nor makes the folder yet.
   *
   * @param options - `isShared`: others may write here, too, and what is read is checked by other means, such as a signature
   */
  constructor(directory: string, { isShared = false } = {}) {
    this.directory = path.resolve(directory);
    this.#isShared = isShared;
    this.#trusted = isShared;
  }

  /** The same path, for people. */
  get description(): string {
    return this.directory;
  }

  async get(name: string, { signal }: StoreOptions = {}): Promise<StoredValue | undefined> {
    signal?.throwIfAborted();
    try {
      return { bytes: (await this.read(name, 0, 0, { signal })).body, version: undefined };
    } catch (error) {
      if (CacheError.is(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  async put(name: string, bytes: Uint8Array, { signal }: PutOptions = {}): Promise<boolean> {
    signal?.throwIfAborted();
    await this.write(name, bytes);
    return true;
  }

  async has(name: string, { signal }: StoreOptions = {}): Promise<boolean> {
    signal?.throwIfAborted();
    this.checkTrust();
    try {
      return (await fs.promises.stat(this.#path(name))).isFile();
    } catch (error) {
      if (CacheError.is(readError(name, error), 'NotFound')) return false;
      throw readError(name, error);
    }
  }

  async *list(prefix: string, { signal }: StoreOptions = {}): AsyncGenerator<string> {
    signal?.throwIfAborted();
    this.checkTrust();
    // Not the whole folder, where the prefix names a part of it.
    const from = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    let entries: fs.Dirent[];
    try {
      entries = await fs.promises.readdir(this.#path(from), { recursive: true, withFileTypes: true });
    } catch (error) {
      if (CacheError.is(readError(from, error), 'NotFound')) return;
      throw readError(from, error);
    }
    for (const entry of entries) {
      signal?.throwIfAborted();
      const file = path.join(entry.parentPath, entry.name);
      const name = path.relative(this.directory, file).split(path.sep).join('/');
      if (entry.isFile() && name.startsWith(prefix) && !name.endsWith(TEMPORARY)) yield name;
    }
  }

  /**
   * @internal Reads the first `headLength` bytes of a value, and what follows them less the last `tailLength` bytes, in one read.
   *
   * @throws {CacheError} `NotFound`, `FileRead` or `Untrusted`.
   */
  readSync(name: string, headLength = 0, tailLength = 0): Parts {
    this.checkTrust();
    const file = this.#path(name);
    try {
      const descriptor = openSync(file, 'r');
      try {
        const parts = allocate(fstatSync(descriptor), headLength, tailLength);
        return trim(parts, readvSync(descriptor, [parts.head, parts.body], 0));
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      throw readError(file, error);
    }
  }

  /** @internal @throws the signal's reason when it is aborted. */
  async read(name: string, headLength = 0, tailLength = 0, { signal, onRead }: Watcher = {}): Promise<Parts> {
    this.checkTrust();
    const file = this.#path(name);
    try {
      const handle = await fs.promises.open(file, 'r');
      try {
        const parts = allocate(await handle.stat(), headLength, tailLength);
        const { head, body } = parts;
        const total = head.length + body.length;
        let bytes = 0;
        for (let end = 0; bytes === end && bytes < total; ) {
          signal?.throwIfAborted();
          const from = Math.max(0, bytes - head.length);
          const chunk = body.subarray(from, from + CHUNK);
          end = Math.max(bytes, head.length) + chunk.length;
          bytes += (await handle.readv(bytes < head.length ? [head, chunk] : [chunk], bytes)).bytesRead;
          onRead?.(bytes, total);
        }
        return trim(parts, bytes);
      } finally {
        await handle.close();
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw readError(file, error);
    }
  }

  /**
   * @internal Stores the parts, one after the other, as one value.
   *
   * @throws {CacheError} `FileWrite` or `Untrusted`; the value that was there before then still is.
   */
  writeSync(name: string, ...parts: Uint8Array[]): void {
    const { file, temporary } = this.#target(name);
    try {
      this.checkTrust();
      const descriptor = this.#createSync(temporary, parts);
      try {
        // The program's umask may have taken the owner's own rights. (Not fchmod: --permission forbids it.)
        if (!this.#isShared) chmodSync(temporary, PRIVATE_FILE);
        for (const part of parts) for (let at = 0; at < part.length; ) at += writeSync(descriptor, part, at);
      } finally {
        closeSync(descriptor);
      }
      for (let attempt = 0; ; attempt++) {
        try {
          renameSync(temporary, file);
          break;
        } catch (error) {
          const delay = retryDelay(error, attempt);
          if (delay === undefined) throw error;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, delay);
        }
      }
    } catch (error) {
      quietly(() => unlinkSync(temporary));
      throw writeError(file, error);
    }
  }

  /** @internal As {@link writeSync}. */
  async write(name: string, ...parts: Uint8Array[]): Promise<void> {
    const { file, temporary } = this.#target(name);
    try {
      this.checkTrust();
      const handle = await this.#create(temporary, parts);
      try {
        if (!this.#isShared) await fs.promises.chmod(temporary, PRIVATE_FILE);
        for (const part of parts) await handle.writeFile(part);
      } finally {
        await handle.close();
      }
      for (let attempt = 0; ; attempt++) {
        try {
          await fs.promises.rename(temporary, file);
          break;
        } catch (error) {
          const delay = retryDelay(error, attempt);
          if (delay === undefined) throw error;
          await new Promise((resolve) => setTimeout(resolve, delay));
        }
      }
    } catch (error) {
      await fs.promises.unlink(temporary).catch(() => {});
      throw writeError(file, error);
    }
  }

  /** @internal Runs a procedure with this store's synchronous methods. */
  runSync<T>(steps: StoreSteps<T>, watcher?: Watcher): T {
    let step = steps.next();
    while (!step.done) {
      const call = step.value;
      let answer = NOTHING;
      try {
        if ('read' in call) {
          answer = this.readSync(call.read, call.headLength, call.tailLength);
          const bytes = answer.head.length + answer.body.length;
          watcher?.onRead?.(bytes, bytes);
        }
        if ('write' in call) this.writeSync(call.write, ...call.parts);
        if ('touch' in call) this.touchSync(call.touch);
        if ('delete' in call) this.deleteSync(call.delete);
      } catch (error) {
        step = steps.throw(error);
        continue;
      }
      step = steps.next(answer);
    }
    return step.value;
  }

  /** @internal Runs a procedure with this store's asynchronous methods. */
  async run<T>(steps: StoreSteps<T>, watcher?: Watcher): Promise<T> {
    let step = steps.next();
    while (!step.done) {
      const call = step.value;
      let answer = NOTHING;
      try {
        if ('read' in call) answer = await this.read(call.read, call.headLength, call.tailLength, watcher);
        else if ('write' in call) await this.write(call.write, ...call.parts);
        else if ('touch' in call) this.touchSync(call.touch);
        else await this.delete(call.delete);
      } catch (error) {
        step = steps.throw(error);
        continue;
      }
      step = steps.next(answer);
    }
    return step.value;
  }

  /**
   * @internal Removes a value; that it is gone already, or cannot be removed, is no error.
   *
   * @throws {CacheError} `Untrusted`.
   */
  deleteSync(name: string): void {
    this.checkTrust();
    quietly(() => unlinkSync(this.#path(name)));
  }

  async delete(name: string, { signal }: StoreOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.checkTrust();
    await fs.promises.unlink(this.#path(name)).catch(() => {});
  }

  /** @internal Notes that a value was used, in its time stamp; that this is not possible, as on a read-only file system, is no error. */
  touchSync(name: string): void {
    const seconds = now() / 1000;
    quietly(() => utimesSync(this.#path(name), seconds, seconds));
  }

  /**
   * @internal Whether any name may start with `folder/`.
   *
   * @throws {CacheError} `Untrusted`.
   */
  hasFolderSync(folder: string): boolean {
    this.checkTrust();
    try {
      return statSync(this.#path(folder), { throwIfNoEntry: false }) !== undefined;
    } catch {
      return true; // What is wrong is for the read to say.
    }
  }

  /** @internal Makes `folder`, and those above it. @throws {CacheError} kind `FileWrite` or `Untrusted`. */
  makeFolderSync(folder: string): void {
    this.checkTrust();
    try {
      this.#makeDirectory(this.#path(folder));
    } catch (error) {
      throw writeError(this.#path(folder), error);
    }
  }

  /**
   * @internal Whoever can write here can run code in every process that loads it: see {@link whyUntrusted}.
   *
   * @throws {CacheError} kind `Untrusted`.
   */
  checkTrust(): void {
    if (this.#trusted) return;
    let exists: boolean;
    let reason: string | undefined;
    try {
      exists = statSync(this.directory, { throwIfNoEntry: false }) !== undefined;
      reason = whyUntrusted(this.directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return; // Nothing is there, and nothing can be.
      throw readError(this.directory, error);
    }
    if (reason !== undefined) throw new CacheError('Untrusted', reason, { path: this.directory });
    this.#trusted = exists;
  }

  #createSync(temporary: string, parts: Uint8Array[]): number {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#prepare(temporary, parts);
        return openSync(temporary, 'wx', this.#mode);
      } catch (error) {
        if (attempt === ATTEMPTS || !isGone(error)) throw error;
      }
    }
  }

  async #create(temporary: string, parts: Uint8Array[]): Promise<fs.promises.FileHandle> {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#prepare(temporary, parts);
        return await fs.promises.open(temporary, 'wx', this.#mode);
      } catch (error) {
        if (attempt === ATTEMPTS || !isGone(error)) throw error;
      }
    }
  }

  get #mode(): number {
    return this.#isShared ? SHARED_FILE : PRIVATE_FILE;
  }

  #prepare(temporary: string, parts: Uint8Array[]): void {
    this.#makeDirectory(path.dirname(temporary));
    checkSpace(this.directory, parts);
  }

  #makeDirectory(directory: string): void {
    if (this.#isShared) mkdirSync(directory, { recursive: true });
    else makePrivateDirectory(directory);
  }

  #path(name: string): string {
    return path.join(this.directory, name);
  }

  #target(name: string): { file: string; temporary: string } {
    const file = this.#path(name);
    // Unique among threads by the random part; the pid shows whose it was if it is ever left behind.
    const unique = `${hostTag()}-${pid}-${temporaryFiles++}-${Math.random().toString(36).slice(2)}`;
    return { file, temporary: `${file}.${unique}${TEMPORARY}` };
  }
}

/**
 * Makes a folder and those above it that are missing, with the same rights under every umask: one that its owner may not
 * enter would stay in the way for good. Synchronous for both faces of the store, because it is done once.
 */
export function makePrivateDirectory(directory: string): void {
  try {
    mkdirSync(directory, PRIVATE_DIRECTORY);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    const parent = path.dirname(directory);
    if (code !== 'ENOENT' || parent === directory) throw error;
    makePrivateDirectory(parent);
    try {
      mkdirSync(directory, PRIVATE_DIRECTORY);
    } catch (again) {
      if ((again as NodeJS.ErrnoException).code === 'EEXIST') return; // Another process was faster.
      throw again;
    }
  }
  chmodSync(directory, PRIVATE_DIRECTORY);
}

/** Milliseconds to wait before a rename is tried again; `undefined` when it is not. */
function retryDelay(error: unknown, attempt: number): number | undefined {
  const isRetried = RETRIED.has((error as NodeJS.ErrnoException).code ?? '');
  return isRetried ? RETRY_DELAYS[attempt] : undefined;
}

/** @internal Bytes of the disk that a folder is on: how many are free, and how many no write may take. @throws what the file system throws. */
export function spaceOf(directory: string): { free: number; kept: number } {
  const { bavail, blocks, bsize } = statfsSync(directory);
  return { free: bavail * bsize, kept: Math.min(MAX_SPACE_KEPT_FREE, blocks * bsize * PART_KEPT_FREE) };
}

/** Whoever fills the disk up does not want it to be a cache. */
function checkSpace(directory: string, parts: Uint8Array[]): void {
  let space: ReturnType<typeof spaceOf>;
  try {
    space = spaceOf(directory);
  } catch {
    return; // The write will say what is wrong.
  }
  const needed = parts.reduce((sum, { length }) => sum + length, 0);
  if (space.free - needed >= space.kept) return;
  const message = `${needed} bytes would leave less than ${Math.round(space.kept)} of the disk free`;
  throw Object.assign(new Error(message), { code: 'ENOSPC' });
}

function allocate({ size, mtimeMs: touchedAt }: fs.Stats, headLength: number, tailLength: number): Parts {
  const head = Math.min(headLength, size);
  const body = Math.max(0, size - head - tailLength);
  // Not from Buffer's pool: the body goes to V8, which takes whole ArrayBuffers.
  return { head: new Uint8Array(head), body: Buffer.allocUnsafeSlow(body), size, touchedAt };
}

/** A file that shrank while it was read gives what was read; what is missing is for the reader to notice. */
function trim(parts: Parts, bytesRead: number): Parts {
  if (bytesRead === parts.head.length + parts.body.length) return parts;
  const head = parts.head.slice(0, bytesRead);
  const body = new Uint8Array(parts.body.subarray(0, bytesRead - head.length));
  return { ...parts, head, body, size: bytesRead };
}

function readError(file: string, cause: unknown): CacheError {
  if (CacheError.is(cause)) return cause;
  if (isGone(cause) || (cause as NodeJS.ErrnoException)?.code === 'ENOTDIR')
    return new CacheError('NotFound', `Nothing stored at ${file}`, { cause });
  return new CacheError('FileRead', `Could not read ${file}: ${message(cause)}`, { cause, path: file });
}

function writeError(file: string, cause: unknown): CacheError {
  if (CacheError.is(cause)) return cause;
  return new CacheError('FileWrite', `Could not write ${file}: ${message(cause)}`, { cause, path: file });
}

function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException)?.code === 'ENOENT';
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function quietly(action: () => void): void {
  try {
    action();
  } catch {
    // The caller has something more important to report, or nothing at all.
  }
}
