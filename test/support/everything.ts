// A module that uses a little of everything that compiled code can do, and its results.

import { setTimeout } from 'node:timers/promises';
import { readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';
import type { V8Engine } from '../../dist/index.js';
import {
  codeSection,
  customSection,
  F64,
  I32,
  I64,
  leb,
  moduleOf,
  named,
  section,
  sleb,
  vector,
} from './wasm-binary.js';

const TYPES = [
  [0x60, 1, I32, 1, I32],
  [0x60, 1, I64, 1, I64],
  [0x60, 1, F64, 1, F64],
  [0x60, 0, 0],
  [0x60, 2, I32, I32, 1, I32],
  [0x60, 1, I32, 0],
];
const [UNARY, LONG, DOUBLE, NOTHING, BINARY, TAG] = [0, 1, 2, 3, 4, 5];

const IMPORTED = ['twice', 'fail'];

/** Calls a function by its name. */
type Call = (name: string) => number[];

interface Definition {
  type: number;
  /** The body with its locals. */
  body: (call: Call) => number[];
}

const get = (local: number) => [0x20, local];
const set = (local: number) => [0x21, local];
const constant = (value: number) => [0x41, ...sleb(value)];
const END = 0x0b;
const NO_LOCALS = 0x00;

/** Computes f(n) + f(n - 1) + ... + f(1). `f` maps the local 0 to one number on the stack. */
const summing = (f: number[]) => [
  ...[0x01, 0x01, I32], // the sum
  ...[0x03, 0x40, ...f, ...get(1), 0x6a, ...set(1)], // loop: sum += f
  ...[...get(0), ...constant(1), 0x6b, 0x22, 0x00, 0x0d, 0x00, END], // again unless --n is 0
  ...[...get(1), END],
];

const FUNCTIONS: Record<string, Definition> = {
  start: {
    type: NOTHING,
    body: () => [NO_LOCALS, ...constant(40), 0x24, 0, ...constant(3), ...constant(65), 0x3a, 0, 0, END],
  },
  add: { type: BINARY, body: () => [NO_LOCALS, ...get(0), ...get(1), 0x6a, END] },
  sum: { type: UNARY, body: () => summing(get(0)) },
  sumOfSquares: { type: UNARY, body: (call) => summing([...get(0), ...call('square')]) },
  square: { type: UNARY, body: () => [NO_LOCALS, ...get(0), ...get(0), 0x6c, END] },
  fibonacci: {
    type: UNARY,
    body: (call) => [
      ...[NO_LOCALS, ...get(0), ...constant(2), 0x48, 0x04, I32, ...get(0), 0x05],
      ...[...get(0), ...constant(1), 0x6b, ...call('fibonacci')],
      ...[...get(0), ...constant(2), 0x6b, ...call('fibonacci'), 0x6a, END, END],
    ],
  },
  isEven: {
    type: UNARY,
    body: (call) => [
      ...[NO_LOCALS, ...get(0), 0x45, 0x04, I32, ...constant(1), 0x05],
      ...[...get(0), ...constant(1), 0x6b, ...call('isOdd'), END, END],
    ],
  },
  isOdd: {
    type: UNARY,
    body: (call) => [
      ...[NO_LOCALS, ...get(0), 0x45, 0x04, I32, ...constant(0), 0x05],
      ...[...get(0), ...constant(1), 0x6b, ...call('isEven'), END, END],
    ],
  },
  mix: {
    type: LONG,
    body: () => [
      ...[NO_LOCALS, ...get(0), 0x42, ...sleb(-7046029254386353131n), 0x7e],
      ...[...get(0), 0x42, 31, 0x88, 0x85, 0x42, 7, 0x89, END],
    ],
  },
  divideLong: { type: LONG, body: () => [NO_LOCALS, 0x42, ...sleb(1n << 62n), ...get(0), 0x7f, END] },
  // sqrt(x) * 1.5
  root: { type: DOUBLE, body: () => [NO_LOCALS, ...get(0), 0x9f, 0x44, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0xa2, END] },
  truncate: { type: DOUBLE, body: () => [NO_LOCALS, ...get(0), 0xaa, 0xb7, END] }, // via i32, which traps
  // i32x4.splat, times itself, plus itself, third lane
  vector: {
    type: UNARY,
    body: () => [
      ...[0x01, 0x01, 0x7b, ...get(0), 0xfd, 0x11, ...set(1)],
      ...[...get(1), ...get(1), 0xfd, 0xb5, 0x01, ...get(1), 0xfd, 0xae, 0x01, 0xfd, 0x1b, 2, END],
    ],
  },
  bump: { type: UNARY, body: () => [NO_LOCALS, 0x23, 0, ...get(0), 0x6a, 0x24, 0, 0x23, 0, END] },
  load: { type: UNARY, body: () => [NO_LOCALS, ...get(0), 0x28, 2, 0, END] },
  store: { type: BINARY, body: () => [NO_LOCALS, ...get(0), ...get(1), 0x36, 2, 0, ...get(0), 0x28, 2, 0, END] },
  grow: { type: UNARY, body: () => [NO_LOCALS, ...get(0), 0x40, 0, ...constant(100), 0x6c, 0x3f, 0, 0x6a, END] },
  fill: {
    type: UNARY,
    body: () => [NO_LOCALS, ...get(0), ...constant(7), ...constant(64), 0xfc, 0x0b, 0, ...get(0), END],
  },
  callImport: { type: UNARY, body: (call) => [NO_LOCALS, ...get(0), ...call('twice'), ...constant(1), 0x6a, END] },
  sumOfImport: { type: UNARY, body: (call) => summing([...get(0), ...call('twice')]) },
  callFailing: { type: UNARY, body: (call) => [NO_LOCALS, ...get(0), ...call('fail'), END] },
  indirect: { type: BINARY, body: () => [NO_LOCALS, ...get(1), ...get(0), 0x11, UNARY as number, 0, END] },
  sumOfIndirect: {
    type: UNARY,
    body: () => summing([...get(0), ...get(0), ...constant(1), 0x71, 0x11, UNARY as number, 0]),
  },
  unreachable: { type: UNARY, body: () => [NO_LOCALS, 0x00, END] },
  divide: { type: BINARY, body: () => [NO_LOCALS, ...get(0), ...get(1), 0x6d, END] },
  remainder: { type: BINARY, body: () => [NO_LOCALS, ...get(0), ...get(1), 0x6f, END] },
  endless: { type: UNARY, body: (call) => [NO_LOCALS, ...get(0), ...call('endless'), ...constant(1), 0x6a, END] },
  throwing: { type: UNARY, body: () => [NO_LOCALS, ...get(0), 0x08, 0, END] },
  // try (throwing(n)) catch (tag) { payload + 1000 }
  catching: {
    type: UNARY,
    body: (call) => [NO_LOCALS, 0x06, I32, ...get(0), ...call('throwing'), 0x07, 0, ...constant(1000), 0x6a, END, END],
  },
  // try (fail(n)) catch_all { -1 }
  catchingAll: {
    type: UNARY,
    body: (call) => [NO_LOCALS, 0x06, I32, ...get(0), ...call('fail'), 0x19, ...constant(-1), END, END],
  },
  select: { type: UNARY, body: () => [NO_LOCALS, ...constant(11), ...constant(22), ...get(0), 0x1b, END] },
  // block block block br_table 0 1 2 end 5 return end 6 return end 7
  jump: {
    type: UNARY,
    body: () => [
      ...[NO_LOCALS, 0x02, 0x40, 0x02, 0x40, 0x02, 0x40, ...get(0), 0x0e, 2, 0, 1, 2, END],
      ...[...constant(5), 0x0f, END, ...constant(6), 0x0f, END, ...constant(7), END],
    ],
  },
  neverCalled: { type: UNARY, body: () => summing([...get(0), ...constant(3), 0x6c]) },
};

export const FUNCTION_NAMES = Object.keys(FUNCTIONS);

/** @param padding - length of a custom section at the end, to reach a size */
export function everythingModule(padding = 0): Uint8Array<ArrayBuffer> {
  const names = [...IMPORTED, ...FUNCTION_NAMES];
  const indexOf = (name: string) => {
    const index = names.indexOf(name);
    if (index < 0) throw new Error(`No function ${name}`);
    return index;
  };
  const call: Call = (name) => [0x10, ...leb(indexOf(name))];
  const elements = ['square', 'sum', 'bump', 'add', 'throwing', 'twice'];
  return moduleOf(
    section(1, vector(TYPES)),
    section(2, vector(IMPORTED.map((name) => [...named('env'), ...named(name), 0x00, UNARY as number]))),
    section(3, vector(Object.values(FUNCTIONS).map(({ type }) => [type]))),
    section(4, vector([[0x70, 0x00, 8]])),
    section(5, vector([[0x01, 1, 4]])),
    section(13, vector([[0x00, TAG as number]])),
    section(6, vector([[I32, 0x01, ...constant(0), END]])),
    section(
      7,
      vector([
        ...FUNCTION_NAMES.map((name) => [...named(name), 0x00, ...leb(indexOf(name))]),
        [...named('tag'), 0x04, 0],
      ]),
    ),
    section(8, leb(indexOf('start'))),
    section(9, vector([[0x00, ...constant(0), END, ...vector(elements.map((name) => leb(indexOf(name))))]])),
    codeSection(Object.values(FUNCTIONS).map(({ body }) => body(call))),
    section(11, vector([[0x00, ...constant(256), END, ...vector([1, 2, 3, 4, 5, 6, 7, 8].map((byte) => [byte]))]])),
    padding > 0 ? customSection('padding', padding) : [],
  );
}

/**
 * Native code after a program in which some functions ran often (sum, sumOfSquares and its callees), some a few times (add,
 * fibonacci, bump, and start), and the others never.
 */
export function runHot(engine: V8Engine): Promise<Uint8Array> {
  const wireBytes = everythingModule();
  return warmUp(engine, engine.compileSync(wireBytes), wireBytes);
}

/** Runs some of the module's functions until V8 has optimised them. */
export async function warmUp(engine: V8Engine, module: WebAssembly.Module, wireBytes: Uint8Array): Promise<Uint8Array> {
  const { sum, sumOfSquares, add, fibonacci, bump } = instantiateEverything(module) as Record<string, Callable>;
  add?.(1, 2);
  fibonacci?.(5);
  bump?.(1);
  for (let round = 0; round < 400; round++) {
    sum?.(10_000_000);
    sumOfSquares?.(1_000_000);
    await setTimeout(5);
    const nativeCode = engine.serialize(module);
    if (!nativeCode) continue;
    const { optimised } = readNativeCode(nativeCode, countFunctions(wireBytes));
    if (['sum', 'sumOfSquares'].every((name) => optimised.has(FUNCTION_NAMES.indexOf(name)))) return nativeCode;
  }
  throw new Error('V8 did not optimise the functions that ran hot');
}

type Callable = (...args: (number | bigint)[]) => unknown;

function instantiateEverything(module: WebAssembly.Module): Record<string, Callable> {
  const env = {
    twice: (n: number) => 2 * n,
    fail: (n: number) => {
      throw new TypeError(`failed with ${n}`);
    },
  };
  return new WebAssembly.Instance(module, { env }).exports as never;
}

const CALLS: [name: string, ...args: (number | bigint)[]][] = [
  ['add', 2, 3],
  ['add', 0x7fff_ffff, 1],
  ['sum', 1000],
  ['sumOfSquares', 100],
  ['square', -9],
  ['fibonacci', 15],
  ['isEven', 100],
  ['isOdd', 100],
  ['mix', 123_456_789_012_345n],
  ['mix', -1n],
  ['divideLong', 3n],
  ['divideLong', 0n],
  ['root', 2],
  ['root', -1],
  ['truncate', -3.7],
  ['truncate', 1e20],
  ['vector', 12],
  ['bump', 2],
  ['bump', 3],
  ['load', 256],
  ['load', 0],
  ['load', 65_536],
  ['load', -4],
  ['store', 1000, 42],
  ['store', 65_533, 1],
  ['grow', 1],
  ['load', 65_536],
  ['grow', 100],
  ['fill', 2000],
  ['load', 2004],
  ['fill', 131_060],
  ['callImport', 21],
  ['sumOfImport', 10],
  ['callFailing', 1],
  ['indirect', 0, 12],
  ['indirect', 1, 12],
  ['indirect', 2, 5],
  ['indirect', 3, 1], // another type
  ['indirect', 4, 1], // throws
  ['indirect', 5, 8], // imported
  ['indirect', 6, 1], // null
  ['indirect', 8, 1], // out of bounds
  ['indirect', -1, 1],
  ['sumOfIndirect', 50],
  ['unreachable', 0],
  ['divide', 7, -2],
  ['divide', 1, 0],
  ['divide', -0x8000_0000, -1],
  ['remainder', 7, -2],
  ['remainder', 1, 0],
  ['endless', 1],
  ['throwing', 5],
  ['catching', 5],
  ['catchingAll', 5],
  ['select', 0],
  ['select', 1],
  ['jump', 0],
  ['jump', 1],
  ['jump', 99],
  ['add', 20, 22], // after all that
];

/** Calls every function of the module twice, so that code that was lazy in the first round is compiled in the second. */
export function observeEverything(module: WebAssembly.Module): string[] {
  const exports = instantiateEverything(module);
  const observe = ([name, ...args]: (typeof CALLS)[number]) => {
    try {
      return `${name}(${args}) = ${(exports[name] as Callable)(...args)}`;
    } catch (error) {
      return `${name}(${args}): ${describe(error, exports.tag as never)}`;
    }
  };
  return [...CALLS.map(observe), ...CALLS.map(observe)];
}

function describe(error: unknown, tag: WebAssembly.Tag): string {
  return error instanceof WebAssembly.Exception ? `exception of ${error.getArg(tag, 0)}` : String(error);
}
