import type { FileSystemCache } from '../caches/file-system.js';
import { VERDICTS_FOLDER } from '../caches/inventory.js';
import type { Verdict } from '../engine/supported.js';
import { readBoundedSync } from '../files/file.js';
import { runSync } from '../files/steps.js';
import type { ModuleHash } from '../module-hash.js';
import { loadAddon } from '../native/addon.js';
import { crc32, sha256 } from '../native/digest.js';
import { FileSystemStore } from '../stores/file-system.js';
import type { ProbedStep } from './run-steps.js';

// Captured: programs replace globals.
const { now } = Date;
const { parse, stringify } = JSON;

/** Raise it when the steps change, so that older verdicts do not count any more. */
const STEPS_VERSION = 2;
/** Milliseconds. A "no" may be due to a busy machine or a full disk, so it expires. A "yes" does not. */
const NO_IS_KEPT_FOR = 7 * 24 * 3_600_000;
const UNSIGNED = '-';
/** Bytes; a verdict has some hundred for each step. */
const MAX_VERDICT_SIZE = 2 ** 20;
const MAX_ADDON_SIZE = 2 ** 26;

/** The content of a verdict's file: JSON in the first line, the signature in hexadecimal digits in the second. */
export interface KeptVerdict extends Verdict {
  /** See {@link subjectOf}. */
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly triedAt: number;
  readonly steps: readonly ProbedStep[];
}

/** A verdict is about the engine (with V8's flags and the CPU's features), the build of the addon, and the steps. */
export function subjectOf(engineId: string): string {
  const { file } = loadAddon();
  const addon = file === undefined ? 'elsewhere' : crc32(readBoundedSync(file, MAX_ADDON_SIZE)).toString(16);
  return `${engineId}_addon-${addon}_steps-${STEPS_VERSION}`;
}

/** Names the verdict's file, and the job of the process that tries V8. */
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
 * Reads the verdict. `undefined` if there is none, if it is damaged, not signed or of another engine, or if it is an old "no".
 *
 * @throws {CacheError} kind `Untrusted` when others may write to the folder.
 */
export function readVerdict(cache: FileSystemCache, subject: string): KeptVerdict | undefined {
  cache.checkTrust();
  try {
    const [line = '', signature = ''] = bytesOf(cache, verdictFile(subject)).toString().split('\n');
    const { signer } = cache;
    if (signer && !signer.verify('verdict', [Buffer.from(line)], Buffer.from(signature, 'hex'))) return undefined;
    const verdict = parse(line) as KeptVerdict;
    if (verdict.subject !== subject || typeof verdict.isUsable !== 'boolean') return undefined;
    return verdict.isUsable || Math.abs(now() - verdict.triedAt) < NO_IS_KEPT_FOR ? verdict : undefined;
  } catch {
    return undefined;
  }
}

function bytesOf({ directory, signer }: FileSystemCache, name: string): Buffer {
  const store = new FileSystemStore(directory, { isShared: signer !== undefined });
  return Buffer.from(runSync(store.read(name, MAX_VERDICT_SIZE)).bytes);
}
