import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CacheError } from '../cache-error.js';
import { run, runSync, type Steps } from '../files/steps.js';
import { hostTag } from '../files/write.js';
import { DAYS_KEPT } from '../statistics/day-files.js';
import { FileSystemStore } from '../stores/file-system.js';
import { isWriterAlive } from '../stores/writer.js';
import { batches, type FoundFile, inventory } from './inventory.js';
import { isOurs, READ_TO_TELL } from './ownership.js';
import { MARK } from './sweep-due.js';

/** How much a cache folder may hold. */
export interface FolderLimits {
  /** Bytes of all files together. */
  maxSize: number;
  maxFiles: number;
}

export interface SweepReport {
  /** What was there of this package, and what is left: files, and their bytes. */
  before: { files: number; size: number };
  after: { files: number; size: number };
  /** The files that were removed. */
  removed: string[];
}

/** How a sweep that somebody asks for differs from those that come by themselves. */
export interface SweepOptions {
  /** Only report; nothing is changed, not even a lock made. Default false. */
  dryRun?: boolean | undefined;
  /** The part of the limits to which a folder that is over them is cut. */
  cutTo?: number | undefined;
  /** What is to go in any case, of all that is there. Default: nothing. */
  unwanted?: ((found: readonly FoundFile[]) => FoundFile[]) | undefined;
  /** Told of what could not be removed. */
  onFailure?: ((file: string, error: unknown) => void) | undefined;
}

const { now } = Date;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/**
 * A folder over its limits is cut to this part of them, as wasmtime does: cutting to the limit itself would mean a sweep for every
 * artifact from then on.
 */
const CUT_TO = 0.7;
/** All days full are less than that of the default limit. */
const PART_FOR_STATISTICS = 0.02;
/** An engine of which nothing was used for so long is one of a Node that is gone, or of flags that nobody gives any more. */
const ENGINE_IS_DEAD_AFTER = 14 * DAY;
/** A write takes seconds; a writer on another machine, or whose number was given to another process, cannot be asked. */
const TEMPORARY_IS_LEFT_AFTER = DAY;
const JOB_IS_LEFT_AFTER = DAY;
/** An artifact that nobody has tried for so long gets another chance. */
const GUARD_IS_LEFT_AFTER = 30 * DAY;
/** Programs in folders with names by chance leave one each; one that is still run asks the store again. */
const RECORD_IS_LEFT_AFTER = 30 * DAY;
/** Trying a V8 again takes seconds, and one that is gone is not asked for any more. */
const VERDICT_IS_LEFT_AFTER = 90 * DAY;
/** A sweep takes seconds. */
const LOCK_IS_STALE_AFTER = 10 * 60_000;
/** A lock is made and then written to, within microseconds; one that is empty for longer is of a process that was killed between. */
const EMPTY_LOCK_IS_STALE_AFTER = 5000;

const LOCK = 'sweep.lock';
/** Bytes: the name of a host and a number. */
const MAX_LOCK_SIZE = 1000;

/**
 * Removes what nobody needs from a cache folder: temporary files of writers that are gone, old jobs and statistics, and, when the folder is
 * over its limits, artifacts until it is well below them: those of dead engines first, then the least recently used ones. Files that are
 * not of this package neither count nor are they touched.
 *
 * One process at a time; `undefined` when another one is at it. What cannot be removed is left.
 */
export async function sweep(
  directory: string,
  limits: FolderLimits,
  options: SweepOptions = {},
): Promise<SweepReport | undefined> {
  // Whose the files are does not matter here: nothing is loaded, no link is followed, and what is removed was looked at.
  const files = new FileSystemStore(directory, { isShared: true });
  if (options.dryRun) return sweepLocked(files, limits, options);
  if (!fs.existsSync(directory)) return undefined; // The lock would make it.
  const own = new FileSystemStore(directory, { isShared: isOpenToOthers(directory) });
  if (!(await isLocked(own))) return undefined;
  try {
    await run(mark(own));
    return await sweepLocked(files, limits, options);
  } finally {
    await run(own.remove(LOCK));
  }
}

function isOpenToOthers(directory: string): boolean {
  try {
    new FileSystemStore(directory).checkTrust();
    return false;
  } catch {
    return true;
  }
}

/** A disk without room for it is no reason not to make room; the next sweep comes sooner then. */
function* mark(store: FileSystemStore): Steps<void> {
  try {
    if (!(yield* store.create(MARK))) yield* store.touch(MARK);
  } catch (error) {
    if (!isFull(error)) throw error;
  }
}

