import assert from 'node:assert/strict';
import { describe } from 'node:test';
import fc from 'fast-check';
import { joinNativeCode, readNativeCode } from '../../dist/engine/native-code.js';
import {
  countFunctions,
  type FunctionCounts,
  readWasmBinary,
  realFunctions,
  withOnlyBodies,
} from '../../dist/engine/wasm-binary.js';
import { everythingModule } from '../support/everything.js';
import { arbitraryBytes, arbitraryMutations, holds, mutate } from '../support/fuzz.js';
import { codeSection, customSection, leb, moduleOf, named, section, sleb, vector } from '../support/wasm-binary.js';

/** The result, or `undefined` if it refused the bytes properly. */
function unlessRefused<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    assert.ok(error instanceof RangeError && error.message !== '', String(error));
    return undefined;
  }
}

const I32 = 0x7f;
const TYPES = section(1, vector([[0x60, 1, I32, 1, I32]]));
const IMPORTS: Record<string, number[]> = {
  function: [0x00, 0],
  table: [0x01, 0x70, 0x01, ...leb(300), ...leb(70_000)],
  memory: [0x02, 0x00, 1],
  global: [0x03, I32, 0x00],
  tag: [0x04, 0x00, 1],
};

/** Custom sections between all others, and data segments, which the readers must skip. */
const modules = fc
  .record({
    imports: fc.array(fc.tuple(fc.constantFrom('function', 'table', 'global'), fc.string({ maxLength: 5 }))),
    constants: fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
    custom: fc.option(fc.nat(200), { nil: undefined }),
    data: fc.array(fc.array(fc.nat(255), { maxLength: 4 }), { maxLength: 3 }),
  })
  .map(({ imports, constants, custom, data }) => {
    const between = custom === undefined ? [] : customSection('between', custom);
    const text = (name: string) => [...leb(Buffer.byteLength(name)), ...Buffer.from(name)];
    // As many instructions as the number is long, so that the bodies differ in length.
    const body = (value: number) => [0x00, ...sleb(value).flatMap(() => [0x01]), 0x41, ...sleb(value), 0x0b];
    const wireBytes = moduleOf(
      between,
      TYPES,
      section(2, vector(imports.map(([kind, name]) => [...text(name), ...text(kind), ...(IMPORTS[kind] as number[])]))),
      between,
      section(3, vector(constants.map(() => [0]))),
      section(5, vector([[0x00, 1]])),
      section(7, vector(constants.map((_, i) => [...named(`f${i}`), 0x00, ...leb(imported(imports) + i)]))),
      between,
      codeSection(constants.map(body)),
      section(11, vector(data.map((bytes) => [0x00, 0x41, 0, 0x0b, ...leb(bytes.length), ...bytes]))),
      between,
    );
    return { wireBytes, constants, counts: { imported: imported(imports), declared: constants.length } };
  });

function imported(imports: [kind: string, name: string][]): number {
  return imports.filter(([kind]) => kind === 'function').length;
}

/** Runs every reader on arbitrary bytes. */
function assertTotal(wireBytes: Uint8Array, kept: number[]): void {
  const isValid = WebAssembly.validate(wireBytes as BufferSource);
  const counts = unlessRefused(() => countFunctions(wireBytes));
  const binary = unlessRefused(() => readWasmBinary(wireBytes));
  if (binary) {
    const { functions, bodyStarts } = binary;
    assert.deepEqual(functions, counts);
    assert.equal(bodyStarts.length, functions.declared + 1);
    assert.ok(
      bodyStarts.every((start, i) => start <= wireBytes.length && (i === 0 || start > (bodyStarts[i - 1] as number))),
    );
    assert.ok(realFunctions(binary).size <= functions.declared);
  }
  if (counts && isValid) {
    const imports = WebAssembly.Module.imports(new WebAssembly.Module(wireBytes as BufferSource));
    assert.equal(counts.imported, imports.filter(({ kind }) => kind === 'function').length);
  }
  for (const forCompiling of [false, true]) {
    for (const functions of ['all', 'smallest', new Set(kept)] as const) {
      const cut = unlessRefused(() => withOnlyBodies(wireBytes, functions, forCompiling));
      if (!cut) continue;
      // A body of two bytes becomes a stub of five, an export without a name gets one.
      assert.ok(cut.length <= 16 + 8 * wireBytes.length, `${cut.length} bytes of ${wireBytes.length}`);
      if (isValid) assert.ok(WebAssembly.validate(cut as BufferSource), `${functions}, ${forCompiling}`);
    }
  }
}

