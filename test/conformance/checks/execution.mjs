// Code from the cache computes, traps and throws as freshly compiled code does, also after it was optimised.
import { bytesOf, exercise, hostedImports, sizes } from '../modules.mjs';
import { cross, firstLine, show, wasmFrames } from '../observe.mjs';
import { moduleWays, waysBySize } from '../ways.mjs';

const instanceFrom = async (way, size) => {
  const result = await way.call(bytesOf('rich', size));
  return result.instance ?? new WebAssembly.Instance(result.module ?? result);
};

const attempt = (run) => {
  try {
    return show(run());
  } catch (error) {
    if (error instanceof WebAssembly.Exception) return ['exception', firstLine(error.stack)];
    return [show(error), firstLine(error.stack), wasmFrames(error.stack).slice(0, 3)];
  }
};

const words = [0, 1, -1, 7, 2 ** 31 - 1, -(2 ** 31), 2 ** 32 + 5, 1.9, NaN, '12', null, undefined, true];

/** Calls of the exports `e` of the rich module. For a trap, the names and offsets of the frames are compared, too. */
const uses = {
  'add, all conversions': (e) => words.map((word) => attempt(() => e.add(word, 1))),
  'add of what cannot be converted': (e) =>
    [
      1n,
      Symbol('x'),
      {
        valueOf: () => {
          throw new Error('valueOf');
        },
      },
    ].map((word) => attempt(() => e.add(word, 1))),
  'add with too few and too many': (e) => [e.add(), e.add(1), e.add(1, 2, 3), e.add.length],
  'new add': (e) => attempt(() => new e.add(1, 2)),
  'add with odd this': (e) => [e.add.call(null, 1, 2), Reflect.apply(e.add, {}, [3, 4]), e.add.bind(1)(5, 6)],
  loop: (e) => [0, 1, 2, 1000, 100_000].map((n) => e.loop(n)),
  'loop until hot': (e) =>
    Array.from({ length: 20 }, (_, i) => e.loop(20_000 + i)).reduce((a, b) => (a * 31 + b) | 0, 0),
  'all at once': (e) => [exercise(e, 5000), e.counter.value, e.load(64)].map(show),
  fib: (e) => [0, 1, 5, 20].map((n) => e.fib(n)),
  div: (e) =>
    [
      [7, 2],
      [-7, 2],
      [1, 0],
      [-(2 ** 31), -1],
    ].map(([a, b]) => attempt(() => e.div(a, b))),
  rem: (e) =>
    [
      [7, 3],
      [-7, 3],
      [1, 0],
      [-(2 ** 31), -1],
    ].map(([a, b]) => attempt(() => e.rem(a, b))),
  load: (e) => [0, 16, 17, 65_532, 65_533, -1, 2 ** 31].map((at) => attempt(() => e.load(at))),
  'store and load': (e) => [
    attempt(() => e.store(100, 0x12345678)),
    e.load(100),
    e.load(101),
    attempt(() => e.store(65_536, 1)),
  ],
  'data segment': (e) => Buffer.from(e.memory.buffer, 16, 6).toString('latin1'),
  unreachable: (e) => attempt(() => e.unreachable()),
  indirect: (e) => [0, 1, 2, 3, -1].map((slot) => attempt(() => e.indirect(slot))),
  'indirect after the table changed': (e) => {
    e.table.set(2, e.next);
    e.table.set(0, null);
    return [attempt(() => e.indirect(2)), attempt(() => e.indirect(0)), attempt(() => e.table.set(1, () => {}))];
  },
  sqrt: (e) => [4, 2, -1, NaN, Infinity, -0, '9', 1n].map((x) => attempt(() => e.sqrt(x))),
  trunc: (e) => [1.9, -1.9, NaN, 1e10, Infinity, -2147483648.9].map((x) => attempt(() => e.trunc(x))),
  mul64: (e) =>
    [
      [3n, 4n],
      [2n ** 62n, 4n],
      [-1n, 2n ** 63n],
      [1, 2],
      ['3', 4n],
    ].map(([a, b]) => attempt(() => e.mul64(a, b))),
  'stack overflow': (e) => {
    try {
      return e.forever();
    } catch (error) {
      return [show(error), firstLine(error.stack), new Set(wasmFrames(error.stack)).size];
    }
  },
  'after a stack overflow': (e) => [
    attempt(() => {
      try {
        e.forever();
      } catch {}
      return e.add(1, 2);
    }),
    e.fib(10),
  ],
  'mutable global': (e) => [
    e.next(),
    e.next(),
    e.counter.value,
    (e.counter.value = 50),
    e.next(),
    attempt(() => (e.answer.value = 1)),
  ],
  'two results': (e) => [e.swap(1, 2), Array.isArray(e.swap(3, 4)), e.swap(5, 6).length],
  'memory grows': (e) => {
    const before = e.memory.buffer;
    const seen = [e.grow(1), before.byteLength, e.memory.buffer.byteLength, attempt(() => e.load(65_536)), e.grow(5)];
    return [...seen, attempt(() => e.memory.grow(1)), e.memory.buffer.byteLength, attempt(() => e.load(131_072))];
  },
  'external references': (e) => {
    const object = {};
    return [e.same(object) === object, e.same(undefined), e.same(null), e.same('text'), e.same(e.same) === e.same].map(
      show,
    );
  },
  'exception with a tag': (e) => {
    try {
      return e.raise(7);
    } catch (error) {
      return [error instanceof WebAssembly.Exception, error.is(e.tag), error.getArg(e.tag, 0), firstLine(error.stack)];
    }
  },
  'names and lengths': (e) =>
    Object.entries(e).flatMap(([name, f]) => (typeof f === 'function' ? [[name, f.name, f.length]] : [])),
  'trap inside JS inside wasm': (e) => attempt(() => [1, 0].map((x) => e.div(1, x))),
};

