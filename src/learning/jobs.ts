import fs from 'node:fs';
import path from 'node:path';
import type { Signer } from '../artifact/signature.js';
import { CacheError } from '../cache-error.js';
import { type Folder, openFolder, openFolderIn } from '../files/folder.js';
import { runSync } from '../files/steps.js';
import { ModuleHash } from '../module-hash.js';
import { tryLock } from '../native/lock.js';
import {
  decodeJob,
  encodeJob,
  GIVEN_UP_LENGTH,
  type JobContent,
  MAX_JOB_SIZE,
  readAttempts,
  writeAttempts,
} from './job-format.js';

// Captured: see files/steps.ts.
const { closeSync, constants, fchmodSync, fstatSync, ftruncateSync, lstatSync, openSync } = fs;
const { readdirSync, readSync, unlinkSync, writeSync } = fs;
const { O_CREAT, O_DIRECTORY = 0, O_EXCL, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY, O_RDWR } = constants;
const { now } = Date;

/** Milliseconds for which nobody tries a module again that a learner has given up. */
const GIVEN_UP_FOR = 10 * 60 * 1000;
/** Learners may die of a module, or be killed: so often a job is begun before it is given up. */
const MAX_ATTEMPTS = 2;
/** Codes of errors of an open: there is a file already, or something else with its name. */
const SOMETHING_ELSE = new Set(['EEXIST', 'ELOOP', 'EISDIR', 'ENXIO']);
/** There is no such file, or it belongs to another user. */
const UNREACHABLE = new Set(['ENOENT', 'EACCES']);
const FOLDER = 'learning';
const JOB_FILE = /^([0-9a-f]{64}|[0-9a-f]{16})\.wasm$/;

/** A job that this process holds: no other process works on it. The kernel frees it when this process ends. */
export interface HeldJob {
  readonly content: JobContent;
  /** The lock. A process that inherits it holds the job, too. */
  readonly descriptor: number;
  /** The job is done. */
  remove(): void;
  /** Nobody tries it again for a while. */
  giveUp(): void;
  /** Leaves the job to the next one. */
  release(): void;
}

/**
 * The queue of modules that learners are to optimise, in the folder `learning` of a cache folder. A job is a file with what the
 * program that ran the module knows and the learner does not. Programs only add jobs. One learner works through them: it holds a lock
 * on the folder, and on the job that it works on. The kernel drops locks when a process ends, however that ends.
 */
export class LearningJobs {
  readonly #cacheDirectory: string;
  readonly #signer: Signer | undefined;

  /**
   * @param directory - the cache folder
   * @param signer - for a folder that others may write to: a learner signs what it makes of a job
   */
  constructor(directory: string, signer?: Signer) {
    this.#cacheDirectory = directory;
    this.#signer = signer;
  }

  /**
   * Adds a job to the queue, or brings it up to date.
   *
   * @returns `false` when a process works on the module, or has just given it up
   * @throws {CacheError} kind `Untrusted`; an error of the file system
   */
  add(key: ModuleHash, content: JobContent): boolean {
    const held = this.hold(key, content);
    held?.release();
    return held !== undefined;
  }