const HEADER = moduleOf();
const lists = fc.array(fc.oneof(fc.nat(10), fc.constant(0xffff_ffff)), { maxLength: 3 });
const everything = everythingModule();

describe('wasm binaries', () => {
  holds('are read as they were built', [modules], ({ wireBytes, counts, constants }) => {
    assert.ok(WebAssembly.validate(wireBytes));
    assert.deepEqual(countFunctions(wireBytes), counts);
    const binary = readWasmBinary(wireBytes);
    assert.deepEqual(binary.functions, counts);
    assert.deepEqual(realFunctions(binary), new Set(constants.keys()));
  });

  holds('are cut correctly', [modules, fc.array(fc.boolean()), fc.boolean()], (built, choices, forCompiling) => {
    const { wireBytes, constants } = built;
    const kept = new Set([...constants.keys()].filter((i) => choices[i]));
    const cut = withOnlyBodies(wireBytes, kept, forCompiling);
    assert.ok(WebAssembly.validate(cut as BufferSource));
    assert.deepEqual(countFunctions(cut), built.counts);
    assert.deepEqual(realFunctions(readWasmBinary(cut)), kept);
    const whole = withOnlyBodies(wireBytes, 'all', forCompiling);
    if (!forCompiling) assert.deepEqual(Buffer.from(whole), Buffer.from(wireBytes));
    for (const unknown of [constants.length, 0xffff_ffff]) {
      assert.throws(() => withOnlyBodies(wireBytes, new Set([...kept, unknown]), forCompiling), RangeError);
    }
  });

  holds('of any bytes do no harm', [fc.boolean(), arbitraryBytes(200), lists], (isModule, bytes, kept) => {
    assertTotal(isModule ? Buffer.concat([HEADER, bytes]) : bytes, kept);
  });

  const sections = fc.array(fc.tuple(fc.nat(13), arbitraryBytes(20)), { maxLength: 6 });
  holds('of any sections do no harm', [sections, lists], (contents, kept) => {
    assertTotal(moduleOf(...contents.map(([id, bytes]) => section(id, [...bytes]))), kept);
  });

  holds('to which something happened do no harm', [modules, arbitraryMutations, lists], (built, mutations, kept) => {
    assertTotal(mutate(built.wireBytes, mutations), kept);
  });

  holds(
    'with any code and any damage do no harm',
    [arbitraryMutations, lists],
    (mutations, kept) => assertTotal(mutate(everything, mutations), kept),
    { cost: 2 },
  );
});

/** The constants of native-code.ts. */
const LAYOUTS = [
  { v8: '11.3.244.8', codeSizeAt: 16, headerLength: 25, firstLength: 7, inliningLength: 10, numbers: 12 },
  { v8: '12.4.254.21', codeSizeAt: 20, headerLength: 29, firstLength: 7, inliningLength: 10, numbers: 12 },
  { v8: '13.6.233.17', codeSizeAt: 24, headerLength: 41, firstLength: 8, inliningLength: 11, numbers: 14 },
  { v8: '14.6.202.34', codeSizeAt: 36, headerLength: 45, firstLength: 9, inliningLength: 12, numbers: 16 },
];
type Layout = (typeof LAYOUTS)[number];
const layouts = fc.constantFrom(...LAYOUTS);

type FunctionState = 'lazy' | 'executed' | { blocks: number; lengths: number[]; isInlined: boolean };
const states: fc.Arbitrary<FunctionState> = fc.oneof(
  fc.constantFrom('lazy' as const, 'executed' as const),
  fc.record({
    blocks: fc.integer({ min: 1, max: 4 }),
    lengths: fc.array(fc.nat(9), { minLength: 16, maxLength: 16 }),
    isInlined: fc.boolean(),
  }),
);
const functionLists = fc.array(states, { maxLength: 8 });

function serialised(layout: Layout, importedFunctions: number, functions: FunctionState[]): Buffer {
  const header = Buffer.alloc(layout.headerLength + importedFunctions);
  const parts = [header];
  let codeSize = 0;
  for (const state of functions) {
    if (typeof state === 'string') {
      parts.push(Buffer.of(state === 'lazy' ? 2 : 3));
      continue;
    }
    const numbers = state.lengths.slice(0, layout.numbers);
    numbers[layout.firstLength] = 32 * state.blocks;
    numbers[layout.inliningLength] = state.isInlined ? 3 : 0;
    codeSize += 32 * state.blocks;
    const record = Buffer.alloc(1 + 4 * layout.numbers + 4 + 1, 0);
    record[0] = 4;
    for (const [i, number] of numbers.entries()) record.writeUInt32LE(number, 1 + 4 * i);
    record[record.length - 1] = 2;
    const length = numbers.slice(layout.firstLength).reduce((sum, each) => sum + each, 0);
    parts.push(record, Buffer.alloc(length, 0xcc));
  }
  header.writeBigUInt64LE(BigInt(codeSize), layout.codeSizeAt);
  return Buffer.concat([...parts, Buffer.alloc(4 * functions.length, 0x11)]);
}

