import { crc32 } from '../native/digest.js';

/** In the cache folder: V8's code for the hook itself. */
export const CODE_FOLDER = 'hook-code';
/** How its files begin. */
export const CODE_MAGIC = 'wasm-module-cache hook code 1\n';

/** The magic text, whether it is of a hit, and the CRC-32 of that and of the code. */
const KIND_AT = CODE_MAGIC.length;
const CHECKSUM_AT = KIND_AT + 1;
const HEADER_LENGTH = CHECKSUM_AT + 4;
const OF_HIT = 'h'.charCodeAt(0);
const OF_MISS = '-'.charCodeAt(0);

/** V8's code for the hook: for all functions that ran in the process that made it. */
export interface HookCode {
  readonly code: Uint8Array;
  /** Whether that process had a hit. One without has not compiled what a hit needs. */
  readonly isOfHit: boolean;
}

export function encodeCode({ code, isOfHit }: HookCode): Uint8Array[] {
  const header = Buffer.alloc(HEADER_LENGTH);
  header.write(CODE_MAGIC, 'latin1');
  header[KIND_AT] = isOfHit ? OF_HIT : OF_MISS;
  header.writeUInt32LE(checksum(header, code), CHECKSUM_AT);
  return [header, code];
}

/** `undefined` for anything but what {@link encodeCode} made, because V8 does not notice damage. */
export function decodeCode(bytes: Uint8Array): HookCode | undefined {
  if (bytes.length <= HEADER_LENGTH) return undefined;
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, HEADER_LENGTH);
  const code = bytes.subarray(HEADER_LENGTH);
  const isOurs = header.toString('latin1', 0, KIND_AT) === CODE_MAGIC;
  if (!isOurs || header.readUInt32LE(CHECKSUM_AT) !== checksum(header, code)) return undefined;
  const kind = header[KIND_AT];
  return kind === OF_HIT || kind === OF_MISS ? { code, isOfHit: kind === OF_HIT } : undefined;
}

function checksum(header: Uint8Array, code: Uint8Array): number {
  return (crc32(header.subarray(0, CHECKSUM_AT)) ^ crc32(code)) >>> 0;
}
