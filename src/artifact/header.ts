import { CacheError } from '../cache-error.js';
import { ModuleHash } from '../module-hash.js';
import { crc32 } from '../native/digest.js';
import { SIGNATURE_LENGTH } from './signature.js';

/** How much of the module the native code covers: nothing, the functions that ran hot, or all of them. @inline */
export type Coverage = 'none' | 'hot' | 'full';

/**
 * The header of an artifact, as in the report of `verifyCache`.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { type ArtifactHeader, FileSystemCache, loadModule, V8Engine, verifyCache } from 'wasm-module-cache';
 *
 * await loadModule(await readFile('plugin.wasm'), { cache: new FileSystemCache('cache'), engine: new V8Engine() });
 * const describe = ({ coverage, nativeLength, wireLength }: ArtifactHeader) =>
 *   `${coverage}: ${nativeLength} bytes of native code for ${wireLength > 65536 ? 'a large' : 'a small'} module`;
 * const { files } = await verifyCache('cache');
 * console.log(files.map(({ header }) => header && describe(header))); // [ 'none: 0 bytes of native code for a large module' ]
 * ```
 */
export interface ArtifactHeader {
  /** The key of the module. */
  key: ModuleHash;
  /** `Engine.deterministicId` of the engine that wrote the native code. */
  engineId: string;
  /** How much of the module the native code covers: nothing, the functions that ran hot, or all of them. */
  coverage: Coverage;
  /** How often this artifact was replaced by a better one; the first is 0. */
  generation: number;
  /** Whether further learning gains nothing. Later runs then do no work at their exit. */
  final: boolean;
  /**
   * Minutes since 1970 until which the module is left to V8, because loading this artifact took longer than it saved; otherwise 0.
   */
  bypassedUntil: number;
  /** Whether a learner made code of it, which has no inlining. */
  hasLearnerCode: boolean;
  /** Milliseconds of CPU time for which V8 has had the chance to optimise this module, in the longest run so far. */
  optimisedFor: number;
  /** Milliseconds of CPU time that the longest run took after it had this module, of the runs whose code was looked at. */
  observedFor: number;
  /** Functions that ran in the last of those runs, and have no optimised code here. */
  missing: number;
  /** Bytes of native code; 0 exactly when the coverage is `none`. */
  nativeLength: number;
  /** Length of the module's wire bytes, whether or not they are included. */
  wireLength: number;
  /** Whether the wire bytes follow the native code. */
  includesWireBytes: boolean;
}

/** What a reader expects. An artifact that differs never reaches an engine. */
export interface Expectation {
  key: ModuleHash;
  engineId: string;
  /** Length of the wire bytes, if the reader has them. */
  wireLength?: number | undefined;
}

/** CRC-32 of each part behind the header; 0 for wire bytes that are not included. */
export interface Checksums {
  native: number;
  wire: number;
}

export const FORMAT_VERSION = 4;

// The container, little-endian. Native code comes first, so that a reader that has the wire bytes reads only the front.
//
//   0    8  magic; the high bit and the line ends show a transfer that damaged binary data
//   8    4  format version
//   12   4  CRC-32 of the native code
//   16   4  CRC-32 of the wire bytes, when included
//   20   1  algorithm of the key: 1 sha256, 2 xxhash
//   21   1  coverage: 0 none, 1 hot, 2 full
//   22   1  flags: 1 final, 2 includes the wire bytes, 4 has code that a learner made
//   23   1  length of the engine id
//   24   4  generation
//   28   4  minutes since 1970 until which the module is bypassed, or zero
//   32   8  length of the native code
//   40   8  length of the wire bytes
//   48  32  key, zero-padded
//   80 180  engine id, UTF-8, zero-padded
//  260   4  milliseconds of CPU time of the longest run that was looked at
//  264   4  functions that ran in the last run that was looked at, and have no optimised code
//   268  4  milliseconds of CPU time for which V8 had the chance to optimise the module
//   272 32  signature of bytes 8 to 271, of the native code, and of the SHA-256 of the wire bytes when included; or zero
//   304  4  zero
//   308  4  CRC-32 of all of the above, and through it of everything
//   312     native code, wire bytes
export const MAGIC = Uint8Array.of(0x89, 0x57, 0x4d, 0x43, 0x0d, 0x0a, 0x1a, 0x0a);
const AT = {
  version: 8,
  nativeChecksum: 12,
  wireChecksum: 16,
  algorithm: 20,
  coverage: 21,
  flags: 22,
  engineIdLength: 23,
  generation: 24,
  bypassedUntil: 28,
  nativeLength: 32,
  wireLength: 40,
  key: 48,
  engineId: 80,
  observedFor: 260,
  missing: 264,
  optimisedFor: 268,
  signature: 272,
  headerChecksum: 308,
} as const;
export const HEADER_LENGTH = 312;