  /** Adds a job that this process works on. Returns `undefined` and throws as {@link add} does. */
  hold(key: ModuleHash, content: JobContent): HeldJob | undefined {
    const descriptor = this.#lockForWriting(key);
    if (descriptor === undefined) return undefined;
    try {
      const attempts = readAttempts(descriptor);
      if (attempts >= MAX_ATTEMPTS) {
        this.#held(key, content, descriptor).giveUp();
        return undefined;
      }
      fchmodSync(descriptor, 0o600); // whatever the program's umask is
      ftruncateSync(descriptor);
      for (const part of encodeJob(key, content, this.#signer)) {
        for (let at = 0; at < part.length; ) at += writeSync(descriptor, part, at);
      }
      writeAttempts(descriptor, attempts);
    } catch (error) {
      this.remove(key);
      closeSync(descriptor);
      throw error;
    }
    return this.#held(key, content, descriptor);
  }

  /**
   * Takes a job out of the queue to work on it.
   *
   * @returns `undefined` when there is none for this engine, when another process works on it, and when learners died of it
   */
  take(key: ModuleHash, engineId: string): HeldJob | undefined {
    const descriptor = this.#open(key, O_RDWR);
    if (descriptor === undefined) return undefined;
    const held = this.#held(key, NO_CONTENT, descriptor);
    try {
      const content =
        tryLock(descriptor) && fstatSync(descriptor).size > GIVEN_UP_LENGTH
          ? decodeJob(key, readWhole(descriptor), this.#signer)
          : undefined;
      const attempts = readAttempts(descriptor);
      if (content?.engineId === engineId && attempts < MAX_ATTEMPTS) {
        writeAttempts(descriptor, attempts + 1);
        return { ...held, content };
      }
      if (content?.engineId === engineId) held.giveUp();
      else held.release();
    } catch {
      held.giveUp(); // It is damaged, or somebody else wrote it.
    }
    return undefined;
  }

  /** The content of a job that another process holds. @throws as {@link decodeJob}, and an error of the file system. */
  read(key: ModuleHash): JobContent {
    const descriptor = this.#open(key, O_RDONLY);
    if (descriptor === undefined) throw new CacheError('NotFound', `There is no job for ${key}`);
    try {
      return decodeJob(key, readWhole(descriptor), this.#signer);
    } finally {
      closeSync(descriptor);
    }
  }

  /** The modules in the queue, also those for other engines and those that a process works on. */
  keys(): ModuleHash[] {
    try {
      const names = this.#inFolder(false, (folder) => readdirSync(folder.at('.')));
      return names.flatMap((name) => JOB_FILE.exec(name)?.[1] ?? []).map((name) => ModuleHash.parseHex(name));
    } catch {
      return [];
    }
  }

  /** Whether a process works on the module, or soon will: a learner is at work, and the module is in its queue. */
  isUnderWay(key: ModuleHash): boolean {
    const { size = 0, isLocked = false } = this.#look(key) ?? {};
    if (isLocked) return true;
    if (size <= GIVEN_UP_LENGTH) return false;
    const lock = this.lockFolder();
    if (lock !== undefined) closeSync(lock);
    return lock === undefined;
  }

  /** Whether a learner has failed, so that nobody tries again for a while. */
  isGivenUp(key: ModuleHash): boolean {
    const { size, isLocked, isRecent } = this.#look(key) ?? {};
    return size === GIVEN_UP_LENGTH && !isLocked && isRecent === true;
  }

  /** Nobody tries the module again for a while. */
  giveUp(key: ModuleHash): void {
    const descriptor = this.#open(key, O_RDWR);
    if (descriptor !== undefined) this.#held(key, NO_CONTENT, descriptor).giveUp();
  }

  remove(key: ModuleHash): void {
    quietly(() => this.#inFolder(false, (folder) => unlinkSync(folder.at(nameOf(key)))));
  }

  /**
   * Makes this process, and those that inherit the descriptor, the learner of the folder.
   *
   * @returns a descriptor to close; `undefined` when another process is the learner
   * @throws an error of the file system
   */
  lockFolder(): number | undefined {
    const descriptor = this.#inFolder(true, (folder) => openSync(folder.at('.'), O_RDONLY | O_DIRECTORY));
    if (tryLock(descriptor)) return descriptor;
    closeSync(descriptor);
    return undefined;
  }

  /** Whether something that is no job has its name: a pipe, a link, a folder. */
  isInTheWay(key: ModuleHash): boolean {
    const stats = lstatSync(this.file(key), { throwIfNoEntry: false });
    return stats !== undefined && !isPlainFile(stats);
  }

  file(key: ModuleHash): string {
    return path.join(this.#cacheDirectory, FOLDER, nameOf(key));
  }

  /** Opens the folder, and checks it as every folder of the cache. */
  #inFolder<T>(makes: boolean, action: (folder: Folder) => T): T {
    const cache = runSync(openFolder(this.#cacheDirectory, this.#signer !== undefined, makes));
    try {
      const folder = runSync(openFolderIn(cache, FOLDER, makes));
      try {
        return action(folder);
      } finally {
        folder.close();
      }
    } finally {
      cache.close();
    }
  }

  /** A locked descriptor of a new file, or of one that nobody works on and that was not given up just now. */
  #lockForWriting(key: ModuleHash): number | undefined {
    let descriptor = this.#open(key, O_RDWR | O_CREAT | O_EXCL);
    const isNew = descriptor !== undefined;
    descriptor ??= this.#open(key, O_RDWR);
    if (descriptor === undefined) return undefined;
    const stats = fstatSync(descriptor);
    const isFree = tryLock(descriptor) && isSameFile(stats, this.file(key));
    if (isFree && (isNew || stats.size !== GIVEN_UP_LENGTH || !isRecent(stats))) return descriptor;
    closeSync(descriptor);
    return undefined;
  }

  /** `undefined` if there is no such file, if there is one already (`O_EXCL`), or if something else has its name. */
  #open(key: ModuleHash, flags: number): number | undefined {
    let descriptor: number;
    const isCreation = (flags & O_CREAT) !== 0;
    try {
      descriptor = this.#inFolder(isCreation, (folder) =>
        openSync(folder.at(nameOf(key)), flags | O_NOFOLLOW | O_NONBLOCK, 0o600),
      );
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (SOMETHING_ELSE.has(code) || (!isCreation && UNREACHABLE.has(code))) return undefined;
      throw error;
    }
    if (isPlainFile(fstatSync(descriptor))) return descriptor;
    closeSync(descriptor);
    return undefined;
  }

  #held(key: ModuleHash, content: JobContent, descriptor: number): HeldJob {
    const release = () => quietly(() => closeSync(descriptor));
    return {
      content,
      descriptor,
      release,
      remove: () => {
        this.remove(key);
        release();
      },
      giveUp: () => {
        quietly(() => {
          ftruncateSync(descriptor);
          ftruncateSync(descriptor, GIVEN_UP_LENGTH);
        });
        release();
      },
    };
  }

  #look(key: ModuleHash): { size: number; isLocked: boolean; isRecent: boolean } | undefined {
    try {
      if (!lstatSync(this.file(key), { throwIfNoEntry: false })) return undefined;
      const descriptor = this.#open(key, O_RDWR);
      if (descriptor === undefined) return undefined;
      try {
        const stats = fstatSync(descriptor);
        return { size: stats.size, isLocked: !tryLock(descriptor), isRecent: isRecent(stats) };
      } finally {
        closeSync(descriptor);
      }
    } catch {
      return undefined;
    }
  }
}

const NO_CONTENT: JobContent = { engineId: '', coverage: 'hot', wireLength: 0, part: new Uint8Array(0) };

function nameOf(key: ModuleHash): string {
  return `${key}.wasm`;
}

function isPlainFile(stats: fs.Stats): boolean {
  return stats.isFile() && stats.nlink <= 1;
}

function readWhole(descriptor: number): Buffer {
  const { size } = fstatSync(descriptor);
  if (size > MAX_JOB_SIZE) throw new Error(`A job of ${size} bytes is too large`);
  const bytes = Buffer.alloc(size);
  return bytes.subarray(0, readSync(descriptor, bytes, 0, size, 0));
}

/** Another process may have removed the file between the opening and the lock. */
function isSameFile({ ino, dev }: fs.Stats, file: string): boolean {
  const named = lstatSync(file, { throwIfNoEntry: false });
  return named?.ino === ino && named.dev === dev;
}

/** A time far in the future comes from a clock that was wrong, then or now. One in the near future comes from another machine. */
function isRecent({ mtimeMs }: fs.Stats): boolean {
  return Math.abs(now() - mtimeMs) < GIVEN_UP_FOR;
}

function quietly(action: () => void): void {
  try {
    action();
  } catch {
    // Another process was faster, or the folder is gone.
  }
}
