import fs from 'node:fs';
import path from 'node:path';
import { CacheError } from '../cache-error.js';
import type { Folder } from './folder.js';
import { call, runSync, type Steps } from './steps.js';
import { quoted, whyUntrustedFile } from './trust.js';
import { warnOnce } from './warning.js';

// Captured: see steps.ts.
const { closeSync, constants, openSync, fstatSync } = fs;
const { geteuid } = process;
const { now } = Date;
const { abs } = Math;
const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_NOCTTY = 0 } = constants;
/** A pipe does not block, a terminal does not become that of this process. */
const CAREFULLY = O_RDONLY | O_NONBLOCK | O_NOCTTY;

/** Bytes that are read between two looks at the signal: 1 to 2 ms (2-core machine, file in memory). */
const CHUNK = 4 * 2 ** 20;

/** Who waits for a read. */
export interface Watcher {
  signal?: AbortSignal | undefined;
  onRead?: ((bytes: number) => void) | undefined;
}

/** A regular file that was opened and checked. */
export class OpenFile {
  readonly #descriptor: number;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970 of its last write or touch. */
  readonly touchedAt: number;

  constructor(descriptor: number, { size, mtimeMs }: fs.Stats) {
    this.#descriptor = descriptor;
    this.size = size;
    this.touchedAt = mtimeMs;
  }

  /**
   * Reads into a new buffer of exactly this length, because V8 takes whole ArrayBuffers. A file that ends earlier gives fewer bytes.
   *
   * @throws the signal's reason when it is aborted.
   */
  *read(position: number, length: number, { signal, onRead }: Watcher = {}): Steps<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(length);
    const step = signal || onRead ? CHUNK : length;
    let at = 0;
    while (at < length) {
      signal?.throwIfAborted();
      const chunk = bytes.subarray(at, at + step);
      const count = yield* call('readv', this.#descriptor, [chunk], position + at);
      at += count;
      onRead?.(count);
      if (count === 0) return new Uint8Array(bytes.subarray(0, at));
    }
    return bytes;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/**
 * Opens a file of a folder. If it is no regular file, or others may change it, it is not read, and there is one warning.
 *
 * @throws {CacheError} kind `Untrusted`, without a path; the error of the file system.
 */
export function* openFile(folder: Folder, name: string): Steps<OpenFile> {
  const file = path.join(folder.path, name);
  let descriptor: number;
  try {
    descriptor = yield* call('open', folder.at(name), CAREFULLY | O_NOFOLLOW);
  } catch (error) {
    const what = NOT_REGULAR[(error as NodeJS.ErrnoException).code ?? ''];
    if (what) throw irregular(file, what);
    throw error;
  }
  try {
    const stats = yield* call('fstat', descriptor);
    if (stats.isDirectory()) throw Object.assign(new Error(`${file} is a folder`), { code: 'EISDIR' });
    if (!stats.isFile()) throw irregular(file, 'is not a regular file');
    const reason = folder.isShared ? undefined : whyUntrustedFile(stats, file);
    if (reason) throw untrusted(file, reason);
    if (!folder.isShared && (yield* hadOtherName(folder, name, descriptor, stats))) {
      throw Object.assign(new Error(`${file} was replaced, and has another name`), { code: 'ENOENT' });
    }
    return new OpenFile(descriptor, stats);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/**
 * Whether a file with one name was opened by another one. A file that was replaced since has no name left, unless it had two: others may have
 * access to the second one.
 */
function* hadOtherName(folder: Folder, name: string, descriptor: number, stats: fs.Stats): Steps<boolean> {
  if (geteuid === undefined) return false; // Windows, where nothing else is checked either.
  // While a rename replaces a file, the file has lost the name, but the name still leads to it.
  if (abs(now() - stats.ctimeMs) < JUST_NOW) yield* call('pause', RENAME_TAKES);
  const named = yield* call('lstat', folder.at(name));
  if (named?.dev === stats.dev && named.ino === stats.ino && named.nlink <= 1) return false;
  return (yield* call('fstat', descriptor)).nlink > 0;
}

/** Milliseconds: the system's time stamps are some behind. As in native/trusted-files.cc. */
const JUST_NOW = 20;
/** Milliseconds, and more. */
const RENAME_TAKES = 2;

/** The error codes for opening a link and a socket. */
const NOT_REGULAR: Record<string, string> = { ELOOP: 'is a symbolic link', ENXIO: 'is not a regular file' };

function irregular(file: string, what: string): CacheError {
  return untrusted(file, `${file} ${what}. Remove it: rm ${quoted(file)}`);
}

function untrusted(file: string, reason: string): CacheError {
  warnOnce(file, reason);
  return new CacheError('Untrusted', reason);
}

/**
 * Reads a file that the user named, also through links, and whoever owns it.
 *
 * @throws the error of the file system, or an error when it is no regular file or larger than `maxSize`.
 */
export function readBoundedSync(file: string, maxSize: number): Uint8Array {
  const descriptor = openSync(file, CAREFULLY);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new Error(`${file} is not a regular file`);
    if (stats.size > maxSize) throw new Error(`${file} has ${stats.size} bytes, more than ${maxSize}`);
    return runSync(new OpenFile(descriptor, stats).read(0, stats.size));
  } finally {
    closeSync(descriptor);
  }
}
