import { loadAddon } from '../native/addon.js';

/** In the cache folder: V8's code for the hook itself. */
export const CODE_FOLDER = 'hook-code';
/** How its files begin. */
export const CODE_MAGIC = 'wasm-module-cache hook code 1\n';

const HASH_LENGTH = 32;
/** The magic text, whether it is of a hit, and the SHA-256 of the rest. */
const CODE_HEADER_LENGTH = CODE_MAGIC.length + 1 + HASH_LENGTH;
const OF_HIT = 'h'.charCodeAt(0);
const OF_MISS = '-'.charCodeAt(0);

/** V8's code for the hook: for all functions that ran in the process that made it. */
export interface HookCode {
  readonly code: Uint8Array;
  /** Whether that process had a hit. One without has not compiled what a hit needs. */
  readonly isOfHit: boolean;
}

export function encodeCode({ code, isOfHit }: HookCode): Uint8Array[] {
  const hash = hashOf(code);
  if (!hash) throw new Error('there is no addon, which computes the hash');
  return [Buffer.from(CODE_MAGIC), Uint8Array.of(isOfHit ? OF_HIT : OF_MISS), hash, code];
}

/** `undefined` for anything but what {@link encodeCode} made, because V8 does not notice damage. */
export function decodeCode(bytes: Uint8Array): HookCode | undefined {
  if (bytes.length <= CODE_HEADER_LENGTH) return undefined;
  const front = Buffer.from(bytes.buffer, bytes.byteOffset, CODE_HEADER_LENGTH);
  const code = bytes.subarray(CODE_HEADER_LENGTH);
  const hash = hashOf(code);
  const isWhole = hash && front.subarray(-HASH_LENGTH).equals(hash);
  if (!isWhole || front.toString('latin1', 0, CODE_MAGIC.length) !== CODE_MAGIC) return undefined;
  const kind = front[CODE_MAGIC.length];
  return kind === OF_HIT || kind === OF_MISS ? { code, isOfHit: kind === OF_HIT } : undefined;
}

function hashOf(bytes: Uint8Array): Uint8Array | undefined {
  return loadAddon().addon?.sha256(bytes);
}