/** Calls across the border between JS and wasm. */
const borders = {
  'import that throws': () => {
    throw new RangeError('from the import');
  },
  'import that returns a bigint': () => 1n,
  'import that returns an object': () => ({ valueOf: () => 5 }),
  'import that returns nothing': () => {},
  'import that returns NaN': () => NaN,
  'import that traps in another instance': () =>
    new WebAssembly.Instance(new WebAssembly.Module(bytesOf('rich', 'small'))).exports.unreachable(),
};

export default [
  ...cross(Object.entries(uses), waysBySize(moduleWays)).map(([[kind, use], [way, size]]) => ({
    name: `${kind}, ${way.name}, ${size}`,
    run: async () => use((await instanceFrom(way, size)).exports),
  })),
  ...cross(Object.entries(borders), moduleWays.slice(0, 2), sizes).map(([[kind, f], way, size]) => ({
    name: `${kind}, ${way.name}, ${size}`,
    async run() {
      const imports = hostedImports();
      imports.env.f = f;
      const { exports } = new WebAssembly.Instance(await way.call(bytesOf('hosted', size)), imports);
      return attempt(() => exports.call(4));
    },
  })),
  ...cross(moduleWays.slice(0, 2), sizes).map(([way, size]) => ({
    name: `re-entrant calls, ${way.name}, ${size}`,
    async run() {
      const imports = hostedImports();
      let depth = 0;
      imports.env.f = (x) => (depth++ < 10 ? exports.call(x) : x);
      const { exports } = new WebAssembly.Instance(await way.call(bytesOf('hosted', size)), imports);
      return [exports.call(3), depth];
    },
  })),
  ...sizes.map((size) => ({
    name: `a module instantiated many times stays right, ${size}`,
    async run() {
      const module = await WebAssembly.compile(bytesOf('rich', size));
      const sums = new Set();
      for (let i = 0; i < 10; i++) sums.add(new WebAssembly.Instance(module).exports.loop(5000));
      return [...sums];
    },
  })),
];
