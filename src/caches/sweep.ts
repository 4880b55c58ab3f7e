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

/** The limits of a cache folder. */
export interface FolderLimits {
  /** The bytes of all files together. */
  maxSize: number;
  maxFiles: number;
}

export interface SweepReport {
  /** The files of this package before and after, and their bytes. */
  before: { files: number; size: number };
  after: { files: number; size: number };
  /** The files that were removed. */
  removed: string[];
}

/** Options of a sweep on request, which automatic sweeps do not have. */
export interface SweepOptions {
  /** Only report, and change nothing. Not even a lock is made. Default false. */
  dryRun?: boolean | undefined;
  /** A folder over its limits is cut to this part of them. */
  cutTo?: number | undefined;
  /** Which files are removed in any case. Default: none. */
  unwanted?: ((found: readonly FoundFile[]) => FoundFile[]) | undefined;
  /** Called for files that could not be removed. */
  onFailure?: ((file: string, error: unknown) => void) | undefined;
}

const { now } = Date;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/**
 * A folder over its limits is cut to this part of them, as in wasmtime. If it were cut to the limit itself, every further artifact would
 * need a sweep.
 */
const CUT_TO = 0.7;
/** The part of the limit for statistics. With the default limit, all days fit even if they are full. */
const PART_FOR_STATISTICS = 0.02;
/** An engine that was not used for so long is dead: its Node is gone, or nobody uses its flags any more. */
const ENGINE_IS_DEAD_AFTER = 14 * DAY;
/** A write takes seconds; a writer on another machine, or whose number was given to another process, cannot be asked. */
const TEMPORARY_IS_LEFT_AFTER = DAY;
const JOB_IS_LEFT_AFTER = DAY;
/** A quarantined artifact that nobody has tried for so long gets another chance. */
const GUARD_IS_LEFT_AFTER = 30 * DAY;
/** The age of an old program record. Programs in randomly named folders leave one each. A program that still runs asks the store again. */
const RECORD_IS_LEFT_AFTER = 30 * DAY;
/** The age of an old verdict. Trying a V8 again takes only seconds, and an old V8 may be gone. */
const VERDICT_IS_LEFT_AFTER = 90 * DAY;
/** The age of old code for the hook. It is made again in two runs, and an old version of the hook or of V8 may be gone. */
const CODE_IS_LEFT_AFTER = 30 * DAY;
/** A sweep takes seconds. */
const LOCK_IS_STALE_AFTER = 10 * 60_000;
/** The age of an abandoned empty lock. A lock is created and then written within microseconds, unless its process is killed in between. */
const EMPTY_LOCK_IS_STALE_AFTER = 5000;

/** In bytes, one for each sweep. A folder that is swept every hour reaches it after seven years. */
const MAX_MARK_SIZE = 65_536;

const LOCK = 'sweep.lock';
/** In bytes: the name of a host and a number. */
const MAX_LOCK_SIZE = 1000;

/**
 * Removes unneeded files from a cache folder: temporary files of dead writers, old jobs and statistics. If the folder is over its limits, it
 * also removes artifacts until the folder is well below them: first those of dead engines, then the least recently used ones. Foreign files
 * do not count, and are not touched.
 *
 * Only one process sweeps at a time; `undefined` if another one does. Files that cannot be removed stay.
 */
