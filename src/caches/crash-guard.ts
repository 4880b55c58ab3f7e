import fs from 'node:fs';
import { hostTag } from '../files/write.js';
import { isWriterAlive } from '../stores/writer.js';

// Captured: see stores/file-system.ts.
const { closeSync, openSync, readSync, renameSync, statSync, unlinkSync, writeSync } = fs;
const { pid } = process;
const { now } = Date;

/** Tries that must go well before an artifact is loaded again, each in a process of its own. */
const GOOD_TRIES = 3;
/** Unfinished loads, tries included, after which an artifact is not even tried any more. */
export const MAX_DEATHS = 3;
/** Minutes for which its module is left to V8 after that: 30 days. */
export const BYPASSED_AFTER_DEATHS = 30 * 24 * 60;
/** A load takes less than a second; whether a process of another machine lives cannot be told. */
const UNFINISHED_AFTER = 60_000;
const NOBODY = '-';

/** What is known of an artifact whose last load did not finish. */
export interface Suspect {
  /** Processes that died while they loaded it. */
  deaths: number;
  /** Tries since then that went well. */
  goodTries: number;
}

/**
 * Notes, for as long as V8 is at it, that an artifact is being loaded, in a file beside it. Where a process died meanwhile the file
 * stays, and the artifact is suspect: no program loads it. It may have been killed by somebody else, so the artifact is tried
 * now and then in processes that nobody needs, and comes back when that went well.
 *
 * The file: whose load it is (host and process, or "-"), deaths, good tries. "-" without deaths is a file that could not be removed.
 */
export class CrashGuard {
  readonly #file: string;

  /** @param artifact - the path of the artifact */
  constructor(artifact: string) {
    this.#file = artifact.replace(/\.artifact$/, '.loading');
  }

  /** `undefined` when the artifact may be loaded. */
  suspect(): Suspect | undefined {
    const { owner, deaths, goodTries, writtenAt } = this.#read() ?? {};
    if (owner === undefined || writtenAt === undefined) return undefined;
    if (owner === NOBODY) return deaths ? { deaths, goodTries: goodTries as number } : undefined;
    return isDead(owner, writtenAt) ? { deaths: (deaths as number) + 1, goodTries: 0 } : undefined;
  }

  /** Calls V8. Where the file cannot be made, or another process is loading the same artifact, it is called all the same. */
  watch<T>(load: () => T): T {
    const isOurs = this.#create();
    try {
      return load();
    } finally {
      if (isOurs) this.#remove(); // In a worker that is terminated meanwhile this does not run; the tries then find out.
    }
  }

  /** Calls V8 for a suspect artifact, in a process that may die of it. */
  tryOut({ deaths, goodTries }: Suspect, load: () => void): void {
    this.#write(`${hostTag()}-${pid}`, deaths, 0);
    load();
    if (goodTries + 1 >= GOOD_TRIES) this.#remove();
    else this.#write(NOBODY, deaths, goodTries + 1);
  }

  /** Forgets everything: for another artifact in the place of this one. */
  clear(): void {
    this.#remove();
  }

  #create(): boolean {
    let descriptor: number;
    try {
      descriptor = openSync(this.#file, 'wx', 0o600);
    } catch {
      return false;
    }
    try {
      fill(descriptor, `${hostTag()}-${pid}`, 0, 0);
      return true;
    } catch {
      this.#remove(); // A full disk has room for a file, but for nothing in it; who reads that believes its writer dead.
      return false;
    }
  }

  #write(owner: string, deaths: number, goodTries: number): void {
    const temporary = `${this.#file}.${hostTag()}-${pid}`;
    try {
      fill(openSync(temporary, 'w', 0o600), owner, deaths, goodTries);
      renameSync(temporary, this.#file);
    } catch (error) {
      quietly(() => unlinkSync(temporary));
      throw error;
    }
  }

  #remove(): void {
    try {
      unlinkSync(this.#file);
    } catch {
      // The folder is gone, or somebody swept it; or, on Windows, has it open: then it says that no load is unfinished.
      quietly(() => fill(openSync(this.#file, 'r+'), NOBODY, 0, 0));
    }
  }

  #read(): { owner: string; deaths: number; goodTries: number; writtenAt: number } | undefined {
    let stats: fs.Stats | undefined;
    let text = '';
    try {
      // Most artifacts have none, and asking so throws nothing.
      stats = statSync(this.#file, { throwIfNoEntry: false });
      if (!stats) return undefined;
      const descriptor = openSync(this.#file, 'r');
      try {
        const bytes = Buffer.alloc(200);
        text = bytes.toString('latin1', 0, readSync(descriptor, bytes, 0, bytes.length, 0));
      } finally {
        closeSync(descriptor);
      }
    } catch {
      return undefined;
    }
    const [owner, deaths, goodTries] = text.split(' ');
    // Cut off: its writer died between two calls, or is just writing.
    return {
      owner: owner || 'unknown-0',
      deaths: Math.max(0, Number(deaths) || 0),
      goodTries: Math.max(0, Number(goodTries) || 0),
      writtenAt: stats.mtimeMs,
    };
  }
}

/** What follows in a file that was longer before means nothing. */
function fill(descriptor: number, owner: string, deaths: number, goodTries: number): void {
  try {
    writeSync(descriptor, `${owner} ${deaths} ${goodTries} \n`);
  } finally {
    closeSync(descriptor);
  }
}

function quietly(action: () => void): void {
  try {
    action();
  } catch {
    // The guard is a precaution: nothing depends on it.
  }
}

function isDead(owner: string, writtenAt: number): boolean {
  const [host, number] = owner.split('-');
  const id = Number(number);
  const isProcess = id > 0 && id === (id | 0); // not so when it was cut off
  if (host !== hostTag() || !isProcess) return Math.abs(now() - writtenAt) > UNFINISHED_AFTER;
  return id !== pid && !isWriterAlive(id, writtenAt);
}
