// The module of the probe: it uses a little of everything that compiled code can do.
import { codeSection, F64, I32, I64, leb, moduleOf, named, section, sleb, vector } from '../testing/modules.js';

const TYPES = [
  [0x60, 1, I32, 1, I32],
  [0x60, 1, I32, 1, I64],
  [0x60, 1, I32, 1, F64],
  [0x60, 2, I32, I32, 1, I32],
];
const [UNARY, LONG, DOUBLE, BINARY] = [0, 1, 2, 3];
/** The index of the imported function. */
const TWICE = 0;

const get = (local: number) => [0x20, local];
const set = (local: number) => [0x21, local];
const constant = (value: number) => [0x41, ...sleb(value)];
const END = 0x0b;

/** Makes a body with its locals; `call` makes a call of a function by its name. */
type Body = (call: (name: string) => number[]) => number[];

/** Counts local 0 down to 1; the body adds to local 1. */
const loop = (resultType: number, body: number[]) => [
  ...[1, 1, resultType, 0x03, 0x40, ...body],
  ...[...get(0), ...constant(1), 0x6b, 0x22, 0, 0x0d, 0, END, ...get(1), END],
];
const add = (...value: number[]) => [...get(1), ...value, 0x6a, ...set(1)];
const repeat = (times: number, part: (index: number) => number[]) =>
  Array.from({ length: times }, (_, i) => part(i)).flat();
/** The address of a word, made from local 0. It leaves room for some words after it. */
const address = [...get(0), ...constant(2), 0x74, ...constant(0xeffc), 0x71];

const FUNCTIONS: Record<string, { type: number; body: Body }> = {
  // Large: memory, shifts, branches.
  mix: {
    type: UNARY,
    body: () =>
      loop(
        I32,
        repeat(24, (i) => [
          ...[
            ...address,
            ...address,
            0x28,
            2,
            ...leb(4 * i),
            ...get(0),
            0x6a,
            ...constant(i + 1),
            0x77,
            0x36,
            2,
            ...leb(4 * i),
          ],
          ...[...get(0), ...constant(1 << (i % 5)), 0x71, 0x04, 0x40],
          ...[...add(...address, 0x28, 2, ...leb(4 * i)), 0x05, ...add(...get(0), ...constant(i * 77), 0x73), END],
        ]),
      ),
  },
  wide: {
    type: LONG,
    body: () =>
      loop(
        I64,
        repeat(16, (i) => [
          ...get(1),
          0x42,
          ...sleb(0x1e3779b97f4a7c15n >> BigInt(i)),
          0x7e,
          ...get(0),
          0xac,
          0x85,
          ...set(1),
        ]),
      ),
  },
  float: {
    type: DOUBLE,
    body: () =>
      loop(
        F64,
        repeat(16, (i) => [...get(1), ...get(0), ...constant(i), 0x6a, 0xb7, 0x9f, 0xa0, ...set(1)]),
      ),
  },
  vector: {
    type: UNARY,
    body: () => loop(I32, add(...get(0), 0xfd, 0x11, ...address, 0xfd, 0x00, 4, 0, 0xfd, ...leb(0xae), 0xfd, 0x1b, 2)),
  },
  // A table, a global, and a call of an import.
  indirect: { type: UNARY, body: () => loop(I32, add(...get(0), ...get(0), ...constant(1), 0x71, 0x11, UNARY, 0)) },
  count: { type: UNARY, body: () => loop(I32, [0x23, 1, 0x23, 0, 0x6a, 0x24, 1, ...add(0x23, 1)]) },
  outside: { type: UNARY, body: () => loop(I32, add(...get(0), 0x10, TWICE)) },
  square: { type: UNARY, body: () => [0, ...get(0), ...get(0), 0x6c, END] },
  negate: { type: UNARY, body: () => [0, ...constant(0), ...get(0), 0x6b, END] },
  fibonacci: {
    type: UNARY,
    body: (call) => [
      ...[0, ...get(0), ...constant(2), 0x48, 0x04, I32, ...get(0), 0x05],
      ...[...get(0), ...constant(1), 0x6b, ...call('fibonacci'), ...get(0), ...constant(2), 0x6b, ...call('fibonacci')],
      ...[0x6a, END, END],
    ],
  },
  grow: { type: UNARY, body: () => [0, ...get(0), 0x40, 0, END] },
  // Functions that may trap, and a loop in which they do not, so that V8 optimises them.
  peek: { type: UNARY, body: () => [0, ...get(0), 0x2d, 0, 0, END] },
  poke: { type: BINARY, body: () => [0, ...get(0), ...get(1), 0x36, 2, 0, ...get(1), END] },
  divide: { type: BINARY, body: () => [0, ...get(0), ...get(1), 0x6d, END] },
  dispatch: { type: BINARY, body: () => [0, ...get(0), ...get(1), 0x11, UNARY, 0, END] },
  fail: { type: UNARY, body: () => [0, ...get(0), 0x04, 0x40, 0x00, END, ...constant(1), END] },
  recurse: {
    type: UNARY,
    body: (call) => [
      0,
      ...get(0),
      0x45,
      0x04,
      I32,
      ...constant(0),
      0x05,
      ...get(0),
      ...constant(1),
      0x6b,
      ...call('recurse'),
      ...constant(1),
      0x6a,
      END,
      END,
    ],
  },
  work: {
    type: UNARY,
    body: (call) =>
      loop(I32, [
        ...add(...get(0), ...constant(0xffff), 0x71, ...call('peek')),
        ...add(...address, ...get(0), ...call('poke')),
        ...add(...get(0), ...constant(3), ...call('divide')),
        ...add(...get(0), ...constant(1), ...call('dispatch')),
        ...add(...constant(0), ...call('fail')),
        ...add(...constant(2), ...call('recurse')),
      ]),
  },
};

