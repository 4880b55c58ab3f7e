import { MAGIC } from '../artifact/header.js';
import { CODE_MAGIC } from '../artifact/hook-code.js';
import { isStatistics } from '../statistics/lines.js';
import type { FoundFile } from './inventory.js';

const { parse } = JSON;

/** Bytes that {@link isOurs} needs: the first bytes show all kinds except JSON, and our JSON files are shorter. */
export const READ_TO_TELL = 2 ** 16;

const GUARD = /^(?:loading|crashed|loaded |quarantined \d+ \d+)\n/;
const KEYS = /^[0-9a-f]{16} \d+ \d+\n/;
const PRELOADED = /^[+-][0-9a-f]{64} \d+\n/;
const KEY = /^(?:[0-9a-f]{16}|[0-9a-f]{64})$/;
const WASM_MAGIC = Uint8Array.of(0x00, 0x61, 0x73, 0x6d);

/**
 * Whether the content of a file is what this package writes under such a name, because a user's files are never removed, whatever their
 * names. A file that is empty or full of zeros, after a full disk or a power failure, counts as ours.
 *
 * @param start - its first {@link READ_TO_TELL} bytes
 */
export function isOurs(kind: FoundFile['kind'], start: Uint8Array): boolean {
  if (kind === 'unknown') return false;
  // Half written, under names that nobody else uses.
  if (kind === 'temporary' || start.every((byte) => byte === 0)) return true;
  switch (kind) {
    case 'artifact':
      return startsWith(start, MAGIC);
    case 'job':
      return !startsWith(start, WASM_MAGIC); // a binary format without a magic number
    case 'guard':
      return GUARD.test(firstText(start));
    case 'statistics':
      return isStatistics(start);
    case 'code':
      return startsWith(start, Buffer.from(CODE_MAGIC));
    case 'wire bytes':
      return startsWith(start, WASM_MAGIC);
    case 'record':
      return PRELOADED.test(firstText(start)) || KEYS.test(firstText(start)) || hasJson(start, isRecord);
    case 'verdict':
      return hasJson(firstLine(start), (value) => typeof value.subject === 'string' && Array.isArray(value.steps));
  }
}

function isRecord({ modules }: Record<string, unknown>): boolean {
  return Array.isArray(modules) && modules.every((each) => KEY.test(String(each?.key ?? each)));
}

function hasJson(bytes: Uint8Array, isValid: (value: Record<string, unknown>) => boolean): boolean {
  try {
    return isValid(parse(Buffer.from(bytes).toString()));
  } catch {
    return false;
  }
}

function firstText(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 200)).toString('latin1');
}

function firstLine(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0x0a);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** Compares as many bytes as there are, because they may be cut off. */
function startsWith(bytes: Uint8Array, magic: Uint8Array): boolean {
  return magic.subarray(0, bytes.length).every((byte, index) => bytes[index] === byte);
}
