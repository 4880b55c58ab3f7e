import { CacheError } from '../cache-error.js';
import { ModuleHash } from '../module-hash.js';
import { crc32 } from '../native/digest.js';
import {
  type ArtifactHeader,
  bodyLength,
  checksumsOf,
  damaged,
  decodeHeader,
  encodeHeader,
  HEADER_LENGTH,
  isSigned,
  signatureOf,
  signedPart,
} from './header.js';
import type { Signer } from './signature.js';

export interface Artifact extends Omit<ArtifactHeader, 'nativeLength' | 'includesWireBytes'> {
  nativeCode: Uint8Array;
  wireBytes: Uint8Array | undefined;
}

/**
 * The default limit for an artifact in bytes. The largest known artifact has 99 MB, with all functions of a module optimised
 * (docs/v8.md, "Flags for compiling everything").
 */
export const DEFAULT_MAX_ARTIFACT_SIZE = 2 ** 28;

const SIGNED_AS = 'artifact';

/** The artifact in one piece; see {@link artifactParts}. */
export function encodeArtifact(artifact: Artifact, signer?: Signer): Uint8Array {
  const parts = artifactParts(artifact, signer);
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * The pieces of an artifact, in order: the header, then the given parts themselves, not copies.
 *
 * @throws {CacheError} kind `Serialize` when the fields do not fit the format.
 */
export function artifactParts({ nativeCode, wireBytes, ...fields }: Artifact, signer?: Signer): Uint8Array[] {
  if (wireBytes && wireBytes.length !== fields.wireLength) {
    const message = `The artifact cannot be encoded: it has ${wireBytes.length} wire bytes, and its wireLength is ${fields.wireLength}`;
    throw new CacheError('Serialize', message);
  }
  const header = encodeHeader(
    { ...fields, nativeLength: nativeCode.length, includesWireBytes: wireBytes !== undefined },
    { native: crc32(nativeCode), wire: wireBytes ? crc32(wireBytes) : 0 },
    signer && ((signedHeader) => signer.sign(SIGNED_AS, signedParts(signedHeader, nativeCode, wireBytes))),
  );
  return wireBytes ? [header, nativeCode, wireBytes] : [header, nativeCode];
}

/**
 * Checks the signature of an artifact that was decoded before.
 *
 * @param header - the first bytes of the artifact
 * @param wireBytes - if the artifact includes them: its own, or the same ones from elsewhere, because the signature covers them
 * @throws {CacheError} kind `Untrusted`.
 */
export function checkSignature(
  header: Uint8Array,
  nativeCode: Uint8Array,
  wireBytes: Uint8Array | undefined,
  signer: Signer,
): void {
  const { key, includesWireBytes } = decodeHeader(header);
  const parts = signedParts(signedPart(header), nativeCode, includesWireBytes ? wireBytes : undefined);
  if (signer.verify(SIGNED_AS, parts, signatureOf(header))) return;
  const what = isSigned(header) ? 'is signed with another secret' : 'is not signed';
  throw new CacheError('Untrusted', `The artifact of ${key} ${what}`);
}

/** Covers the wire bytes by their hash, so that a reader that has them need not read them again. */
function signedParts(
  signedHeader: Uint8Array,
  nativeCode: Uint8Array,
  wireBytes: Uint8Array | undefined,
): Uint8Array[] {
  const digest = wireBytes && ModuleHash.sha256(wireBytes).toBytes();
  return digest ? [signedHeader, nativeCode, digest] : [signedHeader, nativeCode];
}

/**
 * Reads a whole artifact. Total: for any bytes it returns an artifact that `encodeArtifact` wrote, or throws. The parts are
 * views of `bytes`.
 *
 * @throws {CacheError} kind `Deserialize`, with the offset and the reason.
 */
export function decodeArtifact(bytes: Uint8Array): Artifact {
  return decodeParts(bytes, bytes.subarray(HEADER_LENGTH));
}

/**
 * The {@link decodeArtifact} for a body that is not behind its header in memory.
 *
 * @param header - the first bytes of the artifact
 * @throws {CacheError} kind `Deserialize`, with the offset and the reason.
 */
export function decodeParts(header: Uint8Array, body: Uint8Array): Artifact {
  const fields = decodeHeader(header);
  const length = bodyLength(fields);
  if (body.length !== length) {
    const [given, expected] = [HEADER_LENGTH + body.length, HEADER_LENGTH + length];
    throw damaged(Math.min(given, expected), `${given} bytes where the header announces ${expected}`);
  }
  const nativeCode = body.subarray(0, fields.nativeLength);
  const artifact = decodeNativeCode(header, fields, nativeCode);
  if (!fields.includesWireBytes) return artifact;
  const wireBytes = body.subarray(nativeCode.length);
  checkPart(wireBytes, fields.wireLength, checksumsOf(header).wire, HEADER_LENGTH + nativeCode.length, 'wire bytes');
  return { ...artifact, wireBytes };
}

/**
 * The artifact without its wire bytes, for readers that have them.
 *
 * @param header - the first bytes of the artifact
 * @param fields - the result of `decodeHeader`
 * @throws {CacheError} kind `Deserialize`, with the offset and the reason.
 */
export function decodeNativeCode(header: Uint8Array, fields: ArtifactHeader, nativeCode: Uint8Array): Artifact {
  const { nativeLength, includesWireBytes, ...rest } = fields;
  checkPart(nativeCode, nativeLength, checksumsOf(header).native, HEADER_LENGTH, 'native code');
  return { ...rest, nativeCode, wireBytes: undefined };
}

function checkPart(part: Uint8Array, length: number, checksum: number, offset: number, name: string): void {
  if (part.length !== length) {
    throw damaged(offset + Math.min(part.length, length), `${part.length} bytes of ${name}, expected ${length}`);
  }
  if (crc32(part) !== checksum) throw damaged(offset, `the checksum of the ${name} does not match`);
}