export async function sweep(
  directory: string,
  limits: FolderLimits,
  options: SweepOptions = {},
): Promise<SweepReport | undefined> {
  // The owner of the files does not matter here: nothing is loaded, no link is followed, and each file is checked before it is removed.
  const files = new FileSystemStore(directory, { isShared: true });
  if (options.dryRun) return sweepLocked(files, limits, options);
  if (!fs.existsSync(directory)) return undefined; // the lock would create it
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

/** Notes the time of the sweep. If the disk has no room for that, the next sweep comes sooner. */
function* mark(store: FileSystemStore): Steps<void> {
  try {
    if (yield* store.create(MARK)) return;
    // A write sets the time of the file system. The clock of this process may be wrong.
    const isFile = (yield* store.lstat(MARK))?.isFile();
    const isNoted = isFile && (yield* store.append(MARK, '.', MAX_MARK_SIZE)) !== undefined;
    if (!isNoted) yield* store.touch(MARK);
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
    // Counted at once, because several files are removed at the same time. A foreign file does not count.
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
  // Removes empty folders of engines. A folder with files is not removed by this.
  for (const engine of new Set(found.filter(({ kind }) => kind === 'artifact').map((file) => file.engine))) {
    await fs.promises.rmdir(path.join(store.directory, engine)).catch(() => {});
  }
  return { before, after, removed };
}

/** @returns whether the file was ours @throws {CacheError} when it cannot be removed. */
function* removeOurs(store: FileSystemStore, { kind, name }: FoundFile, dryRun: boolean): Steps<boolean> {
  try {
    const start = yield* store.use(name, (file) => file.read(0, Math.min(file.size, READ_TO_TELL)));
    if (!isOurs(kind, start)) return false;
    if (!dryRun) yield* store.unlink(name);
    return true;
  } catch (error) {
    if (CacheError.is(error, 'NotFound')) return true; // another process was faster
    if (CacheError.is(error, 'Untrusted')) return false; // no longer a file
    throw error;
  }
}

/** Whether the writer of the file is dead. */
export function isLeftBehind({ kind, pid, host, usedAt }: FoundFile): boolean {
  const age = Math.abs(now() - usedAt);
  if (kind === 'job') return age > JOB_IS_LEFT_AFTER;
  if (kind === 'guard') return age > GUARD_IS_LEFT_AFTER;
  if (kind === 'record') return age > RECORD_IS_LEFT_AFTER;
  if (kind === 'verdict') return age > VERDICT_IS_LEFT_AFTER;
  if (kind === 'code') return age > CODE_IS_LEFT_AFTER;
  if (kind === 'statistics') return age > DAYS_KEPT * DAY;
  return kind === 'temporary' && (age > TEMPORARY_IS_LEFT_AFTER || (host === hostTag() && !isWriterAlive(pid, usedAt)));
}

/** The oldest days that exceed the part of the limit for statistics. */
function statisticsOverLimit(found: FoundFile[], { maxSize }: FolderLimits): FoundFile[] {
  const days = found.filter(({ kind }) => kind === 'statistics').sort((a, b) => (a.file < b.file ? 1 : -1));
  let size = 0;
  return days.filter((day) => {
    size += day.size;
    return size > maxSize * PART_FOR_STATISTICS;
  });
}

/** The artifacts and the wire bytes in the order of their removal. */
function inOrderOfWorth(found: FoundFile[]): FoundFile[] {
  const dead = deadEngines(found);
  const rank = ({ engine }: FoundFile) => (dead.has(engine) ? 0 : 1);
  return found
    .filter(({ kind }) => kind === 'artifact' || kind === 'wire bytes')
    .sort((a, b) => rank(a) - rank(b) || a.usedAt - b.usedAt);
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

/** Creates the lock with its owner. Breaks an old lock, or one with a dead owner, first. */
async function isLocked(store: FileSystemStore): Promise<boolean> {
  const content = Buffer.from(`${os.hostname()} ${process.pid}\n`);
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      // Synchronous, so that hardly anything can happen between its two steps. A process that is killed there leaves a lock without an owner.
      if (runSync(store.create(LOCK, content))) return true;
    } catch (error) {
      // On a full disk somebody should sweep. Two processes at once do no harm.
      if (isFull(error)) return true;
      return false;
    }
    if (!(await isStale(store))) return false;
    // If two processes break it at once, the slower one removes the lock of the faster one, and both sweep, which does no harm.
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
    return false; // gone or not readable; the next sweep will see
  }
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(((error as CacheError).cause as NodeJS.ErrnoException)?.code ?? '');
}
