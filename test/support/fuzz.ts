// Shared by the property tests. A failure prints its seed, its path and the smallest case that was found. Put that case into the
// `examples` of its property, which every run tries first, or the seed into SEEDS.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';

/** Every property runs with all of them, so that a failure repeats in every run. */
const SEEDS = [1, 20_251_125];
const DEFAULT_RUNS = 100;

// Of `node test/stress/fuzz.mjs`.
const { FUZZ_SEED, FUZZ_RUNS } = process.env;
const seeds = FUZZ_SEED ? [Number(FUZZ_SEED)] : SEEDS;
const runs = FUZZ_RUNS ? Number(FUZZ_RUNS) : DEFAULT_RUNS;
assert.ok([...seeds, runs].every(Number.isSafeInteger) && runs > 0, 'FUZZ_SEED and FUZZ_RUNS are whole numbers');

interface HoldsOptions<Case> {
  /** Cases that failed once. */
  examples?: Case[];
  /** How many times as long as the others it takes. It runs that many times less often. */
  cost?: number;
}

type Arbitraries<Case extends unknown[]> = { [Index in keyof Case]: fc.Arbitrary<Case[Index]> };

/** A test that the property holds for all values of the arbitraries. The property fails by throwing, like a test. */
export function holds<Case extends [unknown, ...unknown[]]>(
  name: string,
  arbitraries: Arbitraries<Case>,
  property: (...values: Case) => void | Promise<void>,
  { examples = [], cost = 1 }: HoldsOptions<NoInfer<Case>> = {},
): void {
  const numRuns = Math.ceil(runs / cost);
  it(name, async (test) => {
    for (const seed of seeds) {
      const each = fc.asyncProperty(...(arbitraries as Arbitraries<[unknown]>), async (...values) => {
        await property(...(values as unknown as Case));
      });
      const parameters = { seed, numRuns, includeErrorInReport: true };
      await fc.assert(each, { ...parameters, examples: examples as unknown as [unknown][] });
    }
    // For the stress script's figures.
    if (FUZZ_SEED) test.diagnostic(`${seeds.length * numRuns} runs`);
  });
}

/** Bytes, among them many special ones: zeros, ones, the ends of the range. */
export function arbitraryBytes(maxLength: number): fc.Arbitrary<Uint8Array> {
  const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 2, 3, 4, 0x7f, 0x80, 0xff));
  return fc.array(byte, { maxLength, size: 'max' }).map((bytes) => Uint8Array.from(bytes));
}

const codePoint = fc.oneof(
  fc.constantFrom(' ', '\n', '\0', '\ufeff', 'é', '漢', '🦀'),
  fc.integer({ min: 0, max: 0xd7ff }).map((code) => String.fromCodePoint(code)),
  fc.integer({ min: 0xe000, max: 0x10ffff }).map((code) => String.fromCodePoint(code)),
);

/** All of Unicode. (fast-check's own `binary` takes a second to be made.) */
export const arbitraryUnicode: fc.Arbitrary<string> = fc.oneof(fc.string(), fc.string({ unit: codePoint }));

/** Text that need not be valid Unicode. */
export const arbitraryText: fc.Arbitrary<string> = fc.oneof(
  arbitraryUnicode,
  fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units)),
);

/** Any value that a program could pass by mistake; no getters and proxies, because those are no mistakes. */
export const arbitraryJunk: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withTypedArray: true }),
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    Number.NaN,
    -1,
    0,
    -0,
    Infinity,
    -Infinity,
    '',
    ' ',
    'off',
    1n,
    [],
    [1],
    {},
  ),
  fc.constantFrom<unknown>(Symbol('junk'), Object.create(null), () => 1, new Date(Number.NaN), /x/, circular()),
);

function circular(): object {
  const object: { self?: object } = {};
  object.self = object;
  return object;
}

const WAYS = ['change', 'flip', 'cut off', 'cut out', 'put in', 'repeat', 'fill'] as const;

/** One change of bytes, as numbers, so that a failure can be printed and shrunk. */
export type Mutation = [way: (typeof WAYS)[number], at: number, length: number, more: Uint8Array];

export const arbitraryMutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.tuple(fc.constantFrom(...WAYS), fc.nat(), fc.integer({ min: 1, max: 32 }), arbitraryBytes(8)),
  { maxLength: 4 },
);

/** A changed copy. */
export function mutate(original: Uint8Array, mutations: Mutation[]): Buffer {
  let bytes = Buffer.from(original);
  for (const [way, anywhere, length, more] of mutations) {
    const at = anywhere % (bytes.length + 1);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
    if (way === 'change') bytes.set(more.subarray(0, after.length), at);
    else if (way === 'flip') after[0] = (after[0] as number) ^ (1 << (length % 8));
    else if (way === 'cut off') bytes = before;
    else if (way === 'cut out') bytes = Buffer.concat([before, after.subarray(length)]);
    else if (way === 'put in') bytes = Buffer.concat([before, more, after]);
    else if (way === 'repeat') bytes = Buffer.concat([before, before.subarray(-length), after]);
    else after.subarray(0, length).fill(more[0] ?? 0);
  }
  return bytes;
}
