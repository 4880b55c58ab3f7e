import fs from 'node:fs';
import path from 'node:path';
import { CacheError } from '../cache-error.js';
import { call, type Steps } from './steps.js';
import { quoted, walk, whyUntrustedFolder } from './trust.js';
import { warnOnce } from './warning.js';

// Captured: see steps.ts.
const { closeSync, constants, fstatSync, mkdirSync, chmodSync, lstatSync } = fs;
const { O_RDONLY, O_DIRECTORY = 0, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

const PRIVATE_DIRECTORY = 0o700;
/** Before the umask. */
const SHARED_DIRECTORY = 0o777;
/** The most folders to create: more than a path can name. */
const MAX_DEPTH = 4096;
const DESCRIPTORS = '/proc/self/fd';

/**
 * A checked, open folder. Its files are reached through its descriptor, so that nobody can replace the folder between the check and
 * the use.
 */
export class Folder {
  /** Its path, for people. */
  readonly path: string;
  /** Whether others may write to it, so that what is read from it must be checked by other means. */
  readonly isShared: boolean;
  /** The prefix for names in it. */
  readonly #base: string;
  readonly #descriptor: number | undefined;

  /**
   * @param file - its path, for `fs`
   * @param descriptor - `undefined` if folders cannot be opened
   */
  constructor(folder: string, isShared: boolean, file: string, descriptor: number | undefined) {
    this.path = folder;
    this.isShared = isShared;
    this.#descriptor = descriptor;
    this.#base = descriptor === undefined || !hasDescriptors(descriptor) ? file : `${DESCRIPTORS}/${descriptor}`;
  }

  /** The path of a name in it, for `fs`. */
  at(name: string): string {
    return `${this.#base}/${name}`;
  }

  /** Whether it still exists and is still trusted. */
  *isUsable(): Steps<boolean> {
    if (this.#descriptor === undefined) return false;
    const stats = yield* call('fstat', this.#descriptor);
    return stats.nlink > 0 && (this.isShared || whyUntrustedFolder(stats, this.path) === undefined);
  }

  close(): void {
    try {
      if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    } catch {
      // Nothing was written through this descriptor.
    }
  }
}

/**
 * Opens a folder by its path.
 *
 * @param makes - whether to create a missing folder and its parents, private under every umask
 * @throws {CacheError} kind `Untrusted`; the error of the file system.
 */
export function* openFolder(directory: string, isShared: boolean, makes: boolean): Steps<Folder> {
  if (!isShared) return yield* open(reach(directory, makes), directory, false);
  try {
    return yield* open(directory, directory, true, 0);
  } catch (error) {
    if (!makes || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    mkdirSync(directory, { recursive: true });
    return yield* open(directory, directory, true, 0);
  }
}

/** The {@link openFolder} for a folder in an open one. If it is not trusted, there is one warning. */
export function* openFolderIn(parent: Folder, name: string, makes: boolean): Steps<Folder> {
  const [file, isShared] = [parent.at(name), parent.isShared];
  const folder = path.join(parent.path, name);
  try {
    return yield* open(file, folder, isShared);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && makes) {
      yield* makeFolder(file, isShared);
      return yield* open(file, folder, isShared);
    }
    let reason = CacheError.is(error, 'Untrusted') ? error.message : undefined;
    if ((code === 'ENOTDIR' || code === 'ELOOP') && (yield* call('lstat', file))?.isSymbolicLink()) {
      reason = `${folder} is a symbolic link. Remove it: rm ${quoted(folder)}`;
    }
    if (reason === undefined) throw error;
    warnOnce(folder, reason);
    throw new CacheError('Untrusted', reason);
  }
}

/** @throws {CacheError} kind `Untrusted`, with the path of the folder. */
export function checkFolder(directory: string): void {
  const found = walk(directory);
  if ('untrusted' in found) throw new CacheError('Untrusted', found.untrusted, { path: directory });
}

/** Follows the path. Everything that exists after a folder was created is checked as if it had always existed. */
function reach(directory: string, makes: boolean): string {
  for (let made = 0; ; made++) {
    const found = walk(directory);
    if ('reached' in found) return found.reached;
    if ('untrusted' in found) throw new CacheError('Untrusted', found.untrusted, { path: directory });
    if (!makes || made === MAX_DEPTH)
      throw Object.assign(new Error(`There is no folder ${found.missing}`), { code: 'ENOENT' });
    makePrivateSync(found.missing);
  }
}

function makePrivateSync(folder: string): void {
  try {
    mkdirSync(folder, PRIVATE_DIRECTORY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return; // another process was faster
    throw error;
  }
  // A folder that its owner may not enter, because of the umask, would block the cache for good.
  chmodSync(folder, PRIVATE_DIRECTORY);
}

function* makeFolder(file: string, isShared: boolean): Steps<void> {
  try {
    yield* call('mkdir', file, isShared ? SHARED_DIRECTORY : PRIVATE_DIRECTORY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
  if (!isShared) yield* call('chmod', file, PRIVATE_DIRECTORY);
}

function* open(file: string, folder: string, isShared: boolean, flags = O_NOFOLLOW): Steps<Folder> {
  const descriptor = yield* openDescriptor(file, flags);
  try {
    const stats = yield* descriptor === undefined ? call('lstat', file) : call('fstat', descriptor);
    // Where folders are not opened, this is how a missing one shows.
    if (!stats) throw Object.assign(new Error(`There is no folder ${folder}`), { code: 'ENOENT' });
    if (!stats.isDirectory()) throw Object.assign(new Error(`${folder} is not a folder`), { code: 'ENOTDIR' });
    const reason = isShared ? undefined : whyUntrustedFolder(stats, folder);
    if (reason !== undefined) throw new CacheError('Untrusted', reason, { path: folder });
    return new Folder(folder, isShared, file, descriptor);
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor);
    throw error;
  }
}

/** `undefined` if a folder cannot be opened: on Windows, or if it may be entered but not listed. */
function* openDescriptor(file: string, flags: number): Steps<number | undefined> {
  if (O_DIRECTORY === 0) return undefined;
  try {
    return yield* call('open', file, O_RDONLY | O_DIRECTORY | O_NONBLOCK | flags);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return undefined;
    throw error;
  }
}

let descriptorsWork: boolean | undefined;

/**
 * Whether files of an open folder can be reached by its descriptor: on Linux with /proc. Not under the permission model, which may allow to
 * read everything, and still forbids to write below /proc.
 */
function hasDescriptors(descriptor: number): boolean {
  descriptorsWork ??= !process.permission && isSame(descriptor);
  return descriptorsWork;
}

function isSame(descriptor: number): boolean {
  try {
    const [one, other] = [fstatSync(descriptor), lstatSync(`${DESCRIPTORS}/${descriptor}/.`)];
    return one.ino === other.ino && one.dev === other.dev;
  } catch {
    return false; // another system, or no /proc
  }
}
