import path from 'node:path';
import { SIGNATURE_LENGTH, type Signer } from '../artifact/signature.js';
import { CacheError } from '../cache-error.js';
import { runSync } from '../files/steps.js';
import type { ModuleHash } from '../module-hash.js';
import { crc32 } from '../native/digest.js';
import { FileSystemStore } from '../stores/file-system.js';

const { now } = Date;

/**
 * How long a job blocks others: longer than a learner may live. If the learner of a module crashes, programs try once in this
 * time.
 */
const ABANDONED_AFTER = 10 * 60 * 1000;

/** What a learner gets to know about a module. */
export interface JobContent {
  /** Length of the module's wire bytes, for the header of the artifact. */
  readonly wireLength: number;
  /** The part of the module to optimise. */
  readonly part: Uint8Array;
}

/**
 * The jobs for learners in one cache folder. A job is a file with what the program knows about a module and the learner does not. The
 * file is also the lock: the process that creates it starts the learner.
 */
export class LearningJobs {
  readonly #store: FileSystemStore;
  readonly #signer: Signer | undefined;

  /**
   * @param directory - the cache folder
   * @param signer - if others may write to the folder. It signs jobs, because a learner signs their results
   */
  constructor(directory: string, signer?: Signer) {
    this.#store = new FileSystemStore(directory, { isShared: signer !== undefined });
    this.#signer = signer;
  }

  /** Whether a learner is optimising the module, so that nobody else should save it. */
  isUnderWay(key: ModuleHash): boolean {
    const existing = this.#stat(key);
    return existing !== undefined && existing.size > 0 && isRecent(existing);
  }

  /** Whether a learner has given up, so that nobody tries again for a while. Also true while the job is being created. */
  isGivenUp(key: ModuleHash): boolean {
    const existing = this.#stat(key);
    return existing !== undefined && existing.size === 0 && isRecent(existing);
  }

  /**
   * Creates a job.
   *
   * @returns `false` when another process is learning the same module, or has failed to a short time ago
   * @throws {CacheError} kind `FileWrite` or `Untrusted`; then no job is left behind.
   */
  create(key: ModuleHash, content: JobContent): boolean {
    const existing = this.#stat(key);
    if (existing) {
      if (isRecent(existing)) return false;
      this.remove(key);
    }
    return runSync(this.#store.create(nameOf(key), ...encodeJob(key, content, this.#signer)));
  }

  /** @throws {CacheError} kind `Other` when the file is not a valid job; the error of the store. */
  read(key: ModuleHash): JobContent {
    return decodeJob(key, Buffer.from(runSync(this.#store.read(nameOf(key))).bytes), this.#signer);
  }

  /** Empties the job but leaves it as a lock, so that nobody tries again for a while. */
  giveUp(key: ModuleHash): void {
    quietly(() => this.#stat(key) && runSync(this.#store.write(nameOf(key))));
  }

  remove(key: ModuleHash): void {
    quietly(() => runSync(this.#store.remove(nameOf(key))));
  }

  file(key: ModuleHash): string {
    return path.join(this.#store.directory, nameOf(key));
  }

  #stat(key: ModuleHash): { size: number; touchedAt: number } | undefined {
    return runSync(this.#store.stat(nameOf(key)));
  }
}

function nameOf(key: ModuleHash): string {
  return `learning/${key}.wasm`;
}

/**
 * A time far in the future comes from a wrong clock. A time in the near future is normal: file systems count finer than `now`, and the
 * clock of another machine may be ahead.
 */
function isRecent({ touchedAt }: { touchedAt: number }): boolean {
  return Math.abs(now() - touchedAt) < ABANDONED_AFTER;
}

function quietly(action: () => unknown): void {
  try {
    action();
  } catch {
    // Another process was faster, or the folder is gone.
  }
}

// The format, little-endian: CRC-32 of the rest, length of the wire bytes (8 bytes), signature or zeros (32 bytes), the part.
const SIGNATURE_AT = 12;
const HEADER_LENGTH = SIGNATURE_AT + SIGNATURE_LENGTH;

/** The pieces of the file, in order. */
function encodeJob(key: ModuleHash, { wireLength, part }: JobContent, signer: Signer | undefined): Uint8Array[] {
  const header = Buffer.alloc(HEADER_LENGTH);
  header.writeBigUInt64LE(BigInt(wireLength), 4);
  if (signer) header.set(signer.sign('job', signedParts(key, header, part)), SIGNATURE_AT);
  header.writeUInt32LE(checksum(header, part), 0);
  return [header, part];
}

/** @throws {CacheError} kind `Other` when the file is not a valid job, `Untrusted` when it is not signed with the secret. */
function decodeJob(key: ModuleHash, file: Buffer, signer: Signer | undefined): JobContent {
  const part = file.subarray(HEADER_LENGTH);
  if (file.length < HEADER_LENGTH || file.readUInt32LE(0) !== checksum(file, part)) {
    throw new CacheError('Other', `Not a learner's job: ${file.length} bytes with a wrong checksum`);
  }
  const signature = file.subarray(SIGNATURE_AT, HEADER_LENGTH);
  if (signer && !signer.verify('job', signedParts(key, file, part), signature)) {
    throw new CacheError('Untrusted', `The job for ${key} is not signed with this secret`);
  }
  const wireLength = Number(file.readBigUInt64LE(4));
  if (!Number.isSafeInteger(wireLength))
    throw new CacheError('Other', `Not a learner's job: it claims ${wireLength} wire bytes`);
  return { wireLength, part };
}

function signedParts(key: ModuleHash, header: Buffer, part: Uint8Array): Uint8Array[] {
  return [key.toBytes(), header.subarray(4, SIGNATURE_AT), part];
}

function checksum(header: Buffer, part: Uint8Array): number {
  return (crc32(header.subarray(4, HEADER_LENGTH)) ^ crc32(part)) >>> 0;
}
