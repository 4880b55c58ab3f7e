import type { ModuleHash } from '../module-hash.js';
import { nameOfCaller } from './caller.js';
import { appendToRun, DayFiles } from './day-files.js';
import { ADDED, encodeLine, KEY_DIGITS, type ModuleCounts } from './lines.js';

const { bigint: nanoseconds } = process.hrtime;
const milliseconds = () => Number(nanoseconds()) / 1e6;

/**
 * The time that statistics may take: about so many milliseconds, plus this part of the time of look-ups. Within this budget counts are
 * written at once, because a program whose modules are all final does nothing at its exit, and a signal may end it. Beyond the budget
 * names are left out, and the rest is written together, a while later or at the exit. The first line takes 0.4 ms, the first name
 * 0.25 ms, later ones 0.06 and 0.03 ms.
 */
const BUDGET = 0.5;
const BUDGET_PER_LOOKUP_TIME = 1 / 500;
/** Misses are always named. Hits are named in one of 8 processes, for modules that were fetched or imported, or missed long ago. */
const NAMES_HITS = process.pid % 8 === 0;
/** Milliseconds after which the rest is written. By then the keys of misses are known. */
const WRITTEN_AFTER = 1_500;

/** The result of a look-up; see `Lookup`. */
export interface LookedUp {
  readonly key: ModuleHash | undefined;
  readonly wireLength: number;
  readonly module: WebAssembly.Module | undefined;
  readonly stored: { readonly length: number };
  /** The record of the module: the same object for the same module of this thread. */
  readonly recorded: Recorded | undefined;
}

/** A module of this thread. Its key may be set later. */
export interface Recorded {
  readonly key: ModuleHash | undefined;
  readonly analysis: unknown;
}

export interface StatisticsOptions {
  mode: 'read-write' | 'read-only';
  /** The cache folder. */
  directory: string;
  /** If there are secrets, others may write to the folder, too. */
  secrets: readonly string[] | undefined;
  /** Whether counts are kept in the cache folder. */
  statistics: boolean;
  /** An existing file that gets the counts of this run, for the process that started the program. */
  runFile: string | undefined;
}

/** The counts of one module of this thread that are not written yet. */
interface Pending extends Omit<ModuleCounts, 'key'> {
  recorded: Pick<Recorded, 'key'>;
  missedAt: number;
  isWaiting: boolean;
}

/**
 * Opens the statistics of this thread; `undefined` if nothing is counted.
 *
 * @param onWaiting - called when counts wait to be written, so that the caller flushes them at the exit
 */
export function openStatistics(options: StatisticsOptions, onWaiting: () => void): Statistics | undefined {
  const isKept = options.statistics && options.mode === 'read-write';
  return isKept || options.runFile !== undefined ? new Statistics(options, isKept, onWaiting) : undefined;
}

/**
 * Counts what becomes of each module that is looked up in this thread, and appends a line for each module to the file of the day. Each
 * append is one write, which local file systems keep whole without a lock. Never throws and never warns; after a failed write it
 * stops.
 */
export class Statistics {
  readonly #days: DayFiles | undefined;
  #runFile: string | undefined;
  /** All modules of this thread, because they may be used again. */
  readonly #modules = new WeakMap<object, Pending>();
  #waiting: Pending[] = [];
  readonly #onWaiting: () => void;
  #lookedUp = 0;
  #spent = 0;
  #hasTimer = false;
  #isOff = false;

  constructor({ directory, secrets, runFile }: StatisticsOptions, isKept: boolean, onWaiting: () => void) {
    if (isKept) this.#days = new DayFiles(directory, secrets !== undefined);
    this.#runFile = runFile;
    this.#onWaiting = onWaiting;
  }

  /** The name of the calling package or file, for a later look-up, when the caller is no longer on the stack. */
  caller(): string {
    return this.#isOff || !this.#isFree() ? '' : this.#charge(nameOfCaller);
  }

  /** Counts a look-up that took so many milliseconds. */
  count(lookup: LookedUp, duration: number, caller?: string): void {
    if (this.#isOff) return;
    try {
      this.#count(lookup, duration, caller);
    } catch {
      this.#isOff = true; // The program broke a function that this needs.
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

  /** Notes that V8 has compiled a module after a miss. From now on `recorded` identifies it. */
  compiled(lookup: LookedUp, recorded: Recorded): void {
    const counts = this.#modules.get(lookup);
    if (this.#isOff || !counts) return;
    counts.compileTime += milliseconds() - counts.missedAt;
    counts.recorded = recorded;
    this.#modules.set(recorded, counts);
    this.#wait(counts);
    // Otherwise another thread is computing its key.
    if (recorded.key || !recorded.analysis) this.#writeIfFree();
  }

  /** Writes all counts that wait. */
  flush(): void {
    this.#write(true);
  }

  #add(owner: object, { module, recorded, key, wireLength }: LookedUp, caller: string | undefined): Pending {
    const isAsked = !module || NAMES_HITS || this.#runFile !== undefined;
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
    return this.#runFile !== undefined || this.#spent <= BUDGET + this.#lookedUp * BUDGET_PER_LOOKUP_TIME;
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
        if (this.#runFile !== undefined && !appendToRun(this.#runFile, text)) this.#runFile = undefined;
        this.#days?.append(text);
      });
    } catch {
      // A full disk, a folder that may not be written to, or a foreign file.
      this.#isOff = true;
      this.#waiting = [];
    }
  }

  /** The lines of all waiting counts, or only of those whose key is known by now. */
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
      for (const count of ADDED) counts[count] = 0;
      counts.isWaiting = false;
    }
    this.#waiting = left;
    return text;
  }
}
