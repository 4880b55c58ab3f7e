import fs from 'node:fs';
import path from 'node:path';
import type { FileSystemCache } from '../caches/file-system.js';
import { VERDICTS_FOLDER } from '../caches/inventory.js';
import type { Verdict } from '../engine/supported.js';
import type { ModuleHash } from '../module-hash.js';
import { loadAddon } from '../native/addon.js';
import { crc32, sha256 } from '../native/digest.js';
import type { ProbedStep } from './run-steps.js';

// Captured: see stores/file-system.ts.
const { closeSync, fstatSync, openSync, readSync } = fs;
const { now } = Date;
const { parse, stringify } = JSON;

/** Raised when the steps are other ones, so that what the ones before said does not count any more. */
const STEPS_VERSION = 1;
/** A "no" may have come of a machine that was too busy, or of a full disk. What could be used once, can be. */
const NO_IS_KEPT_FOR = 7 * 24 * 3_600_000;
const UNSIGNED = '-';

/** A verdict as it is kept in a cache folder: JSON in one line, and in a second one the signature, as hexadecimal digits. */
export interface KeptVerdict extends Verdict {
  /** See {@link subjectOf}. */
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly triedAt: number;
  readonly steps: readonly ProbedStep[];
}

/** What a verdict is on: the engine, with V8's flags and the CPU's features, the build of the addon, and the steps. */
export function subjectOf(engineId: string): string {
  const { file } = loadAddon();
  const addon = file === undefined ? 'elsewhere' : crc32(readWhole(file)).toString(16);
  return `${engineId}_addon-${addon}_steps-${STEPS_VERSION}`;
}

/** By which the job of a process that tries it is known, too. */
export function keyOf(subject: string): ModuleHash {
  return sha256(Buffer.from(subject));
}

export function verdictFile(subject: string): string {
  return `${VERDICTS_FOLDER}/${keyOf(subject)}.json`;
}

export function encodeVerdict(verdict: KeptVerdict, { signer }: FileSystemCache): Uint8Array {
  const line = Buffer.from(stringify(verdict));
  const signature = signer ? Buffer.from(signer.sign('verdict', [line])).toString('hex') : UNSIGNED;
  return Buffer.concat([line, Buffer.from(`\n${signature}\n`)]);
}

/**
 * The verdict that is kept; `undefined` where there is none, where it is damaged, of another engine or not signed, or a "no" of long
 * ago. A planted one harms less than a planted artifact, which is what the folder is guarded against all the same.
 *
 * @throws {CacheError} kind `Untrusted` when others may write to the folder.
 */
export function readVerdict(cache: FileSystemCache, subject: string): KeptVerdict | undefined {
  cache.checkTrust();
  try {
    const [line = '', signature = ''] = readWhole(path.join(cache.directory, verdictFile(subject)))
      .toString()
      .split('\n');
    const { signer } = cache;
    if (signer && !signer.verify('verdict', [Buffer.from(line)], Buffer.from(signature, 'hex'))) return undefined;
    const verdict = parse(line) as KeptVerdict;
    if (verdict.subject !== subject || typeof verdict.isUsable !== 'boolean') return undefined;
    return verdict.isUsable || Math.abs(now() - verdict.triedAt) < NO_IS_KEPT_FOR ? verdict : undefined;
  } catch {
    return undefined;
  }
}

function readWhole(file: string): Buffer {
  const descriptor = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(fstatSync(descriptor).size);
    return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(descriptor);
  }
}
