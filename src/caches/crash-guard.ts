import fs from 'node:fs';
import path from 'node:path';
import { runSync } from '../files/steps.js';
import { loadAddon } from '../native/addon.js';
import { tryLock } from '../native/lock.js';
import { FileSystemStore } from '../stores/file-system.js';

// Captured: see files/steps.ts.
const { closeSync, constants, fstatSync, openSync, readSync, statSync } = fs;
const { wait } = Atomics;
const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

/** Tries that must succeed before programs load an artifact again, each in a process of its own. */
const GOOD_TRIES = 3;
/** Deaths, in tries too, after which an artifact is not even tried any more. */
export const MAX_DEATHS = 3;
/** Minutes for which its module is bypassed then: 30 days. */
export const BYPASSED_AFTER_DEATHS = 30 * 24 * 60;
/** Loads that were interrupted without a trace of a crash, one after the other, until that counts as a death. */
const MAX_INTERRUPTED = 2;
/** Bytes; native/load-guard.cc lets a note grow no longer. */
const MAX_NOTE_SIZE = 4096;

/** Why an artifact is not loaded. */
export interface Quarantine {
  /** Processes that died while they loaded it. */
  deaths: number;
  /** Successful tries since the last death. */
  goodTries: number;
}

/**
 * Keeps an artifact that crashes V8 from being loaded again and again.
 *
 * While V8 restores an artifact, a note lies beside it. The addon removes the note as soon as V8 returns, also in a worker that is
 * terminated meanwhile, and when the process exits. If V8 crashes, a signal handler marks the note. So a note that stays tells
 * what happened:
 *
 * - Marked: V8 crashed. The artifact is quarantined at once.
 * - Not marked, and the process still runs (it holds a lock on the note, which the kernel drops when the process ends, whatever
 *   container it ran in): the load is under way. Others load the artifact, too.
 * - Not marked, and no process holds the lock: somebody killed the process. The next program loads the artifact again. If its process
 *   is killed in the middle too, both count as one death: V8 hung, or the system ran out of memory. The artifact is quarantined.
 *
 * No program loads a quarantined artifact. It comes back in one of two ways:
 *
 * - A learner tries it, in a process that nobody needs. After three good tries programs load it again. After three deaths, tries
 *   included, its module is bypassed for 30 days.
 * - Where no learner can run, the next program whose code is saved replaces the artifact by its own. The deaths stay noted until a load of the
 *   new artifact succeeds. After three deaths the module is bypassed for 30 days.
 *
 * The note is text. A line for each load: `loading`, `crashed` or `loaded`. Before them one line of history may stand: `quarantined`, deaths,
 * good tries; or `replaced`, deaths.
 */
export class CrashGuard {
  readonly #store: FileSystemStore;
  /** In the store. */
  readonly #name: string;
  readonly #file: string;

  /** @param artifact - the path of the artifact, or its name in the given store */
  constructor(artifact: string, store?: FileSystemStore) {
    const note = artifact.replace(/\.artifact$/, '.loading');
    this.#store = store ?? new FileSystemStore(path.dirname(artifact), { isShared: true });
    this.#name = store ? note : path.basename(note);
    this.#file = path.join(this.#store.directory, this.#name);
  }

  /** `undefined` if the artifact may be loaded. */
  quarantine(): Quarantine | undefined {
    let descriptor: number | undefined;
    try {
      // Most artifacts have no note, and asking so throws nothing.
      if (!statSync(this.#file, { throwIfNoEntry: false })) return undefined;
      descriptor = openSync(this.#file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      if (!fstatSync(descriptor).isFile()) return undefined;
      return judge(descriptor);
    } catch {
      return undefined;
    } finally {
      if (descriptor !== undefined) close(descriptor); // This also drops the lock.
    }
  }

  /** Calls V8. If no note can be written, it calls V8 all the same. */
  watch<T>(load: () => T): T {
    const { addon } = loadAddon();
    return addon ? addon.watchLoad(this.#file, load) : load();
  }

  /** Calls V8 for a quarantined artifact, in a process that may die of it. */
  tryOut({ deaths, goodTries }: Quarantine, load: () => void): void {
    this.#write(`quarantined ${deaths} 0`);
    this.watch(load);
    if (goodTries + 1 >= GOOD_TRIES) this.clear();
    else this.#write(`quarantined ${deaths} ${goodTries + 1}`);
  }

  /** Lets programs load another artifact, in place of the quarantined one. */
  replaced({ deaths }: Quarantine): void {
    this.#write(`replaced ${deaths}`);
  }

  /** Forgets everything. */
  clear(): void {
    try {
      runSync(this.#store.unlink(this.#name));
    } catch {
      // The folder is gone, or somebody has swept it.
    }
  }

  #write(line: string): void {
    runSync(this.#store.write(this.#name, Buffer.from(`${line}\n`)));
  }
}

/** The note was only read, so a failure says nothing about the artifact. */
function close(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // For instance a network file system that is gone.
  }
}

/** @param descriptor - of the note; every load that is under way has a lock on it */
function judge(descriptor: number): Quarantine | undefined {
  let lines = readLines(descriptor);
  const count = (wanted: string) => lines.filter((line) => line === wanted).length;
  const isQuarantined = lines[0]?.startsWith('quarantined ') ?? false;
  const isSuspect = () => count('crashed') > 0 || count('loading') >= (isQuarantined ? 1 : MAX_INTERRUPTED);
  let isOver = false;
  // Where a load is under way, a crash may be none: V8 handles memory accesses out of bounds, and the mark goes a moment later.
  for (let tries = 0; isSuspect() && !isOver && tries < 5; tries++) {
    if (tries > 0) wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    isOver = tryLock(descriptor);
    // Loads may have ended, and removed or changed the note, between the reading and the lock.
    if (fstatSync(descriptor).nlink === 0) return undefined;
    lines = readLines(descriptor);
    if (count('crashed') === 0) break;
  }
  const crashes = count('crashed');
  const isInterrupted = isOver && count('loading') >= (isQuarantined ? 1 : MAX_INTERRUPTED);
  if (!isQuarantined && crashes === 0 && !isInterrupted) return undefined;
  const [, deathsBefore = '', goodTries = ''] = lines[0]?.split(' ') ?? [];
  const deaths = crashes + (isInterrupted ? 1 : 0);
  return { deaths: natural(deathsBefore) + deaths, goodTries: deaths > 0 ? 0 : natural(goodTries) };
}

function readLines(descriptor: number): string[] {
  const bytes = Buffer.alloc(MAX_NOTE_SIZE);
  const note = bytes.toString('latin1', 0, readSync(descriptor, bytes, 0, bytes.length, 0));
  return note.split('\n').map((line) => line.trimEnd());
}

function natural(text: string): number {
  const number = Number(text);
  return Number.isSafeInteger(number) && number > 0 ? number : 0;
}
