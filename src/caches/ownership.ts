import { MAGIC } from '../artifact/header.js';
import { isStatistics } from '../statistics/lines.js';
import type { FoundFile } from './inventory.js';

const { parse } = JSON;

/** Bytes that {@link isOurs} needs: of all kinds but JSON the first ones tell, and JSON of ours is shorter. */
export const READ_TO_TELL = 2 ** 16;

const GUARD = /^\S+ \d+ \d+ /;
const KEY = /^(?:[0-9a-f]{16}|[0-9a-f]{64})$/;
const WASM_MAGIC = Uint8Array.of(0x00, 0x61, 0x73, 0x6d);

/**
 * Whether a file holds what this package writes under such a name: a user's own files are never removed, whatever their names are. A file
 * that a full disk or a power failure left empty or full of zeros counts as ours.
 *
 * @param start - its first {@link READ_TO_TELL} bytes
 */
export function isOurs(kind: FoundFile['kind'], start: Uint8Array): boolean {
  if (kind === 'unknown') return false;
  // Half written, under names that nobody else gives.
  if (kind === 'temporary' || start.every((byte) => byte === 0)) return true;
  switch (kind) {
    case 'artifact':
      return startsWith(start, MAGIC);
    case 'job':
      return !startsWith(start, WASM_MAGIC); // a binary format without a magic number
    case 'guard':
      return GUARD.test(Buffer.from(start.subarray(0, 200)).toString('latin1'));
    case 'statistics':
      return isStatistics(start);
    case 'record':
      return hasJson(start, isRecord);
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

function firstLine(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0x0a);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** As far as the bytes go: they may be cut off. */
function startsWith(bytes: Uint8Array, magic: Uint8Array): boolean {
  return magic.subarray(0, bytes.length).every((byte, index) => bytes[index] === byte);
}
