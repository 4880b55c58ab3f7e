import { CacheError } from '../cache-error.js';
import { type Artifact, decodeParts } from './artifact.js';
import { type ArtifactHeader, checkExpectation, decodeHeader, type Expectation, HEADER_LENGTH } from './header.js';

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

/** An artifact, and the bytes of it: the header, which holds the signature, and what follows. */
export interface UnpackedArtifact {
  artifact: Artifact;
  header: Uint8Array;
  body: Uint8Array;
}

/**
 * The artifact from what was stored, packed or not; its signature is not checked.
 *
 * @param check - is given the header before anything is unpacked; throws when it is not wanted
 * @throws {CacheError} kind `Deserialize`; what `check` throws.
 */
export function unpackArtifact(stored: Uint8Array, check: (header: ArtifactHeader) => void): UnpackedArtifact {
  const isPacked = MAGIC.every((byte, index) => stored[index] === byte);
  const header = isPacked ? stored.subarray(MAGIC.length, FRAME_AT) : stored;
  const fields = decodeHeader(header);
  check(fields);
  const body = isPacked ? unpack(stored.subarray(FRAME_AT), sizeOf(fields)) : stored.subarray(HEADER_LENGTH);
  return { artifact: decodeParts(header, body), header, body };
}

/** A check for {@link unpackArtifact}: what is expected, and of not more than so many bytes. */
export function wanted(expected: Expectation, maxSize: number): (header: ArtifactHeader) => void {
  return (header) => {
    checkExpectation(header, expected);
    const size = sizeOf(header);
    if (size <= maxSize) return;
    throw new CacheError('Deserialize', `The artifact of ${header.key} has ${size} bytes, more than ${maxSize}`);
  };
}

function sizeOf({ nativeLength, wireLength, includesWireBytes }: ArtifactHeader): number {
  return nativeLength + (includesWireBytes ? wireLength : 0);
}

function unpack(frame: Uint8Array, length: number): Uint8Array {
  if (!canPack()) throw new CacheError('Deserialize', 'Packed with Zstandard, which this Node does not have');
  const options = { maxOutputLength: Math.max(1, length), chunkSize: Math.max(MIN_CHUNK, length) };
  let body: Uint8Array | undefined;
  let cause: unknown;
  try {
    body = zlib().zstdDecompressSync(frame, options);
  } catch (error) {
    cause = error;
  }
  // Some versions of Node return what there is of a frame that was cut off, without an error.
  if (body?.length === length) return body;
  throw new CacheError('Deserialize', `What is packed cannot be unpacked to the ${length} bytes announced`, { cause });
}
