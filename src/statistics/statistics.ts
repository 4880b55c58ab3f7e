import fs from 'node:fs';
import path from 'node:path';
import type { ModuleHash } from '../module-hash.js';
import { makePrivateDirectory } from '../stores/file-system.js';
import { nameOfCaller } from './caller.js';
import { encodeLine, KEY_DIGITS, type ModuleCounts } from './lines.js';

// Captured: see stores/file-system.ts.
const { closeSync, constants, fstatSync, mkdirSync, openSync, readdirSync, unlinkSync, writeSync } = fs;
const { now } = Date;
const { floor } = Math;
const { bigint: nanoseconds } = process.hrtime;
const milliseconds = () => Number(nanoseconds()) / 1e6;

/** In the cache folder: a file for each day, named by its number, see {@link dayOf}. */
export const STATISTICS_FOLDER = 'statistics';
export const STATISTICS_FILE = /^\d{5}$/;
/** Bytes of a day's file, some 6,000 lines. When it is full the rest of the day is not counted. */
export const MAX_DAY_SIZE = 512 * 1024;
/** A month and some days, so that there is always a whole one. */
export const DAYS_KEPT = 35;
export const DAY = 24 * 3_600_000;

/**
 * What a process pays while it runs: about so many milliseconds, and this part of what its look-ups take. Within it counts are written
 * at once, because a program whose modules are all final has nothing to do at its exit, and a signal may end it; beyond it
 * names are not asked for, and the rest is written together, a while later or at the exit. The first line takes 0.4 ms, the first name
 * 0.25 ms, later ones 0.06 and 0.03 ms.
 */
const FREE_OF_CHARGE = 0.5;
const PART_OF_LOOKUPS = 1 / 500;
/** A module is named at its miss. One that was fetched or imported, or missed long ago, is in one of 8 processes. */
const ASKS_AT_HITS = process.pid % 8 === 0;
/** Milliseconds after which the rest is written, if the process lives: later than the keys of misses are known. */
const WRITTEN_AFTER = 1_500;

const PRIVATE_FILE = 0o600;
const SHARED_FILE = 0o666;
const { O_WRONLY, O_APPEND, O_CREAT } = constants;
/**
 * Where others may write to the folder, the name may be one of theirs for a file elsewhere, or for a pipe that nobody reads. (Windows has
 * neither flag.)
 */
const CAREFULLY = O_WRONLY | O_APPEND | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** What the hook found; see `Lookup`. */
export interface LookedUp {
  readonly key: ModuleHash | undefined;
  readonly wireLength: number;
  readonly module: WebAssembly.Module | undefined;
  readonly stored: { readonly length: number };
  /** The same object for the same module of this thread. */
  readonly recorded: Recorded | undefined;
}

/** A module of this thread, whose key may come later. */
export interface Recorded {
  readonly key: ModuleHash | undefined;
  readonly analysis: unknown;
}

export interface StatisticsOptions {
  mode: 'read-write' | 'read-only';
  /** The cache folder. */
  directory: string;
  /** Others may write there, too, when there are some. */
  secrets: readonly string[] | undefined;
  /** Whether they are kept in the cache folder. */
  statistics: boolean;
  /** A file of whoever started the program and wants to know what this run did; it is there. */
  runFile: string | undefined;
}

/** What is not written yet of one module of this thread. */
interface Pending extends Omit<ModuleCounts, 'key'> {
  recorded: Pick<Recorded, 'key'>;
  missedAt: number;
  isWaiting: boolean;
}

/**
 * `undefined` when nobody wants them.
 *
 * @param onWaiting - called when something waits to be written, which is to be flushed at the exit
 */
export function openStatistics(options: StatisticsOptions, onWaiting: () => void): Statistics | undefined {
  const isKept = options.statistics && options.mode === 'read-write';
  return isKept || options.runFile !== undefined ? new Statistics(options, isKept, onWaiting) : undefined;
}

/**
 * Counts what becomes of each module that is looked up in this thread, and appends that to a file of the day: a line for each module,
 * in one write, which file systems of one machine keep whole without a lock. Never throws and never warns; where
 * writing fails it is over.
 */
export class Statistics {
  readonly #folder: string | undefined;
  readonly #isShared: boolean;
  #runFile: string | undefined;
  /** All modules that were seen; they may be used again. */
  readonly #modules = new WeakMap<object, Pending>();
  #waiting: Pending[] = [];
  readonly #onWaiting: () => void;
  #lookedUp = 0;
  #spent = 0;
  #hasTimer = false;
  #isOff = false;

  constructor({ directory, secrets, runFile }: StatisticsOptions, isKept: boolean, onWaiting: () => void) {
    this.#folder = isKept ? path.resolve(directory, STATISTICS_FOLDER) : undefined;
    this.#isShared = secrets !== undefined;
    this.#runFile = runFile;
    this.#onWaiting = onWaiting;
  }

  /** The name of the calling package or file, for a look-up that comes when it is no longer on the stack. */
  caller(): string {
    return this.#isOff || !this.#isFree() ? '' : this.#charge(nameOfCaller);
  }

  /** Counts a look-up that took so many milliseconds. */
  count(lookup: LookedUp, duration: number, caller?: string): void {
    if (this.#isOff) return;
    try {
      this.#count(lookup, duration, caller);
    } catch {
      this.#isOff = true; // The program broke something that this needs.
    }
  }

  #count(lookup: LookedUp, duration: number, caller: string | undefined): void {
    this.#lookedUp += duration;
    const owner = lookup.recorded ?? lookup;
    const isAlive = this.#modules.has(owner);
    const counts = this.#modules.get(owner) ?? this.#add(owner, lookup, caller);
    this.#wait(counts);
    if (lookup.module) {
      counts[isAlive ? 'alive' : 'restored']++;
      counts.hitTime += duration;
      counts.nativeLength = lookup.stored.length;
      this.#writeIfFree();
    } else {
      counts.misses++;
      counts.missTime += duration;
      counts.missedAt = milliseconds();
      this.#writeLater();
    }
  }