function indicesOf(functions: FunctionState[], isWanted: (state: FunctionState) => boolean): Set<number> {
  return new Set([...functions.keys()].filter((i) => isWanted(functions[i] as FunctionState)));
}

const isOptimised = (state: FunctionState) => typeof state === 'object';
const isInlined = (state: FunctionState) => typeof state === 'object' && state.isInlined;

/** The reader refuses the bytes or accounts for each of them. */
function assertNativeTotal(bytes: Uint8Array, counts: FunctionCounts, { v8, headerLength }: Layout): void {
  const native = unlessRefused(() => readNativeCode(bytes, counts, v8));
  if (!native) return;
  const { recordStarts, optimised, executed, inlined } = native;
  assert.equal(recordStarts.length, counts.declared + 1);
  assert.equal(recordStarts[0], headerLength + counts.imported);
  assert.ok(recordStarts.every((start, i) => i === 0 || start > (recordStarts[i - 1] as number)));
  assert.equal(bytes.length, (recordStarts[counts.declared] as number) + 4 * counts.declared);
  for (const set of [optimised, executed]) for (const i of set) assert.ok(i < counts.declared);
  assert.ok([...inlined].every((i) => optimised.has(i)) && [...executed].every((i) => !optimised.has(i)));
}

const declaredCounts = fc.oneof(
  fc.nat(10),
  fc.constantFrom(1_000_000, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 53, 2 ** 63),
);
const counts = fc.record({ imported: fc.oneof(fc.nat(10), fc.nat(1_000_000)), declared: declaredCounts });

describe('native code', () => {
  holds('is read as it was written', [layouts, fc.nat(20), functionLists], (layout, importedFunctions, functions) => {
    const bytes = serialised(layout, importedFunctions, functions);
    const declared = functions.length;
    const native = readNativeCode(bytes, { imported: importedFunctions, declared }, layout.v8);
    assert.deepEqual(native.optimised, indicesOf(functions, isOptimised));
    assert.deepEqual(native.inlined, indicesOf(functions, isInlined));
    assert.deepEqual(
      native.executed,
      indicesOf(functions, (state) => state === 'executed'),
    );
    assertNativeTotal(bytes, { imported: importedFunctions, declared }, layout);
  });

  const pairs = fc.array(fc.tuple(states, states, fc.boolean()), { maxLength: 8 });
  holds('of two compilations is joined', [layouts, fc.nat(20), pairs], (layout, importedFunctions, functions) => {
    const read = (bytes: Uint8Array) =>
      readNativeCode(bytes, { imported: importedFunctions, declared: functions.length }, layout.v8);
    const [one, other] = [functions.map(([state]) => state), functions.map(([, state]) => state)];
    const wanted = new Set([...functions.keys()].filter((i) => functions[i]?.[2]));
    const [first, second] = [one, other].map((each) => read(serialised(layout, importedFunctions, each)));
    const joined = read(joinNativeCode(first, second as typeof first & object, wanted, layout.v8));
    const taken = (i: number) => isOptimised(other[i] as FunctionState) && !isInlined(other[i] as FunctionState);
    const expected = [...functions.keys()].filter(
      (i) => isOptimised(one[i] as FunctionState) || (wanted.has(i) && taken(i)),
    );
    assert.deepEqual(joined.optimised, new Set(expected));
    assert.deepEqual(joined.executed, new Set());
  });

  holds('of any bytes does no harm', [layouts, arbitraryBytes(300), counts], (layout, bytes, functions) => {
    assertNativeTotal(bytes, functions, layout);
  });

  const mutated = [layouts, fc.nat(20), functionLists, arbitraryMutations, fc.option(counts)] as const;
  holds('to which something happened does no harm', [...mutated], (layout, importedFunctions, functions, ...more) => {
    const [mutations, otherCounts] = more;
    const bytes = mutate(serialised(layout, importedFunctions, functions), mutations);
    assertNativeTotal(bytes, otherCounts ?? { imported: importedFunctions, declared: functions.length }, layout);
  });
});
