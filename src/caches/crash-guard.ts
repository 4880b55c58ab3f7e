import path from 'node:path';
import { runSync } from '../files/steps.js';
import { hostTag } from '../files/write.js';
import { FileSystemStore } from '../stores/file-system.js';
import { isWriterAlive } from '../stores/writer.js';

// Captured: programs replace globals.
const { pid } = process;
const { now } = Date;

/** Successful tries, each in a separate process, after which an artifact is loaded again. */
const GOOD_TRIES = 3;
/** Unfinished loads, including tries, after which an artifact is not even tried any more. */
export const MAX_DEATHS = 3;
/** Minutes for which its module is then left to V8: 30 days. */
export const BYPASSED_AFTER_DEATHS = 30 * 24 * 60;
/** The age from which a load counts as unfinished if its process is on another machine. A load takes less than a second. */
const UNFINISHED_AFTER = 60_000;
const NOBODY = '-';
/** In bytes; more than anybody writes. */
const MAX_SIZE = 2 ** 16;

/** The quarantine of an artifact whose last load did not finish. */
export interface Quarantine {
  /** Processes that died while they loaded it. */
  deaths: number;
  /** Successful tries since then. */
  goodTries: number;
}

/**
 * While V8 restores an artifact, a file beside it says so. If the process dies meanwhile, the file stays and the artifact is
 * quarantined: no program loads it. Something else may have killed the process, so learners try the artifact, and after some successful
 * tries it is loaded again.
 *
 * The file has the loading process (host and number, or "-"), the deaths and the good tries. "-" without deaths is a file that could not
 * be removed.
 */
export class CrashGuard {
  readonly #store: FileSystemStore;
  /** The name of the file in the store. */
  readonly #name: string;

  /** @param artifact - the path of the artifact, or its name, if a store is given */
  constructor(artifact: string, store?: FileSystemStore) {
    const name = artifact.replace(/\.artifact$/, '.loading');
    this.#store = store ?? new FileSystemStore(path.dirname(artifact), { isShared: true });
    this.#name = store ? name : path.basename(name);
  }

  /** The quarantine of the artifact; `undefined` if it may be loaded. */
  quarantine(): Quarantine | undefined {
    const { owner, deaths, goodTries, writtenAt } = this.#read() ?? {};
    if (owner === undefined || writtenAt === undefined) return undefined;
    if (owner === NOBODY) return deaths ? { deaths, goodTries: goodTries as number } : undefined;
    return isDead(owner, writtenAt) ? { deaths: (deaths as number) + 1, goodTries: 0 } : undefined;
  }

  /** Calls V8 under the guard. Also if the file cannot be created, or another process is loading the same artifact. */
  watch<T>(load: () => T): T {
    const isOurs = this.#create();
    try {
      return load();
    } finally {
      if (isOurs) this.#remove(); // Does not run in a worker that is terminated meanwhile; then tries clear the artifact.
    }
  }

  /** Calls V8 for a quarantined artifact, in a process that may die of it. */
  tryOut({ deaths, goodTries }: Quarantine, load: () => void): void {
    this.#write(`${hostTag()}-${pid}`, deaths, 0);
    load();
    if (goodTries + 1 >= GOOD_TRIES) this.#remove();
    else this.#write(NOBODY, deaths, goodTries + 1);
  }

  /** Ends the quarantine, because another artifact has replaced this one. */
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
      // The folder is gone or swept, or, on Windows, the file is open: then write that no load is unfinished.
      quietly(() => this.#read() && this.#write(NOBODY, 0, 0));
    }
  }

  #read(): { owner: string; deaths: number; goodTries: number; writtenAt: number } | undefined {
    try {
      // Most artifacts have no such file, and this check does not throw.
      if (!runSync(this.#store.lstat(this.#name))) return undefined;
      const { bytes, touchedAt } = runSync(this.#store.read(this.#name, MAX_SIZE));
      const [owner, deaths, goodTries] = Buffer.from(bytes).toString('latin1').split(' ');
      // Cut off: its writer died between two calls, or is still writing.
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
    // The guard is only a precaution, so errors are ignored.
  }
}

function isDead(owner: string, writtenAt: number): boolean {
  const [host, number] = owner.split('-');
  const id = Number(number);
  const isProcess = id > 0 && id === (id | 0); // false if it was cut off
  if (host !== hostTag() || !isProcess) return Math.abs(now() - writtenAt) > UNFINISHED_AFTER;
  return id !== pid && !isWriterAlive(id, writtenAt);
}
