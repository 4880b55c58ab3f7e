import { CacheError } from '../cache-error.js';
import { crc32 } from '../native/digest.js';
import { TooLargeError } from '../too-large-error.js';
import { type Artifact, checkSignature, decodeParts } from './artifact.js';
import {
  type ArtifactHeader,
  checkExpectation,
  decodeHeader,
  type Expectation,
  HEADER_LENGTH,
  isSigned,
} from './header.js';
import { SIGNATURE_LENGTH, type Signer } from './signature.js';

// A store holds an artifact as it is, or packed: its parts behind the header are one Zstandard frame.
//
//   0    8  magic
//   8    4  version of this format, little-endian
//  12    4  CRC-32 of all that follows
//  16   32  signature of the header and the frame; or zero
//  48  312  header of the artifact
// 360       Zstandard frame of the native code and the wire bytes
//
// The header comes as it is, and the signature covers the frame: a reader knows how much memory the frame takes, and who packed it,
// before it unpacks anything. The checksum tells damage from a wrong signature.
const MAGIC = Uint8Array.of(0x89, 0x57, 0x4d, 0x5a, 0x0d, 0x0a, 0x1a, 0x0a);
const VERSION = 2;
const AT = { version: 8, checksum: 12, signature: 16, header: 48, frame: 48 + HEADER_LENGTH } as const;
const SIGNED = `packed artifact ${VERSION}`;

type Zlib = typeof import('node:zlib');
/** Loaded when it is needed: it takes 5 ms. */
const zlib = (): Zlib => process.getBuiltinModule('node:zlib');

/** Whether this Node has Zstandard: from 22.15 and 23.8. Other compression that Node has takes three times as long to unpack. */
export function canPack(): boolean {
  return typeof zlib().zstdCompressSync === 'function';
}

/** Node's default is 16 KiB, each a task of its own: five times as slow. */
const MIN_CHUNK = 64;

/**
 * Packs the parts of an artifact, see `artifactParts`. The artifacts of sql.js, magick-wasm and swc get 2.0 to 2.7 times smaller (Node 26).
 * Packing takes 8 ms/MB, unpacking 1 to 2 ms/MB, so it pays where the network is slower than 2 Gbit/s.
 */
export async function pack([header, ...rest]: Uint8Array[], signer: Signer | undefined): Promise<Uint8Array> {
  const body = Buffer.concat(rest);
  const frame = await new Promise<Buffer>((resolve, reject) => {
    const options = { chunkSize: Math.max(MIN_CHUNK, body.length) };
    zlib().zstdCompress(body, options, (error, packed) => (error ? reject(error) : resolve(packed)));
  });
  const front = Buffer.alloc(AT.frame);
  front.set(MAGIC);
  front.writeUInt32LE(VERSION, AT.version);
  front.set(header as Uint8Array, AT.header);
  if (signer) front.set(signer.sign(SIGNED, [front.subarray(AT.header), frame]), AT.signature);
  const packed = Buffer.concat([front, frame]);
  packed.writeUInt32LE(crc32(packed.subarray(AT.signature)), AT.checksum);
  return packed;
}

/** How an artifact from a store is checked. */
export interface ArtifactChecks {
  /** Is given the header before anything is unpacked. Throws when the artifact is not wanted. */
  check(header: ArtifactHeader): void;
  /** Must have signed it. `undefined`: signatures are not looked at. */
  signer: Signer | undefined;
  /** Accepts an artifact without any signature, too, but none with a wrong one. Default: false. */
  acceptsUnsigned?: boolean | undefined;
}

/**
 * The artifact in the bytes that a store has, packed or not. Takes no more memory than the header announces, and nothing is unpacked
 * before the header and the signature were checked.
 *
 * @throws {CacheError} kind `Deserialize` or `Untrusted`; what `check` throws.
 */