  /** Notes that V8 has made the module that was not found, as which it is known from now on. */
  compiled(lookup: LookedUp, recorded: Recorded): void {
    const counts = this.#modules.get(lookup);
    if (this.#isOff || !counts) return;
    counts.compileTime += milliseconds() - counts.missedAt;
    counts.recorded = recorded;
    this.#modules.set(recorded, counts);
    this.#wait(counts);
    // Otherwise its key is on its way.
    if (recorded.key || !recorded.analysis) this.#writeIfFree();
  }

  /** Writes what was not written yet. */
  flush(): void {
    this.#write(true);
  }

  #add(owner: object, { module, recorded, key, wireLength }: LookedUp, caller: string | undefined): Pending {
    const isAsked = !module || ASKS_AT_HITS || this.#runFile !== undefined;
    const counts = {
      recorded: recorded ?? { key },
      name: caller ?? (isAsked ? this.caller() : ''),
      wireLength,
      nativeLength: 0,
      restored: 0,
      alive: 0,
      misses: 0,
      hitTime: 0,
      missTime: 0,
      compileTime: 0,
      missedAt: 0,
      isWaiting: false,
    };
    this.#modules.set(owner, counts);
    return counts;
  }

  #wait(counts: Pending): void {
    if (counts.isWaiting) return;
    counts.isWaiting = true;
    this.#waiting.push(counts);
  }

  #isFree(): boolean {
    return this.#runFile !== undefined || this.#spent <= FREE_OF_CHARGE + this.#lookedUp * PART_OF_LOOKUPS;
  }

  #charge<T>(action: () => T): T {
    const start = milliseconds();
    try {
      return action();
    } finally {
      this.#spent += milliseconds() - start;
    }
  }

  #writeIfFree(): void {
    if (this.#isFree()) this.#write(true);
    else this.#writeLater();
  }

  #writeLater(): void {
    if (this.#hasTimer) return;
    this.#hasTimer = true;
    this.#onWaiting();
    setTimeout(() => {
      this.#hasTimer = false;
      this.#write(false);
      if (this.#waiting.length > 0) this.#writeLater();
    }, WRITTEN_AFTER).unref();
  }

  #write(isAll: boolean): void {
    if (this.#isOff || this.#waiting.length === 0) return;
    try {
      this.#charge(() => {
        const text = this.#take(isAll);
        if (this.#runFile !== undefined) this.#appendToRun(this.#runFile, text);
        if (this.#folder !== undefined) this.#appendToDay(this.#folder, text);
      });
    } catch {
      // A full disk, a folder that may not be written to, a file that somebody else put there.
      this.#isOff = true;
      this.#waiting = [];
    }
  }

  /** The lines of those that wait, or, unless it is for all, of those of which the key is known by now. */
  #take(isAll: boolean): string {
    let text = '';
    const left: Pending[] = [];
    for (const counts of this.#waiting) {
      const { key } = counts.recorded;
      if (!key && !isAll) {
        left.push(counts);
        continue;
      }
      text += encodeLine({ ...counts, key: key ? String(key).slice(0, KEY_DIGITS) : '' });
      counts.restored = counts.alive = counts.misses = 0;
      counts.hitTime = counts.missTime = counts.compileTime = 0;
      counts.isWaiting = false;
    }
    this.#waiting = left;
    return text;
  }

  #appendToRun(file: string, text: string): void {
    try {
      append(openSync(file, CAREFULLY), text, Infinity);
    } catch {
      this.#runFile = undefined; // The run is over, and this process goes on.
    }
  }

  #appendToDay(folder: string, text: string): void {
    const file = path.join(folder, String(dayOf(now())));
    const isNew = append(this.#openDay(folder, file), text, MAX_DAY_SIZE);
    if (isNew) removeOldDays(folder);
  }

  #openDay(folder: string, file: string): number {
    const mode = this.#isShared ? SHARED_FILE : PRIVATE_FILE;
    try {
      return openSync(file, CAREFULLY | O_CREAT, mode);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      if (this.#isShared) mkdirSync(folder, { recursive: true });
      else makePrivateDirectory(folder);
      return openSync(file, CAREFULLY | O_CREAT, mode);
    }
  }
}

/** Of a time, by Greenwich: days since 1970, which is made faster than a date by 0.2 ms. */
export function dayOf(time: number): number {
  return floor(time / DAY);
}

/** In one write, or not at all. @returns whether it is the first in that file. */
function append(descriptor: number, text: string, maxSize: number): boolean {
  try {
    const stats = fstatSync(descriptor);
    // A second name may be that of somebody's file elsewhere.
    if (text === '' || !stats.isFile() || stats.nlink > 1 || stats.size + text.length > maxSize) return false;
    writeSync(descriptor, text);
    return stats.size === 0;
  } finally {
    closeSync(descriptor);
  }
}

/** Once a day on a machine, and by a sweep. */
function removeOldDays(folder: string): void {
  const oldest = dayOf(now()) - DAYS_KEPT;
  for (const name of readdirSync(folder)) {
    if (STATISTICS_FILE.test(name) && Number(name) < oldest) unlinkSync(path.join(folder, name));
  }
}