async function sweepLocked(
  store: FileSystemStore,
  limits: FolderLimits,
  { dryRun = false, cutTo = CUT_TO, unwanted, onFailure }: SweepOptions,
): Promise<SweepReport> {
  const found: FoundFile[] = [];
  for await (const file of inventory(store.directory)) if (file.kind !== 'unknown') found.push(file);
  const before = { files: found.length, size: sumOf(found) };
  const after = { ...before };
  const removed: string[] = [];
  const tried = new Set<FoundFile>();
  const remove = async (each: FoundFile) => {
    if (tried.has(each)) return;
    tried.add(each);
    // At once, for those that are removed at the same time. A file that turns out not to be ours never counted.
    after.files--;
    after.size -= each.size;
    try {
      if (await run(removeOurs(store, each, dryRun))) removed.push(each.file);
    } catch (error) {
      after.files++;
      after.size += each.size;
      onFailure?.(each.file, error instanceof CacheError ? (error.cause ?? error) : error);
    }
  };

  const over = statisticsOverLimit(found, limits);
  const waste = new Set([...found.filter(isLeftBehind), ...over, ...(unwanted?.(found) ?? [])]);
  for (const batch of batches([...waste])) await Promise.all(batch.map(remove));

  const isOver = (part: number) => after.size > limits.maxSize * part || after.files > limits.maxFiles * part;
  if (isOver(1)) {
    for (const batch of batches(inOrderOfWorth(found))) {
      await Promise.all(batch.map(async (file) => (isOver(cutTo) ? remove(file) : undefined)));
    }
  }
  if (dryRun) return { before, after, removed };
  // Folders of engines that have nothing left; one that has something cannot be removed so.
  for (const engine of new Set(found.filter(({ kind }) => kind === 'artifact').map((file) => file.engine))) {
    await fs.promises.rmdir(path.join(store.directory, engine)).catch(() => {});
  }
  return { before, after, removed };
}

/** @returns whether it was ours. @throws {CacheError} when it cannot be removed. */
function* removeOurs(store: FileSystemStore, { kind, name }: FoundFile, dryRun: boolean): Steps<boolean> {
  try {
    const start = yield* store.use(name, (file) => file.read(0, Math.min(file.size, READ_TO_TELL)));
    if (!isOurs(kind, start)) return false;
    if (!dryRun) yield* store.unlink(name);
    return true;
  } catch (error) {
    if (CacheError.is(error, 'NotFound')) return true; // Somebody was faster.
    if (CacheError.is(error, 'Untrusted')) return false; // It is no file any more.
    throw error;
  }
}

/** Whether whoever made the file is gone. */
export function isLeftBehind({ kind, pid, host, usedAt }: FoundFile): boolean {
  const age = Math.abs(now() - usedAt);
  if (kind === 'job') return age > JOB_IS_LEFT_AFTER;
  if (kind === 'guard') return age > GUARD_IS_LEFT_AFTER;
  if (kind === 'record') return age > RECORD_IS_LEFT_AFTER;
  if (kind === 'verdict') return age > VERDICT_IS_LEFT_AFTER;
  if (kind === 'statistics') return age > DAYS_KEPT * DAY;
  return kind === 'temporary' && (age > TEMPORARY_IS_LEFT_AFTER || (host === hostTag() && !isWriterAlive(pid, usedAt)));
}

/** The oldest days that are too much for a folder of that size: a small one is for artifacts. */
function statisticsOverLimit(found: FoundFile[], { maxSize }: FolderLimits): FoundFile[] {
  const days = found.filter(({ kind }) => kind === 'statistics').sort((a, b) => (a.file < b.file ? 1 : -1));
  let size = 0;
  return days.filter((day) => {
    size += day.size;
    return size > maxSize * PART_FOR_STATISTICS;
  });
}

/** Artifacts, the first to go first. */
function inOrderOfWorth(found: FoundFile[]): FoundFile[] {
  const dead = deadEngines(found);
  const rank = ({ engine }: FoundFile) => (dead.has(engine) ? 0 : 1);
  return found.filter(({ kind }) => kind === 'artifact').sort((a, b) => rank(a) - rank(b) || a.usedAt - b.usedAt);
}

/** The engines of which nothing was used for two weeks. */
export function deadEngines(found: FoundFile[]): Set<string> {
  const dead = new Set(found.map(({ engine }) => engine));
  for (const { engine, usedAt } of found) if (now() - usedAt <= ENGINE_IS_DEAD_AFTER) dead.delete(engine);
  return dead;
}

function sumOf(files: FoundFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** Makes the lock, which says whose it is; one whose owner is gone, or that is old, is broken first. */
async function isLocked(store: FileSystemStore): Promise<boolean> {
  const content = Buffer.from(`${os.hostname()} ${process.pid}\n`);
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      // Synchronous, so that hardly anything comes between its two steps: who is killed there leaves a lock that nobody owns.
      if (runSync(store.create(LOCK, content))) return true;
    } catch (error) {
      // On a full disk somebody should sweep. Two processes that do harm nobody.
      if (isFull(error)) return true;
      return false;
    }
    if (!(await isStale(store))) return false;
    // Two that break it at once: the slower one removes the lock of the faster one, and both sweep, which harms nobody.
    await run(store.remove(LOCK));
  }
  return false;
}

async function isStale(store: FileSystemStore): Promise<boolean> {
  try {
    const { bytes, touchedAt } = await run(store.read(LOCK, MAX_LOCK_SIZE));
    const content = Buffer.from(bytes).toString();
    const [host, pid] = content.trim().split(' ');
    if (Math.abs(now() - touchedAt) > (content === '' ? EMPTY_LOCK_IS_STALE_AFTER : LOCK_IS_STALE_AFTER)) return true;
    return host === os.hostname() && Number(pid) > 0 && !isWriterAlive(Number(pid), touchedAt);
  } catch {
    return false; // It is gone, or cannot be read: the next sweep sees.
  }
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(((error as CacheError).cause as NodeJS.ErrnoException)?.code ?? '');
}
