import fs from 'node:fs';
import path from 'node:path';
import type { ModuleHash } from '../module-hash.js';
import { makePrivateDirectory } from '../stores/file-system.js';

// Captured: see stores/file-system.ts.
const { chmodSync, closeSync, openSync, statSync, truncateSync, unlinkSync } = fs;
const { now } = Date;

/**
 * How long a learner may take before another one may try: longer than it is allowed to live. A module whose learner
 * crashes costs its programs one attempt in this time.
 */
const ABANDONED_AFTER = 10 * 60 * 1000;

/**
 * The modules of one cache folder that a process of their own is to optimise. A job is a file with the wire bytes, which the
 * program that ran the module has and the learner has not. Its existence is the lock: whoever creates it starts the learner.
 */
export class LearningJobs {
  readonly #directory: string;

  /** @param directory - the cache folder */
  constructor(directory: string) {
    this.#directory = path.join(directory, 'learning');
  }

  /**
   * Creates a job.
   *
   * @param write - writes the wire bytes to a file descriptor
   * @returns `false` when another process is learning the same module
   * @throws what the file system throws; no job is left behind then.
   */
  create(key: ModuleHash, write: (descriptor: number) => void): boolean {
    const file = this.file(key);
    makePrivateDirectory(this.#directory);
    const existing = statSync(file, { throwIfNoEntry: false });
    if (existing) {
      // A time far in the future is of a clock that was wrong, then or now. Of a near one is every job of this millisecond,
      // because file systems count finer than `now`, and those of another machine.
      if (Math.abs(now() - existing.mtimeMs) < ABANDONED_AFTER) return false;
      this.remove(key);
    }
    let descriptor: number;
    try {
      descriptor = openSync(file, 'wx', 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
    try {
      chmodSync(file, 0o600); // whatever the program's umask is
      write(descriptor);
    } catch (error) {
      this.remove(key);
      throw error;
    } finally {
      closeSync(descriptor);
    }
    return true;
  }

  /** Leaves the lock, without the bytes: nobody tries again for a while. */
  giveUp(key: ModuleHash): void {
    quietly(() => truncateSync(this.file(key)));
  }

  remove(key: ModuleHash): void {
    quietly(() => unlinkSync(this.file(key)));
  }

  file(key: ModuleHash): string {
    return path.join(this.#directory, `${key}.wasm`);
  }
}

function quietly(action: () => void): void {
  try {
    action();
  } catch {
    // Another process was faster, or the folder is gone.
  }
}
