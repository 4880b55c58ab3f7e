// The file of a job, little-endian: how often it was begun (4 bytes), CRC-32 of all that follows (4), length of the wire bytes (8), signature
// or zero (32), length of the settings (4), the settings as JSON, the part.
import fs from 'node:fs';
import { SIGNATURE_LENGTH, type Signer } from '../artifact/signature.js';
import { CacheError } from '../cache-error.js';
import type { ModuleHash } from '../module-hash.js';
import { crc32 } from '../native/digest.js';

// Captured: see stores/file-system.ts.
const { readSync, writeSync } = fs;
const { parse, stringify } = JSON;

/** Which functions a learner optimises: those that ran, or all. */
type LearnedCoverage = 'hot' | 'full';

/** What a learner must know of a module. */
export interface JobContent {
  /** Code for another engine is of no use. */
  readonly engineId: string;
  readonly coverage: LearnedCoverage;
  /** The length of the module's wire bytes; the artifact's header needs it. */
  readonly wireLength: number;
  /** The part of the module to optimise. */
  readonly part: Uint8Array;
}

/** Wire bytes have at most 1 GiB in V8. */
export const MAX_JOB_SIZE = 2 ** 30 + 2 ** 16;

const ATTEMPTS_LENGTH = 4;
/** A job that was given up has only zeros in place of its attempts. An empty file is of a process that died before it wrote the job. */
export const GIVEN_UP_LENGTH = ATTEMPTS_LENGTH;
const CHECKSUM_AT = ATTEMPTS_LENGTH;
const WIRE_LENGTH_AT = CHECKSUM_AT + 4;
const SIGNATURE_AT = WIRE_LENGTH_AT + 8;
const SETTINGS_LENGTH_AT = SIGNATURE_AT + SIGNATURE_LENGTH;
const HEADER_LENGTH = SETTINGS_LENGTH_AT + 4;

/** The pieces of the file in order. */
export function encodeJob(key: ModuleHash, content: JobContent, signer: Signer | undefined): Uint8Array[] {
  const { wireLength, part, ...settings } = content;
  const front = Buffer.concat([Buffer.alloc(HEADER_LENGTH), Buffer.from(stringify(settings))]);
  front.writeBigUInt64LE(BigInt(wireLength), WIRE_LENGTH_AT);
  front.writeUInt32LE(front.length - HEADER_LENGTH, SETTINGS_LENGTH_AT);
  if (signer) front.set(signer.sign('job', signedParts(key, front, part)), SIGNATURE_AT);
  front.writeUInt32LE(checksum(front, part), CHECKSUM_AT);
  return [front, part];
}

/** @throws {CacheError} kind `Other` when these bytes are no job, kind `Untrusted` when they do not have the signer's signature. */
export function decodeJob(key: ModuleHash, file: Buffer, signer: Signer | undefined): JobContent {
  const settingsLength = file.length < HEADER_LENGTH ? 0 : file.readUInt32LE(SETTINGS_LENGTH_AT);
  const front = file.subarray(0, HEADER_LENGTH + settingsLength);
  const part = file.subarray(HEADER_LENGTH + settingsLength);
  if (front.length < HEADER_LENGTH || file.readUInt32LE(CHECKSUM_AT) !== checksum(front, part)) {
    throw new CacheError('Other', `Not a job for a learner: ${file.length} bytes with a wrong checksum`);
  }
  const signature = front.subarray(SIGNATURE_AT, SETTINGS_LENGTH_AT);
  if (signer && !signer.verify('job', signedParts(key, front, part), signature)) {
    throw new CacheError('Untrusted', `The job for ${key} was not signed with this secret`);
  }
  const wireLength = Number(front.readBigUInt64LE(WIRE_LENGTH_AT));
  if (!Number.isSafeInteger(wireLength)) {
    throw new CacheError('Other', `Not a job for a learner: the module has ${wireLength} wire bytes`);
  }
  return { ...decodeSettings(front.subarray(HEADER_LENGTH).toString()), wireLength, part };
}

function decodeSettings(text: string): Pick<JobContent, 'engineId' | 'coverage'> {
  try {
    const { engineId, coverage } = parse(text) as JobContent;
    return { engineId: String(engineId), coverage: coverage === 'full' ? 'full' : 'hot' };
  } catch (cause) {
    throw new CacheError('Other', `Not a job for a learner: its settings are ${text.length} characters, and no JSON`, {
      cause,
    });
  }
}

/** How often a learner has begun the job; 0 for an empty file. */
export function readAttempts(descriptor: number): number {
  const bytes = Buffer.alloc(ATTEMPTS_LENGTH);
  readSync(descriptor, bytes, 0, bytes.length, 0);
  return bytes.readUInt32LE(0);
}

export function writeAttempts(descriptor: number, attempts: number): void {
  const bytes = Buffer.alloc(ATTEMPTS_LENGTH);
  bytes.writeUInt32LE(attempts, 0);
  writeSync(descriptor, bytes, 0, bytes.length, 0);
}

function signedParts(key: ModuleHash, front: Buffer, part: Uint8Array): Uint8Array[] {
  return [key.toBytes(), front.subarray(WIRE_LENGTH_AT, SIGNATURE_AT), front.subarray(HEADER_LENGTH), part];
}

function checksum(front: Buffer, part: Uint8Array): number {
  return (crc32(front.subarray(WIRE_LENGTH_AT)) ^ crc32(part)) >>> 0;
}
