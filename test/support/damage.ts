// Ways in which stored bytes go bad. Seeded, so that a failure can be repeated.

/** A generator of pseudo-random numbers: `random(n)` gives a whole number from 0 to n - 1. (mulberry32) */
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

/** The start and the end of a stretch of at least one byte. */
function stretch(bytes: Buffer, random: Random, maxLength = 256): [number, number] {
  const start = random(bytes.length);
  return [start, Math.min(bytes.length, start + 1 + random(maxLength))];
}

const ways: Record<string, Way> = {
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
};

export interface Damage {
  /** What was done, for messages. */
  name: string;
  bytes: Uint8Array;
}

/** `count` damaged copies of `original`, none of them equal to `original` or to `other`, which is what splices take from. */
export function* damages(original: Uint8Array, other: Uint8Array, count: number, seed = 1): Generator<Damage> {
  const random = seeded(seed);
  const names = Object.keys(ways);
  for (let made = 0; made < count; ) {
    const name = names[made % names.length] as string;
    const bytes = (ways[name] as Way)(Buffer.from(original), random, Buffer.from(other));
    if (bytes.equals(original) || bytes.equals(other)) continue;
    made++;
    yield { name: `damage ${made} of seed ${seed}: ${name}`, bytes };
  }
}
