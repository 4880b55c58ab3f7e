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
/** Less what the umask takes. */
const SHARED_FILE = 0o666;

/** What Windows says when somebody, often a virus scanner, has the file open that is to be replaced. */
const RETRIED = new Set(['EPERM', 'EBUSY']);
/** Milliseconds; a program may be waiting to exit. */
const RETRY_DELAYS = [2, 10, 30];

/** What is left free of a disk: this part of it, but not more than so many bytes. */
const PART_KEPT_FREE = 0.05;
const MAX_SPACE_KEPT_FREE = 2 ** 30;

export const TEMPORARY = '.tmp';
let temporaryFiles = 0;
let tagOfThisHost: string | undefined;

/** Stands for this machine in the names of temporary files: only here can it be told whether their writers live. */
export function hostTag(): string {
  tagOfThisHost ??= crc32(Buffer.from(getBuiltinModule('node:os').hostname())).toString(36);
  return tagOfThisHost;
}

/**
 * Puts a file into a folder, in place of what has its name. It is written under another name and then renamed, so it is whole or not
 * there, and what has its name now, also a link, is not written to.
 *
 * It is not flushed to the disk, which would take longer than the write, in programs that are about to exit. After a power failure it
 * may be cut off, which its reader must notice, as any damage.
 *
 * @throws what the file system throws. What was there before is still there then.
 */
export function* writeFile(folder: Folder, name: string, parts: readonly Uint8Array[]): Steps<void> {
  checkSpace(folder, parts);
  // Unique among threads by the random part. The pid tells whose it was if it is ever left behind.
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
 * Makes a file that is not there yet. Its existence may be a lock.
 *
 * @throws what the file system throws: `EEXIST` when there is anything of that name. A file that could not be
 * filled is removed.
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
    // The program's umask may have taken the owner's own rights. (Not fchmod: --permission forbids it.)
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
    // A sweep will.
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
 * Appends text in one write, which file systems of one machine keep whole without a lock.
 *
 * @returns the size before; `undefined` when nothing was written: what has the name is no file of this user, or would be larger than
 * `maxSize`
 * @throws what the file system throws.
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

/** Bytes of the disk that a folder is on: how many are free, and how many no write may take. @throws what the file system throws. */
export function spaceOf(directory: string): { free: number; kept: number } {
  const { bavail, blocks, bsize } = statfsSync(directory);
  return { free: bavail * bsize, kept: Math.min(MAX_SPACE_KEPT_FREE, blocks * bsize * PART_KEPT_FREE) };
}

/** A user who fills the disk up does not want a cache to fill the rest. */
function checkSpace(folder: Folder, parts: readonly Uint8Array[]): void {
  let space: ReturnType<typeof spaceOf>;
  try {
    space = spaceOf(folder.at('.'));
  } catch {
    return; // The write will say what is wrong.
  }
  const needed = parts.reduce((sum, { length }) => sum + length, 0);
  if (space.free - needed >= space.kept) return;
  const message = `${needed} bytes would leave less than ${Math.round(space.kept)} bytes of the disk free`;
  throw Object.assign(new Error(message), { code: 'ENOSPC' });
}