const MAX_UINT32 = 0xffff_ffff;
const MAX_ENGINE_ID_LENGTH = AT.observedFor - AT.engineId;
const MAX_KEY_LENGTH = AT.engineId - AT.key;
const ALGORITHMS = [undefined, 'sha256', 'xxhash'] as const;
const COVERAGES = ['none', 'hot', 'full'] as const;
const FLAG_FINAL = 1;
const FLAG_INCLUDES_WIRE_BYTES = 2;
const FLAG_HAS_LEARNER_CODE = 4;
const ALL_FLAGS = FLAG_FINAL | FLAG_INCLUDES_WIRE_BYTES | FLAG_HAS_LEARNER_CODE;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * @param sign - makes the signature from the signed part of the header
 * @throws {CacheError} kind `Serialize` when the fields do not fit the format.
 */
export function encodeHeader(
  header: ArtifactHeader,
  checksums: Checksums,
  sign?: (signedHeader: Uint8Array) => Uint8Array,
): Uint8Array {
  const engineId = encoder.encode(header.engineId);
  checkFields(header, engineId);
  const bytes = new Uint8Array(HEADER_LENGTH);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC, 0);
  view.setUint32(AT.version, FORMAT_VERSION, true);
  view.setUint32(AT.nativeChecksum, checksums.native, true);
  view.setUint32(AT.wireChecksum, checksums.wire, true);
  bytes[AT.algorithm] = ALGORITHMS.indexOf(header.key.algorithm);
  bytes[AT.coverage] = COVERAGES.indexOf(header.coverage);
  bytes[AT.flags] =
    (header.final ? FLAG_FINAL : 0) |
    (header.includesWireBytes ? FLAG_INCLUDES_WIRE_BYTES : 0) |
    (header.hasLearnerCode ? FLAG_HAS_LEARNER_CODE : 0);
  bytes[AT.engineIdLength] = engineId.length;
  view.setUint32(AT.generation, header.generation, true);
  view.setUint32(AT.bypassedUntil, header.bypassedUntil, true);
  view.setUint32(AT.optimisedFor, header.optimisedFor, true);
  view.setUint32(AT.observedFor, header.observedFor, true);
  view.setUint32(AT.missing, header.missing, true);
  view.setBigUint64(AT.nativeLength, BigInt(header.nativeLength), true);
  view.setBigUint64(AT.wireLength, BigInt(header.wireLength), true);
  bytes.set(header.key.toBytes(), AT.key);
  bytes.set(engineId, AT.engineId);
  if (sign) bytes.set(sign(signedPart(bytes)), AT.signature);
  view.setUint32(AT.headerChecksum, crc32(bytes.subarray(0, AT.headerChecksum)), true);
  return bytes;
}

function checkFields({ coverage, nativeLength, ...header }: ArtifactHeader, engineId: Uint8Array): void {
  if (engineId.length > MAX_ENGINE_ID_LENGTH) {
    throw invalid(
      `the engine's deterministicId has ${engineId.length} bytes, more than ${MAX_ENGINE_ID_LENGTH}: ${header.engineId}`,
    );
  }
  if (decoder.decode(engineId) !== header.engineId) {
    throw invalid(`the engine's deterministicId is not valid Unicode: ${JSON.stringify(header.engineId)}`);
  }
  const limits = {
    generation: MAX_UINT32,
    bypassedUntil: MAX_UINT32,
    optimisedFor: MAX_UINT32,
    observedFor: MAX_UINT32,
    missing: MAX_UINT32,
    wireLength: Number.MAX_SAFE_INTEGER,
  } as const;
  for (const [name, max] of Object.entries(limits) as [keyof typeof limits, number][]) {
    const value = header[name];
    if (Number.isInteger(value) && value >= 0 && value <= max) continue;
    throw invalid(`${name} must be a whole number from 0 to ${max}, not ${value}`);
  }
  if ((coverage === 'none') !== (nativeLength === 0)) {
    throw invalid(`coverage "${coverage}" with ${nativeLength} bytes of native code`);
  }
}

/**
 * Reads the header at the start of `bytes`. Total: for any bytes it returns a header that `encodeArtifact` wrote, or throws.
 *
 * @throws {CacheError} kind `Deserialize`, with the offset and the reason.
 */
