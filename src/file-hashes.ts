import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import util from 'node:util';
import { CacheError, messageOf } from './cache-error.js';
import { type HashAlgorithm, ModuleHash } from './module-hash.js';
import { RecentlyUsed } from './recently-used.js';
import { type Procedure, resultOf, runAsync, runSync } from './sync-or-async.js';

/**
 * Options of {@link HashedModuleData.fromFile} and `fromFileSync`.
 *
 * @example
 * ```ts
 * import { HashedModuleData, type HashFileOptions } from 'wasm-module-cache';
 *
 * const onSshfs: HashFileOptions = { paranoid: true };
 * const { hash } = await HashedModuleData.fromFile('plugin.wasm', onSshfs);
 * console.log(hash.algorithm); // sha256
 * ```
 */
export interface HashFileOptions {
  /** Default `sha256`. {@link ModuleHash.xxhash} says when the other one is safe. */
  algorithm?: HashAlgorithm | undefined;
  /**
   * Hash every time, without using or storing remembered hashes. For file systems with unreliable time stamps (sshfs, a server whose
   * clock is behind), and for files that are written through a memory mapping. Default false.
   */
  paranoid?: boolean | undefined;
}

// FAT has the coarsest time stamps in use, in steps of 2 s, and a time stamp is that of the last clock tick, up to 16 ms ago.
const SETTLED_AFTER_MS = 2_100;

// More modules than programs have. Each remembered file takes some 300 bytes.
const MAX_FILES = 1_000;

// After a write during the reading, read again, but not for ever if the file is written to all the time.
const MAX_ATTEMPTS = 3;

// A FIFO without a writer must not block, and a terminal must not become that of this process. (On Windows `undefined` adds 0.)
const OPEN_FLAGS = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY;

// Captured: programs patch globals, and with a clock that is ahead fresh files would look old.
const { now: systemClock } = Date;

/** In bytes: V8 accepts no larger module. */
const MAX_SIZE = 2n ** 30n;

/** An open file, synchronous or asynchronous; a `FileHandle` is one. */
interface OpenFile {
  stat(options: { bigint: true }): fs.BigIntStats | Promise<fs.BigIntStats>;
  readv(views: Uint8Array[], position: number): { bytesRead: number } | Promise<{ bytesRead: number }>;
  close(): void | Promise<void>;
}
type Open = (path: string) => OpenFile | Promise<OpenFile>;

/** `wireBytes` fill an ordinary buffer that nobody else has. */
export interface HashedFile {
  wireBytes: Uint8Array;
  hash: ModuleHash;
}

/**
 * Reads files and remembers their hashes.
 *
 * A remembered hash is used if an earlier reading found the same inode with the same size, mtime and ctime, and if these times were
 * older than any time stamp that a later write could leave. utimes cannot set the ctime, so nobody wrote between the two readings. The
 * stats are compared again after the second reading, so nobody wrote during it either. Recent times, and times in the future, would
 * prove nothing.
 *
 * Only `paranoid` covers these cases: writes that go on after their time stamp (through a shared memory mapping, or in one call that
 * takes longer than the margin), a server whose clock is behind by more than the margin, a clock that was set back together with a write
 * at exactly the old ctime, and file systems whose ctime is only the mtime (sshfs, FAT).
 */
export class FileHashes {
  readonly #remembered = new RecentlyUsed<{ identity: string; hash: ModuleHash }>(MAX_FILES);
  readonly #now: () => number;

  /** @param now - the wall clock, in milliseconds; for tests */
  constructor(now = systemClock) {
    this.#now = now;
  }

  readSync(path: string | URL, options?: HashFileOptions): HashedFile {
    return runSync(this.#read(path, options, openSync));
  }

  read(path: string | URL, options?: HashFileOptions): Promise<HashedFile> {
    return runAsync(this.#read(path, options, (file) => fs.promises.open(file, OPEN_FLAGS)));
  }

  *#read(path: string | URL, options: HashFileOptions = {}, open: Open): Procedure<HashedFile> {
    const { algorithm = 'sha256', paranoid = false } = options;
    if (algorithm !== 'sha256' && algorithm !== 'xxhash') {
      throw new TypeError(`The option algorithm must be 'sha256' or 'xxhash', not ${util.inspect(algorithm)}`);
    }
    const { wireBytes, stats, since } = yield* readUnchanged(toPath(path), open, this.#now);
    const key = `${algorithm} ${stats.dev} ${stats.ino}`;
    const identity = identify(stats);
    const remembered = paranoid ? undefined : this.#remembered.get(key);
    if (remembered?.identity === identity) return { wireBytes, hash: remembered.hash };

    const hash = ModuleHash[algorithm](wireBytes);
    const settled = since - SETTLED_AFTER_MS;
    // Inode 0: the file system does not distinguish its files.
    if (!paranoid && stats.ino !== 0n && stats.mtimeMs < settled && stats.ctimeMs < settled) {
      this.#remembered.set(key, { identity, hash });
    }
    return { wireBytes, hash };
  }
}

/** Reads a whole file that nobody changes meanwhile. `since` is a time before the reading. */
function* readUnchanged(path: string, open: Open, now: () => number) {
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const since = now();
      const file = yield* resultOf(open(path));
      try {
        const stats = yield* resultOf(file.stat({ bigint: true }));
        if (!stats.isFile()) throw new Error('it is not a regular file');
        if (stats.size > MAX_SIZE)
          throw new Error(`it has ${stats.size} bytes, and no module has more than ${MAX_SIZE}`);
        const wireBytes = new Uint8Array(Number(stats.size));
        // Files of /proc have a size of 0 and contain bytes, so try to read one more.
        const { bytesRead } = yield* resultOf(file.readv([wireBytes, new Uint8Array(1)], 0));
        const after = yield* resultOf(file.stat({ bigint: true }));
        if (bytesRead === wireBytes.length && identify(after) === identify(stats)) return { wireBytes, stats, since };
      } finally {
        yield* resultOf(file.close());
      }
    }
    throw new Error(`it changed while it was read, or its size is wrong (${MAX_ATTEMPTS} attempts)`);
  } catch (cause) {
    throw new CacheError('FileRead', `Could not read ${path}: ${messageOf(cause)}`, { cause, path });
  }
}

function openSync(path: string): OpenFile {
  const descriptor = fs.openSync(path, OPEN_FLAGS);
  return {
    stat: (options) => fs.fstatSync(descriptor, options),
    readv: (views, position) => ({ bytesRead: fs.readvSync(descriptor, views, position) }),
    close: () => fs.closeSync(descriptor),
  };
}

function identify({ dev, ino, size, mtimeNs, ctimeNs }: fs.BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

function toPath(path: string | URL): string {
  if (typeof path === 'string' && path !== '') return path;
  if (path instanceof URL && path.protocol === 'file:') return fileURLToPath(path);
  const given = util.inspect(path instanceof URL ? path.href : path);
  throw new TypeError(`A file's path must be a non-empty string or a file: URL, not ${given}`);
}
