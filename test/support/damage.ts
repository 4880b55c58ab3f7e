// Ways to damage stored bytes. Seeded, so that a failure can be repeated.

import { crc32 } from 'node:zlib';

/** A pseudo-random generator (mulberry32): `random(n)` returns a whole number from 0 to n - 1. */
export function seeded(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

type Random = ReturnType<typeof seeded>;
type Way = (bytes: Buffer, random: Random, other: Buffer) => Buffer;

/** The start and end of a range of at least one byte. */
function stretch(bytes: Buffer, random: Random, maxLength = 256): [number, number] {
  const start = random(bytes.length);
  return [start, Math.min(bytes.length, start + 1 + random(maxLength))];
}

/** The size of a page, which file systems lose as a whole. */
const PAGE = 4096;

/** The start and the end of a page of the file. */
function page(bytes: Buffer, random: Random): [number, number] {
  const start = PAGE * random(Math.ceil(bytes.length / PAGE));
  return [start, Math.min(bytes.length, start + PAGE)];
}

const accidents: Record<string, Way> = {
  'bits flipped': (bytes, random) => {
    for (let flips = 1 + random(16); flips > 0; flips--) {
      const at = random(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << random(8));
    }
    return bytes;
  },
  'a stretch zeroed': (bytes, random) => bytes.fill(0, ...stretch(bytes, random)),
  'a stretch overwritten': (bytes, random) => {
    const [start, end] = stretch(bytes, random);
    for (let at = start; at < end; at++) bytes[at] = random(256);
    return bytes;
  },
  'two blocks swapped': (bytes, random) => {
    const length = 1 + random(bytes.length / 4);
    const first = random(bytes.length - 2 * length);
    const second = first + length + random(bytes.length - first - 2 * length + 1);
    const block = Buffer.from(bytes.subarray(first, first + length));
    bytes.copyWithin(first, second, second + length);
    block.copy(bytes, second);
    return bytes;
  },
  truncated: (bytes, random) => bytes.subarray(0, random(bytes.length)),
  'a stretch cut out': (bytes, random) => {
    const [start, end] = stretch(bytes, random);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  },
  'a stretch inserted': (bytes, random) => {
    const at = random(bytes.length + 1);
    const [start, end] = stretch(bytes, random);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(start, end), bytes.subarray(at)]);
  },
  'spliced at one place': (bytes, random, other) => {
    const at = random(bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), other.subarray(at)]);
  },
  'spliced at two places': (bytes, random, other) =>
    Buffer.concat([bytes.subarray(0, random(bytes.length + 1)), other.subarray(random(other.length + 1))]),
  'a page zeroed': (bytes, random) => bytes.fill(0, ...page(bytes, random)),
  'zeroed from a page on': (bytes, random) => bytes.fill(0, page(bytes, random)[0]),
  'a page of another': (bytes, random, other) => {
    const [start, end] = page(bytes, random);
    bytes.set(other.subarray(start, end), start);
    return bytes;
  },
};

/** Offset and length of the numbers in the header. */
const FIELDS: Record<string, [at: number, length: 1 | 4 | 8]> = {
  'format version': [8, 4],
  'checksum of the native code': [12, 4],
  'checksum of the wire bytes': [16, 4],
  algorithm: [20, 1],
  coverage: [21, 1],
  flags: [22, 1],
  'length of the engine id': [23, 1],
  generation: [24, 4],
  'left alone until': [28, 4],
  'length of the native code': [32, 8],
  'length of the wire bytes': [40, 8],
  gap: [304, 4],
};
const KEY = 48;
const ENGINE_ID = 80;
const HEADER_CHECKSUM = 308;
const HEADER_LENGTH = 312;

function setToExtreme(bytes: Buffer, field: string, random: Random): void {
  const [at, length] = FIELDS[field] as [number, number];
  const bits = BigInt(8 * length);
  const value = length === 8 ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUIntLE(at, length));
  const signBit = 1n << (bits - 1n);
  const powers = [31n, 32n, 53n].filter((power) => power < bits).map((power) => 1n << power);
  const around = [0n, value, signBit, ...powers].flatMap((each) => [each - 1n, each, each + 1n]);
  const extreme = BigInt.asUintN(Number(bits), around[random(around.length)] as bigint);
  if (length === 8) bytes.writeBigUInt64LE(extreme, at);
  else bytes.writeUIntLE(Number(extreme), at, length);
}

const fields = Object.keys(FIELDS);
const forgeries: Record<string, Way> = {
  ...Object.fromEntries(
    fields.map((field): [string, Way] => [
      `${field} at an extreme`,
      (bytes, random) => {
        setToExtreme(bytes, field, random);
        return bytes;
      },
    ]),
  ),
  'several fields at an extreme': (bytes, random) => {
    for (let more = 2 + random(3); more > 0; more--) {
      setToExtreme(bytes, fields[random(fields.length)] as string, random);
    }
    return bytes;
  },
  'a bit of the header flipped': (bytes, random) => {
    const at = random(HEADER_CHECKSUM);
    bytes[at] = (bytes[at] as number) ^ (1 << random(8));
    return bytes;
  },
  'the key of another': (bytes, _random, other) => {
    other.copy(bytes, KEY, KEY, ENGINE_ID);
    return bytes;
  },
  'another engine': (bytes, random) => {
    const at = ENGINE_ID + random(bytes[23] as number);
    bytes[at] = (bytes[at] as number) ^ 1;
    return bytes;
  },
  'all of another': (_bytes, _random, other) => Buffer.from(other),
};

/** Forgeries: the checksum of the header is correct, which an attacker can do and an accident cannot. */
export function withHeaderChecksum(bytes: Buffer): Buffer {
  if (bytes.length >= HEADER_LENGTH) bytes.writeUInt32LE(crc32(bytes.subarray(0, HEADER_CHECKSUM)), HEADER_CHECKSUM);
  return bytes;
}

/** Not a copy, because none of the ways changes it. */
function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

export interface Damage {
  /** What was done and how to repeat it, for messages. */
  name: string;
  /** What was done. */
  way: string;
  bytes: Buffer;
}

/**
 * A damaged copy of `original`, never equal to it or to `other`. Splices take bytes from `other`.
 *
 * @param index - successive numbers go through all ways
 */
export function damage(original: Uint8Array, other: Uint8Array, index: number, seed = 1): Damage {
  const names = Object.keys(accidents);
  const random = seeded(seed * 1_000_003 + index);
  for (let at = index; ; at++) {
    const way = names[at % names.length] as string;
    const bytes = (accidents[way] as Way)(Buffer.from(original), random, asBuffer(other));
    if (bytes.equals(original) || bytes.equals(other)) continue;
    return { name: `damage ${index} of seed ${seed}: ${way}`, way, bytes };
  }
}

/** Like {@link damage}, but it damages only the header, or takes another module's artifact, and corrects the checksum. */
export function forgery(original: Uint8Array, other: Uint8Array, index: number, seed = 1): Damage {
  const names = Object.keys(forgeries);
  const random = seeded(seed * 1_000_003 + index);
  const way = names[index % names.length] as string;
  for (;;) {
    const bytes = withHeaderChecksum((forgeries[way] as Way)(Buffer.from(original), random, asBuffer(other)));
    if (bytes.equals(original)) continue;
    return { name: `forgery ${index} of seed ${seed}: ${way}`, way: `forged: ${way}`, bytes };
  }
}

/** `count` damaged copies of `original`; see {@link damage}. */
export function* damages(original: Uint8Array, other: Uint8Array, count: number, seed = 1): Generator<Damage> {
  for (let index = 0; index < count; index++) yield damage(original, other, index, seed);
}
