import fs from 'node:fs';
import { crc32 } from '../native/digest.js';
import type { Folder } from './folder.js';
import { call, type Steps } from './steps.js';
import { whyUntrustedFile } from './trust.js';

// Captured: see steps.ts.
const { closeSync, constants, fstatSync, statfsSync, unlinkSync } = fs;
const { getBuiltinModule, pid } = process;
const { random } = Math;
const { O_WRONLY, O_CREAT, O_EXCL, O_APPEND, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

const PRIVATE_FILE = 0o600;
/** Before the umask. */
const SHARED_FILE = 0o666;

/** Windows' error codes if a process, often a virus scanner, has the old file open. */
const RETRIED = new Set(['EPERM', 'EBUSY']);
/** Milliseconds. Short, because a program may be waiting to exit. */
const RETRY_DELAYS = [2, 10, 30];

/** The space that stays free on a disk: this part of it, but at most so many bytes. */
const PART_KEPT_FREE = 0.05;
const MAX_SPACE_KEPT_FREE = 2 ** 30;

export const TEMPORARY = '.tmp';
let temporaryFiles = 0;
let tagOfThisHost: string | undefined;

/** Identifies this machine in the names of temporary files, because only here can their writers be checked. */
export function hostTag(): string {
  tagOfThisHost ??= crc32(Buffer.from(getBuiltinModule('node:os').hostname())).toString(36);
  return tagOfThisHost;
}

/**
 * Writes a file into a folder, and replaces an old one. It writes under another name and renames, so readers get the whole file or none,
 * and the old file, or a link of its name, is not written to.
 *
 * It does not flush to the disk, because that takes longer than the write, in programs that are about to exit. After a power failure the
 * file may be cut off, which its reader must notice, like any damage.
 *
 * @throws the error of the file system. The old file is then still there.
 */
export function* writeFile(folder: Folder, name: string, parts: readonly Uint8Array[]): Steps<void> {
  checkSpace(folder, parts);
  // The random part makes it unique among threads. The pid identifies the writer of a leftover.
  const temporary = `${name}.${hostTag()}-${pid}-${temporaryFiles++}-${random().toString(36).slice(2)}${TEMPORARY}`;
  yield* createFile(folder, temporary, parts);
  try {
    yield* rename(folder, temporary, name);
  } catch (error) {
    discard(folder, temporary);
    throw error;
  }
}

/**
 * Creates a new file. Its existence may be a lock.
 *
 * @throws the error of the file system: `EEXIST` when something has that name. A file that could not be filled is removed.
 */
export function* createFile(folder: Folder, name: string, parts: readonly Uint8Array[]): Steps<void> {
  const mode = folder.isShared ? SHARED_FILE : PRIVATE_FILE;
  const descriptor = yield* call('open', folder.at(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  try {
    yield* fill(descriptor, folder, name, parts);
  } catch (error) {
    discard(folder, name);
    throw error;
  }
}

function* fill(descriptor: number, folder: Folder, name: string, parts: readonly Uint8Array[]): Steps<void> {
  try {
    // The program's umask may have removed permissions of the owner. (Not fchmod: --permission forbids it.)
    if (!folder.isShared) yield* call('chmod', folder.at(name), PRIVATE_FILE);
    for (const part of parts) {
      for (let at = 0; at < part.length; ) at += yield* call('write', descriptor, part, at);
    }
  } finally {
    closeSync(descriptor);
  }
}

function discard(folder: Folder, name: string): void {
  try {
    unlinkSync(folder.at(name));
  } catch {
    // A sweep will remove it.
  }
}

function* rename(folder: Folder, from: string, to: string): Steps<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      yield* call('rename', folder.at(from), folder.at(to));
      return;
    } catch (error) {
      const delay = RETRY_DELAYS[attempt];
      if (delay === undefined || !RETRIED.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
      yield* call('pause', delay);
    }
  }
}

/**
 * Appends text in one write, which local file systems keep whole without a lock.
 *
 * @returns the old size; `undefined` if nothing was written, because the name belongs to no file of this user, or the file would exceed
 * `maxSize`
 * @throws the error of the file system.
 */
export function* appendToFile(folder: Folder, name: string, text: string, maxSize: number): Steps<number | undefined> {
  const mode = folder.isShared ? SHARED_FILE : PRIVATE_FILE;
  const descriptor = yield* call(
    'open',
    folder.at(name),
    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK,
    mode,
  );
  try {
    const stats = fstatSync(descriptor);
    const isForeign = !stats.isFile() || stats.nlink > 1 || (!folder.isShared && whyUntrustedFile(stats, name));
    if (isForeign || stats.size + text.length > maxSize) return undefined;
    yield* call('write', descriptor, Buffer.from(text), 0);
    return stats.size;
  } finally {
    closeSync(descriptor);
  }
}

/** The disk of a folder: its free bytes, and the bytes that must stay free. @throws the error of the file system. */
export function spaceOf(directory: string): { free: number; kept: number } {
  const { bavail, blocks, bsize } = statfsSync(directory);
  return { free: bavail * bsize, kept: Math.min(MAX_SPACE_KEPT_FREE, blocks * bsize * PART_KEPT_FREE) };
}

/** Refuses a write that would fill the disk too much. */
function checkSpace(folder: Folder, parts: readonly Uint8Array[]): void {
  let space: ReturnType<typeof spaceOf>;
  try {
    space = spaceOf(folder.at('.'));
  } catch {
    return; // the write will report the error
  }
  const needed = parts.reduce((sum, { length }) => sum + length, 0);
  if (space.free - needed >= space.kept) return;
  const message = `${needed} bytes would leave less than ${Math.round(space.kept)} bytes of the disk free`;
  throw Object.assign(new Error(message), { code: 'ENOSPC' });
}
