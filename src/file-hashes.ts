import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import util from 'node:util';
import { CacheError } from './cache-error.js';
import { type HashAlgorithm, ModuleHash } from './module-hash.js';
import { RecentlyUsed } from './recently-used.js';
import { type Procedure, resultOf, runAsync, runSync } from './sync-or-async.js';

/**
 * What {@link HashedModuleData.fromFile} and `fromFileSync` may be called with.
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
  /** Default `sha256`; see {@link ModuleHash.xxhash} for when the other one is safe. */
  algorithm?: HashAlgorithm | undefined;
  /**
   * Hash every time, and neither use nor keep what is remembered: for file systems whose time stamps cannot be relied on
   * (sshfs, a server whose clock is behind), and for files that are written through a memory mapping. Default false.
   */
  paranoid?: boolean | undefined;
}

// FAT's time stamps go in steps of 2 s, the coarsest in use, and every time stamp is that of the system's last clock tick,
// which may be 16 ms ago.
const SETTLED_AFTER_MS = 2_100;

// More modules than programs have; a file takes some 300 bytes.
const MAX_FILES = 1_000;

// What one write spoilt is worth another reading; a file that is written to all the time must not be read for ever.
const MAX_ATTEMPTS = 3;

// A FIFO without a writer must not block, nor a terminal become that of this process. (`undefined`, on Windows, adds 0.)
const OPEN_FLAGS = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY;

// Captured: programs patch globals, and under a clock that is ahead fresh files would look settled.
const { now: systemClock } = Date;

/** What is done with a file, at once or in the background; a `FileHandle` is one. */
interface OpenFile {
  stat(options: { bigint: true }): fs.BigIntStats | Promise<fs.BigIntStats>;
  readv(views: Uint8Array[], position: number): { bytesRead: number } | Promise<{ bytesRead: number }>;
  close(): void | Promise<void>;
}
type Open = (path: string) => OpenFile | Promise<OpenFile>;

/** `wireBytes` are all of an ordinary buffer that nobody else has. */
export interface HashedFile {
  wireBytes: Uint8Array;
  hash: ModuleHash;
}

/**
 * Reads files and remembers their hashes.
 *
 * The hash is that of the very bytes that were read, or else a remembered one. Then an earlier reading was of the same inode
 * with the same size, mtime and ctime, and these times were older than any time stamp that a write could leave from then
 * on. utimes cannot set the ctime, so nobody wrote since: neither between the readings nor, as the stats are compared again
 * after it, during the second. Times that were fresh or in the future would prove nothing.
 *
 * Not covered, except by `paranoid`: writes that go on after their time stamp (through a shared memory mapping, or in one call
 * that takes longer than the margin), a server's clock that is behind by more than the margin, a clock that was set back and
 * a write at the very tick of the old ctime, and file systems whose ctime is only the mtime (sshfs, FAT).
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
    // Inode 0: a file system that does not tell its files apart.
    if (!paranoid && stats.ino !== 0n && stats.mtimeMs < settled && stats.ctimeMs < settled) {
      this.#remembered.set(key, { identity, hash });
    }
    return { wireBytes, hash };
  }
}

/** The whole of a file that nobody changed meanwhile, and since when nobody did. */
function* readUnchanged(path: string, open: Open, now: () => number) {
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const since = now();
      const file = yield* resultOf(open(path));
      try {
        const stats = yield* resultOf(file.stat({ bigint: true }));
        if (!stats.isFile()) throw new Error('it is not a regular file');
        const wireBytes = new Uint8Array(Number(stats.size));
        // Files of /proc have bytes beyond their size, which is 0.
        const { bytesRead } = yield* resultOf(file.readv([wireBytes, new Uint8Array(1)], 0));
        const after = yield* resultOf(file.stat({ bigint: true }));
        if (bytesRead === wireBytes.length && identify(after) === identify(stats)) return { wireBytes, stats, since };
      } finally {
        yield* resultOf(file.close());
      }
    }
    throw new Error(
      `it changed while it was being read, or gave more or fewer bytes than its size, ${MAX_ATTEMPTS} times`,
    );
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new CacheError('FileRead', `Could not read ${path}: ${message}`, { cause, path });
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
  throw new TypeError(`A file's path must be a string that is not empty or a file: URL, not ${given}`);
}
