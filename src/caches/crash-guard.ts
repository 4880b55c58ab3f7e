import path from 'node:path';
import { runSync } from '../files/steps.js';
import { hostTag } from '../files/write.js';
import { FileSystemStore } from '../stores/file-system.js';
import { isWriterAlive } from '../stores/writer.js';

// Captured: programs replace globals.
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
/** Bytes; nobody writes as many. */
const MAX_SIZE = 2 ** 16;

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
  readonly #store: FileSystemStore;
  /** In the store. */
  readonly #name: string;

  /** @param artifact - the path of the artifact, or its name in the store where one is given */
  constructor(artifact: string, store?: FileSystemStore) {
    const name = artifact.replace(/\.artifact$/, '.loading');
    this.#store = store ?? new FileSystemStore(path.dirname(artifact), { isShared: true });
    this.#name = store ? name : path.basename(name);
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
    try {
      return runSync(this.#store.create(this.#name, encode(`${hostTag()}-${pid}`, 0, 0)));
    } catch {
      return false;
    }
  }

  #write(owner: string, deaths: number, goodTries: number): void {
    runSync(this.#store.write(this.#name, encode(owner, deaths, goodTries)));
  }

  #remove(): void {
    try {
      runSync(this.#store.unlink(this.#name));
    } catch {
      // The folder is gone, or somebody swept it; or, on Windows, has it open: then it says that no load is unfinished.
      quietly(() => this.#read() && this.#write(NOBODY, 0, 0));
    }
  }

  #read(): { owner: string; deaths: number; goodTries: number; writtenAt: number } | undefined {
    try {
      // Most artifacts have none, and asking so throws nothing.
      if (!runSync(this.#store.lstat(this.#name))) return undefined;
      const { bytes, touchedAt } = runSync(this.#store.read(this.#name, MAX_SIZE));
      const [owner, deaths, goodTries] = Buffer.from(bytes).toString('latin1').split(' ');
      // Cut off: its writer died between two calls, or is just writing.
      return {
        owner: owner || 'unknown-0',
        deaths: Math.max(0, Number(deaths) || 0),
        goodTries: Math.max(0, Number(goodTries) || 0),
        writtenAt: touchedAt,
      };
    } catch {
      return undefined;
    }
  }
}

function encode(owner: string, deaths: number, goodTries: number): Uint8Array {
  return Buffer.from(`${owner} ${deaths} ${goodTries} \n`);
}

function quietly(action: () => unknown): void {
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