export function decodeHeader(bytes: Uint8Array): ArtifactHeader {
  if (bytes.length < HEADER_LENGTH) {
    throw damaged(bytes.length, `ends inside the header of ${HEADER_LENGTH} bytes`);
  }
  for (let i = 0; i < MAGIC.length; i++) {
    if (bytes[i] !== MAGIC[i]) throw damaged(i, 'not an artifact (wrong magic number)');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_LENGTH);
  const version = view.getUint32(AT.version, true);
  if (version !== FORMAT_VERSION) throw damaged(AT.version, `format version ${version}, expected ${FORMAT_VERSION}`);
  if (view.getUint32(AT.headerChecksum, true) !== crc32(bytes.subarray(0, AT.headerChecksum))) {
    throw damaged(AT.headerChecksum, 'the checksum of the header does not match');
  }

  // The checksum detects accidents only, so every field is checked, too.
  const algorithm = ALGORITHMS[bytes[AT.algorithm] as number];
  if (algorithm === undefined) throw damaged(AT.algorithm, `unknown key algorithm ${bytes[AT.algorithm]}`);
  const coverage = COVERAGES[bytes[AT.coverage] as number];
  if (coverage === undefined) throw damaged(AT.coverage, `unknown coverage ${bytes[AT.coverage]}`);
  const flags = bytes[AT.flags] as number;
  if (flags > ALL_FLAGS) throw damaged(AT.flags, `unknown flags ${flags}`);
  const engineIdLength = bytes[AT.engineIdLength] as number;
  if (engineIdLength > MAX_ENGINE_ID_LENGTH) throw damaged(AT.engineIdLength, `engine id of ${engineIdLength} bytes`);
  const nativeLength = readLength(view, AT.nativeLength);
  const wireLength = readLength(view, AT.wireLength);
  if ((coverage === 'none') !== (nativeLength === 0)) {
    throw damaged(AT.coverage, `coverage "${coverage}" with ${nativeLength} bytes of native code`);
  }
  const keyEnd = AT.key + (algorithm === 'sha256' ? MAX_KEY_LENGTH : 8);
  const engineIdEnd = AT.engineId + engineIdLength;
  for (const [from, to] of [
    [keyEnd, AT.engineId],
    [engineIdEnd, AT.observedFor],
    [AT.signature + SIGNATURE_LENGTH, AT.headerChecksum],
    ...(flags & FLAG_INCLUDES_WIRE_BYTES ? [] : [[AT.wireChecksum, AT.algorithm] as const]),
  ] as const) {
    const used = bytes.subarray(from, to).findIndex((byte) => byte !== 0);
    if (used >= 0) throw damaged(from + used, 'not zero, where this version of the format has nothing');
  }
  let engineId: string;
  try {
    engineId = decoder.decode(bytes.subarray(AT.engineId, engineIdEnd));
  } catch {
    throw damaged(AT.engineId, 'an engine id that is not UTF-8');
  }
  return {
    key: ModuleHash.fromBytes(bytes.subarray(AT.key, keyEnd)),
    engineId,
    coverage,
    generation: view.getUint32(AT.generation, true),
    bypassedUntil: view.getUint32(AT.bypassedUntil, true),
    final: (flags & FLAG_FINAL) !== 0,
    hasLearnerCode: (flags & FLAG_HAS_LEARNER_CODE) !== 0,
    optimisedFor: view.getUint32(AT.optimisedFor, true),
    observedFor: view.getUint32(AT.observedFor, true),
    missing: view.getUint32(AT.missing, true),
    nativeLength,
    wireLength,
    includesWireBytes: (flags & FLAG_INCLUDES_WIRE_BYTES) !== 0,
  };
}

/** @throws {CacheError} kind `Deserialize` when the artifact belongs to another module or another engine. */
export function checkExpectation(header: Expectation, expected: Expectation): void {
  if (!header.key.equals(expected.key)) {
    throw damaged(AT.key, `holds the module ${header.key}, expected ${expected.key}`);
  }
  if (header.engineId !== expected.engineId) {
    throw damaged(AT.engineId, `written for the engine "${header.engineId}", expected "${expected.engineId}"`);
  }
  if (expected.wireLength !== undefined && header.wireLength !== expected.wireLength) {
    throw damaged(AT.wireLength, `for ${header.wireLength} wire bytes, expected ${expected.wireLength}`);
  }
}

/** Bytes of the artifact behind its header. */
export function bodyLength({ nativeLength, includesWireBytes, wireLength }: ArtifactHeader): number {
  return nativeLength + (includesWireBytes ? wireLength : 0);
}

/** @param header - the first bytes of an artifact */
export function checksumsOf(header: Uint8Array): Checksums {
  const view = new DataView(header.buffer, header.byteOffset, HEADER_LENGTH);
  return { native: view.getUint32(AT.nativeChecksum, true), wire: view.getUint32(AT.wireChecksum, true) };
}

/** The part of a header that its signature covers. */
export function signedPart(header: Uint8Array): Uint8Array {
  return header.subarray(AT.version, AT.signature);
}

export function signatureOf(header: Uint8Array): Uint8Array {
  return header.subarray(AT.signature, AT.signature + SIGNATURE_LENGTH);
}

/** Whether the header has a signature, of any secret. */
export function isSigned(header: Uint8Array): boolean {
  return signatureOf(header).some((byte) => byte !== 0);
}

function readLength(view: DataView, at: number): number {
  const length = view.getBigUint64(at, true);
  if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(at, `impossible length ${length}`);
  return Number(length);
}

export function damaged(offset: number, reason: string): CacheError {
  return new CacheError('Deserialize', `Not a usable artifact, at byte ${offset}: ${reason}`);
}

function invalid(reason: string): CacheError {
  return new CacheError('Serialize', `The artifact cannot be encoded: ${reason}`);
}
