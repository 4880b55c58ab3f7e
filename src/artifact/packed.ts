import { CacheError } from '../cache-error.js';
import { type ArtifactHeader, decodeHeader, HEADER_LENGTH } from './artifact.js';

// What travels: an artifact as it is, or one whose parts behind the header are a Zstandard frame.
//
//   0    8  magic
//   8  312  header of the artifact
//   320     Zstandard frame of the native code and the wire bytes
//
// The header first and as it is, so that what the frame may take is known, and what is not wanted is not unpacked.
const MAGIC = Uint8Array.of(0x89, 0x57, 0x4d, 0x5a, 0x0d, 0x0a, 0x1a, 0x0a);
const FRAME_AT = MAGIC.length + HEADER_LENGTH;

type Zlib = typeof import('node:zlib');
/** Asked for when it is needed: it takes 5 ms to load. */
const zlib = (): Zlib => process.getBuiltinModule('node:zlib');

/** Whether this Node has Zstandard: from 22.15 and 23.8. What other compression it has takes three times as long to unpack. */
export function canPack(): boolean {
  return typeof zlib().zstdCompressSync === 'function';
}

/** By default 16 KiB, each a task of its own: five times as long. */
const MIN_CHUNK = 64;

/**
 * The pieces of an artifact as one, compressed: to half its size or less (2.0 to 2.7 with the artifacts of sql.js, magick-wasm and
 * swc, Node 26), which takes 8 ms/MB, and 1 to 2 ms/MB to undo. Pays where the way is slower than 2 Gbit/s.
 */
export function pack([header, ...rest]: Uint8Array[]): Promise<Uint8Array> {
  const body = Buffer.concat(rest);
  return new Promise((resolve, reject) => {
    zlib().zstdCompress(body, { chunkSize: Math.max(MIN_CHUNK, body.length) }, (error, frame) => {
      if (error) reject(error);
      else resolve(Buffer.concat([MAGIC, header as Uint8Array, frame]));
    });
  });
}

/**
 * The artifact's bytes from what was stored, packed or not. Only the header is checked.
 *
 * @param check - is given the header before anything is unpacked; throws when it is not wanted
 * @throws {CacheError} kind `Deserialize`; what `check` throws.
 */
export async function unpack(bytes: Uint8Array, check: (header: ArtifactHeader) => void): Promise<Uint8Array> {
  const isPacked = MAGIC.every((byte, index) => bytes[index] === byte);
  const head = isPacked ? bytes.subarray(MAGIC.length, FRAME_AT) : bytes;
  const header = decodeHeader(head);
  check(header);
  if (!isPacked) return bytes;
  if (!canPack()) throw new CacheError('Deserialize', 'Packed with Zstandard, which this Node does not have');
  const length = header.nativeLength + (header.includesWireBytes ? header.wireLength : 0);
  return new Promise((resolve, reject) => {
    const options = { maxOutputLength: Math.max(1, length), chunkSize: Math.max(MIN_CHUNK, length) };
    zlib().zstdDecompress(bytes.subarray(FRAME_AT), options, (cause, body) => {
      // Some versions of Node give what there is of a frame that was cut off, without an error.
      if (!cause && body.length === length) return resolve(Buffer.concat([head, body]));
      const message = `What is packed cannot be unpacked to the ${length} bytes announced`;
      reject(new CacheError('Deserialize', message, { cause }));
    });
  });
}