export async function unpackArtifact(
  stored: Uint8Array,
  { check, signer, acceptsUnsigned = false }: ArtifactChecks,
): Promise<Artifact> {
  const { isPacked, header, fields } = checkedHeader(stored, check);
  const verifier = acceptsUnsigned && !isSigned(header) ? undefined : signer;
  if (isPacked) {
    const frame = stored.subarray(AT.frame);
    checkChecksum(stored);
    if (verifier) checkFrame(stored, header, frame, fields, verifier);
    return decodeParts(header, await unpack(frame, sizeOf(fields)));
  }
  const artifact = decodeParts(header, stored.subarray(HEADER_LENGTH));
  if (verifier) checkSignature(header, artifact.nativeCode, artifact.wireBytes, verifier);
  return artifact;
}

/**
 * The header of an artifact, packed or not, of which only the beginning needs to be there.
 *
 * @throws {CacheError} kind `Deserialize`; what `check` throws.
 */
export function checkedHeader(stored: Uint8Array, check: ArtifactChecks['check']) {
  const isPacked = MAGIC.every((byte, index) => stored[index] === byte);
  if (isPacked) checkFront(stored);
  const header = isPacked ? stored.subarray(AT.header, AT.frame) : stored;
  const fields = decodeHeader(header);
  check(fields);
  return { isPacked, header, fields };
}

/** A check for {@link unpackArtifact}: the artifact is what is expected, and takes no more than so many bytes. */
export function wanted(expected: Expectation, maxSize: number): ArtifactChecks['check'] {
  return (header) => {
    checkExpectation(header, expected);
    const size = sizeOf(header);
    if (size > maxSize) throw new TooLargeError(`The artifact of ${header.key}`, size, maxSize, 'Deserialize');
  };
}

function sizeOf({ nativeLength, wireLength, includesWireBytes }: ArtifactHeader): number {
  return nativeLength + (includesWireBytes ? wireLength : 0);
}

function checkFront(stored: Uint8Array): void {
  if (stored.length < AT.frame) throw new CacheError('Deserialize', 'A packed artifact that ends in its header');
  const version = new DataView(stored.buffer, stored.byteOffset).getUint32(AT.version, true);
  if (version === VERSION) return;
  throw new CacheError('Deserialize', `A packed artifact of version ${version}, not ${VERSION}`);
}

function checkChecksum(stored: Uint8Array): void {
  const checksum = new DataView(stored.buffer, stored.byteOffset).getUint32(AT.checksum, true);
  if (checksum === crc32(stored.subarray(AT.signature))) return;
  throw new CacheError('Deserialize', 'A packed artifact whose checksum does not match');
}

function checkFrame(
  stored: Uint8Array,
  header: Uint8Array,
  frame: Uint8Array,
  { key }: ArtifactHeader,
  signer: Signer,
): void {
  const signature = stored.subarray(AT.signature, AT.signature + SIGNATURE_LENGTH);
  if (signer.verify(SIGNED, [header, frame], signature)) return;
  const what = signature.some((byte) => byte !== 0) ? 'has a signature of another secret' : 'is not signed';
  throw new CacheError('Untrusted', `The artifact of ${key} ${what}`);
}

async function unpack(frame: Uint8Array, length: number): Promise<Uint8Array> {
  if (!canPack()) throw new CacheError('Deserialize', 'Packed with Zstandard, which this Node does not have');
  const options = { maxOutputLength: Math.max(1, length), chunkSize: Math.max(MIN_CHUNK, length) };
  let body: Uint8Array | undefined;
  let cause: unknown;
  try {
    body = await new Promise<Buffer>((resolve, reject) => {
      zlib().zstdDecompress(frame, options, (error, unpacked) => (error ? reject(error) : resolve(unpacked)));
    });
  } catch (error) {
    cause = error;
  }
  // Some versions of Node return what there is of a frame that was cut off, without an error.
  if (body?.length === length) return body;
  throw new CacheError('Deserialize', `What is packed cannot be unpacked to the ${length} bytes announced`, { cause });
}