/** The functions in the table. The last one has another type than its call. */
const TABLE = ['square', 'negate', 'fibonacci', 'square', 'divide'];

/** Returns the wire bytes. */
export function probeModule(): Uint8Array<ArrayBuffer> {
  const names = Object.keys(FUNCTIONS);
  const index = (name: string) => leb(TWICE + 1 + names.indexOf(name));
  const definitions = Object.values(FUNCTIONS);
  return moduleOf(
    section(1, vector(TYPES)),
    section(
      2,
      vector([
        [...named('env'), ...named('twice'), 0, UNARY],
        [...named('env'), ...named('step'), 3, I32, 0],
      ]),
    ),
    section(3, vector(definitions.map(({ type }) => [type]))),
    section(4, [1, 0x70, 0, 8]),
    section(5, [1, 0x01, 1, 4]),
    section(6, [1, I32, 1, ...constant(7), END]),
    section(7, vector([...names.map((name) => [...named(name), 0, ...index(name)]), [...named('counter'), 3, 1]])),
    section(9, [1, 0, ...constant(0), END, ...vector(TABLE.map(index))]),
    codeSection(definitions.map(({ body }) => body((name) => [0x10, ...index(name)]))),
    section(11, [1, 0, ...constant(100), END, ...named('data of the module')]),
  );
}

type Exports = Record<string, (...numbers: number[]) => number | bigint>;

/** Makes a new instance with a new memory. */
export function instantiate(module: WebAssembly.Module): Exports {
  const env = { twice: (n: number) => 2 * n, step: 3 };
  return new WebAssembly.Instance(module, { env }).exports as never;
}

/** Calls every function, and returns the results. */
export function resultsOf(module: WebAssembly.Module): string[] {
  const exports = instantiate(module);
  const call = (name: string, ...numbers: number[]) => `${name}: ${exports[name]?.(...numbers)}`;
  return [
    ...['vector', 'mix', 'wide', 'float', 'outside', 'count', 'work', 'mix'].map((name) => call(name, 1000)),
    ...[
      call('indirect', 1000),
      call('fibonacci', 15),
      call('peek', 100),
      call('poke', 4096, 12345),
      call('peek', 4097),
    ],
    ...[call('divide', -7, 2), call('dispatch', 9, 0), call('recurse', 100), call('grow', 1), call('peek', 70_000)],
    `counter: ${(exports.counter as never as WebAssembly.Global).value}`,
  ];
}

/** Calls every function often enough for V8 to optimise it. */
export function exercise(module: WebAssembly.Module): void {
  const exports = instantiate(module);
  for (const name of ['mix', 'wide', 'float', 'vector', 'indirect', 'count', 'outside', 'work'])
    exports[name]?.(200_000);
  exports.fibonacci?.(22);
}

/** Calls that must trap, and V8's message. V8 detects each in another way. */
export const TRAPS: readonly [name: string, numbers: number[], message: RegExp][] = [
  ['peek', [65_536], /out of bounds/],
  ['peek', [-1], /out of bounds/],
  ['poke', [65_533, 1], /out of bounds/],
  ['divide', [1, 0], /divide by zero/],
  ['divide', [-(2 ** 31), -1], /divide|overflow|unrepresentable/],
  ['dispatch', [1, 4], /signature|indirect|null function/],
  ['dispatch', [1, 6], /null|table|indirect|signature/],
  ['dispatch', [1, 99], /out of bounds|index/],
  ['fail', [1], /unreachable/],
  ['recurse', [1_000_000_000], /call stack/],
];
