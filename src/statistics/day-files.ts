import fs from 'node:fs';
import path from 'node:path';
import { runSync } from '../files/steps.js';
import { FileSystemStore } from '../stores/file-system.js';
import { isStatistics } from './lines.js';

// Captured: see files/steps.ts.
const { closeSync, constants, fstatSync, openSync, readdirSync, writeSync } = fs;
const { now } = Date;
const { floor } = Math;

/** In the cache folder: a file for each day, named by its number, see {@link dayOf}. */
export const STATISTICS_FOLDER = 'statistics';
export const STATISTICS_FILE = /^\d{5}$/;
/** Bytes of a day's file, some 6,000 lines. When it is full the rest of the day is not counted. */
export const MAX_DAY_SIZE = 512 * 1024;
/** A month and some days, so that there is always a whole one. */
export const DAYS_KEPT = 35;
export const DAY = 24 * 3_600_000;

/** A file of another program's, a pipe that nobody reads: the name of a run's file may be that of anything by now. */
const EXISTING = constants.O_WRONLY | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** The days' files of a cache folder. */
export class DayFiles {
  readonly #store: FileSystemStore;

  constructor(directory: string, isShared: boolean) {
    this.#store = new FileSystemStore(directory, { isShared });
  }

  /** Appends to the file of today, unless it is full. @throws {CacheError} */
  append(text: string): void {
    if (text === '') return;
    const before = runSync(this.#store.append(`${STATISTICS_FOLDER}/${dayOf(now())}`, text, MAX_DAY_SIZE));
    if (before === 0) this.#removeOld();
  }

  /** Once a day on a machine, and by a sweep. */
  #removeOld(): void {
    const oldest = dayOf(now()) - DAYS_KEPT;
    for (const day of readdirSync(path.join(this.#store.directory, STATISTICS_FOLDER))) {
      if (!STATISTICS_FILE.test(day) || Number(day) >= oldest) continue;
      const name = `${STATISTICS_FOLDER}/${day}`;
      if (isStatistics(runSync(this.#store.read(name, MAX_DAY_SIZE)).bytes)) runSync(this.#store.remove(name));
    }
  }
}

/** Of a time, by Greenwich: days since 1970, which is made faster than a date by 0.2 ms. */
export function dayOf(time: number): number {
  return floor(time / DAY);
}

/** @returns whether the file of the run is there: it is gone when the run is over, and this process goes on. */
export function appendToRun(file: string, text: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(file, EXISTING);
  } catch {
    return false;
  }
  try {
    const stats = fstatSync(descriptor);
    if (stats.isFile() && stats.nlink === 1) writeSync(descriptor, text);
    return true;
  } finally {
    closeSync(descriptor);
  }
}
