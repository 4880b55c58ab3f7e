import fs from 'node:fs';
import path from 'node:path';
import { SIGNATURE_LENGTH, type Signer } from '../artifact/signature.js';
import { CacheError } from '../cache-error.js';
import type { ModuleHash } from '../module-hash.js';
import { crc32 } from '../native/digest.js';
import { makePrivateDirectory } from '../stores/file-system.js';

// Captured: see stores/file-system.ts.
const { chmodSync, closeSync, mkdirSync, openSync, readFileSync, statSync, truncateSync, unlinkSync, writeSync } = fs;
const { now } = Date;

/**
 * How long a learner may take before another one may try: longer than it is allowed to live. A module whose learner
 * crashes costs its programs one attempt in this time.
 */
const ABANDONED_AFTER = 10 * 60 * 1000;

/** What a learner is told of a module. */
export interface JobContent {
  /** Length of the module's wire bytes, which the artifact names. */
  readonly wireLength: number;
  /** The part of the module that is to be optimised. */
  readonly part: Uint8Array;
}

/**
 * The modules of one cache folder that a process of their own is to optimise. A job is a file with what the program that ran
 * the module knows and the learner does not. Its existence is the lock: whoever creates it starts the learner.
 */
export class LearningJobs {
  readonly #directory: string;
  readonly #signer: Signer | undefined;

  /**
   * @param directory - the cache folder
   * @param signer - where others may write to it: what a learner makes of a job it signs
   */
  constructor(directory: string, signer?: Signer) {
    this.#directory = path.join(directory, 'learning');
    this.#signer = signer;
  }

  /** Whether a process is learning the module, so that what others find out about it meanwhile is not wanted. */
  isUnderWay(key: ModuleHash): boolean {
    const existing = statSync(this.file(key), { throwIfNoEntry: false });
    return existing !== undefined && existing.size > 0 && isRecent(existing);
  }

  /** Whether one has failed to, so that nobody tries again for a while; or is just creating the job. */
  isGivenUp(key: ModuleHash): boolean {
    const existing = statSync(this.file(key), { throwIfNoEntry: false });
    return existing !== undefined && existing.size === 0 && isRecent(existing);
  }

  /**
   * Creates a job.
   *
   * @returns `false` when another process is learning the same module, or has just failed to
   * @throws what the file system throws; no job is left behind then.
   */
  create(key: ModuleHash, content: JobContent): boolean {
    const file = this.file(key);
    if (this.#signer) mkdirSync(this.#directory, { recursive: true });
    else makePrivateDirectory(this.#directory);
    const existing = statSync(file, { throwIfNoEntry: false });
    if (existing) {
      if (isRecent(existing)) return false;
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
      for (const part of encodeJob(key, content, this.#signer))
        for (let at = 0; at < part.length; ) at += writeSync(descriptor, part, at);
    } catch (error) {
      this.remove(key);
      throw error;
    } finally {
      closeSync(descriptor);
    }
    return true;
  }

  /** @throws {CacheError} kind `Other` when it is not what a program wrote; what the file system throws. */
  read(key: ModuleHash): JobContent {
    return decodeJob(key, readFileSync(this.file(key)), this.#signer);
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

/**
 * A time far in the future is of a clock that was wrong, then or now. Of a near one is every job of this millisecond, because
 * file systems count finer than `now`, and those of another machine.
 */
function isRecent({ mtimeMs }: fs.Stats): boolean {
  return Math.abs(now() - mtimeMs) < ABANDONED_AFTER;
}

function quietly(action: () => void): void {
  try {
    action();
  } catch {
    // Another process was faster, or the folder is gone.
  }
}

// CRC-32 of all that follows, length of the wire bytes (8 bytes), signature or zero (32 bytes), the part; little-endian.
const SIGNATURE_AT = 12;
const HEADER_LENGTH = SIGNATURE_AT + SIGNATURE_LENGTH;

/** The pieces of the file, one after the other. */
function encodeJob(key: ModuleHash, { wireLength, part }: JobContent, signer: Signer | undefined): Uint8Array[] {
  const header = Buffer.alloc(HEADER_LENGTH);
  header.writeBigUInt64LE(BigInt(wireLength), 4);
  if (signer) header.set(signer.sign('job', signedParts(key, header, part)), SIGNATURE_AT);
  header.writeUInt32LE(checksum(header, part), 0);
  return [header, part];
}

/** @throws {CacheError} kind `Other` when it is not what a program wrote, `Untrusted` when not one with the secret. */
function decodeJob(key: ModuleHash, file: Buffer, signer: Signer | undefined): JobContent {
  const part = file.subarray(HEADER_LENGTH);
  if (file.length < HEADER_LENGTH || file.readUInt32LE(0) !== checksum(file, part)) {
    throw new CacheError('Other', `Not a learner's job: ${file.length} bytes with a wrong checksum`);
  }
  const signature = file.subarray(SIGNATURE_AT, HEADER_LENGTH);
  if (signer && !signer.verify('job', signedParts(key, file, part), signature)) {
    throw new CacheError('Untrusted', `The job for ${key} has no signature of this secret`);
  }
  const wireLength = Number(file.readBigUInt64LE(4));
  if (!Number.isSafeInteger(wireLength))
    throw new CacheError('Other', `Not a learner's job: of ${wireLength} wire bytes`);
  return { wireLength, part };
}

function signedParts(key: ModuleHash, header: Buffer, part: Uint8Array): Uint8Array[] {
  return [key.toBytes(), header.subarray(4, SIGNATURE_AT), part];
}

function checksum(header: Buffer, part: Uint8Array): number {
  return (crc32(header.subarray(4, HEADER_LENGTH)) ^ crc32(part)) >>> 0;
}
