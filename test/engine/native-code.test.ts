import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { joinNativeCode, type NativeCode, readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';
import { V8Engine } from '../../dist/index.js';
import { optimiseInChild } from '../support/ahead-of-time.js';
import { damages, seeded } from '../support/damage.js';
import { everythingModule, FUNCTION_NAMES, observeEverything, runHot } from '../support/everything.js';
import { runProgram, temporaryDirectory } from '../support/processes.js';

const engine = new V8Engine();
const wireBytes = everythingModule();
const functions = countFunctions(wireBytes);
const all = new Set(FUNCTION_NAMES.keys());

const read = (bytes: Uint8Array) => readNativeCode(bytes, functions);
const setOf = (...names: string[]) => new Set(names.map((name) => FUNCTION_NAMES.indexOf(name)));
const sorted = (set: ReadonlySet<number>) => [...set].sort((a, b) => a - b);
const union = (...sets: ReadonlySet<number>[]) => new Set(sets.flatMap((set) => [...set]));
const recordOf = ({ bytes, recordStarts }: NativeCode, i: number) =>
  Buffer.from(bytes.subarray(recordStarts[i], recordStarts[i + 1]));

/** A random subset of the functions. */
function randomSubset(random: (limit: number) => number): Set<number> {
  const share = 1 + random(9);
  return new Set([...all].filter(() => random(10) < share));
}

let hot: NativeCode;
let full: NativeCode;
before(async () => {
  hot = read(await runHot(engine));
  full = read(optimiseInChild(wireBytes, undefined, 'full'));
});

describe('reading native code gives', () => {
  it('a record per declared function', () => {
    assert.equal(hot.recordStarts.length, FUNCTION_NAMES.length + 1);
    assert.equal(full.recordStarts.length, FUNCTION_NAMES.length + 1);
  });

  it('the functions that are optimised, those that ran, and the others', () => {
    const names = (set: ReadonlySet<number>) => sorted(set).map((i) => FUNCTION_NAMES[i] as string);
    // Another function calls it often, so V8 may have optimised it, too.
    const but = (name: string) => name !== 'square';
    assert.deepEqual(names(hot.optimised).filter(but), ['sum', 'sumOfSquares']);
    assert.deepEqual(names(hot.executed).filter(but), ['start', 'add', 'fibonacci', 'bump']);
  });

  it('all functions, if all were optimised ahead of time', () => {
    assert.deepEqual(sorted(full.optimised), [...all]);
    assert.deepEqual(full.executed, new Set());
  });

  it('the same again, and for a view at an offset', () => {
    const larger = new Uint8Array(hot.bytes.length + 13);
    larger.set(hot.bytes, 13);
    const again = read(larger.subarray(13));
    assert.deepEqual([again.optimised, again.executed], [hot.optimised, hot.executed]);
    assert.deepEqual(again.recordStarts, hot.recordStarts);
  });

  it('a RangeError with the layout of another version of V8', () => {
    const ours = process.versions.v8.split('.').slice(0, 2).join('.');
    for (const version of [
      '11.3.244.8',
      '12.4.254.21',
      '13.6.233.17',
      '14.6.202.34',
      '14.1.146.11',
      '15.0.1',
      '',
      '9',
    ]) {
      if (version.startsWith(ours)) continue;
      assert.throws(() => readNativeCode(hot.bytes, functions, version), RangeError, version);
      assert.throws(() => readNativeCode(full.bytes, functions, version), RangeError, version);
      if (['14.1.146.11', '15.0.1', '', '9'].includes(version)) {
        assert.throws(() => joinNativeCode(hot, full, all, version), RangeError, version);
      }
    }
  });

  it('a RangeError for a module with other functions', () => {
    const { imported, declared } = functions;
    for (const other of [
      { imported, declared: declared + 1 },
      { imported, declared: declared - 1 },
      { imported: imported + 1, declared },
      { imported: imported - 1, declared },
      { imported: 0, declared: 0 },
      { imported: 1_000_000, declared },
      { imported, declared: 1_000_000 },
    ]) {
      assert.throws(() => readNativeCode(hot.bytes, other), RangeError);
      assert.throws(() => readNativeCode(full.bytes, other), RangeError);
    }
  });
});

describe('damaged native code is a RangeError:', () => {
  it('cut off anywhere', () => {
    for (const { bytes } of [hot, full]) {
      for (let length = 0; length < bytes.length; length++) {
        assert.throws(() => read(bytes.subarray(0, length)), RangeError, `cut off at byte ${length}`);
      }
    }
  });

  it('with a byte too many', () => {
    for (const { bytes } of [hot, full]) {
      for (const more of [0, 2, 3, 4]) {
        assert.throws(() => read(Buffer.concat([bytes, Uint8Array.of(more)])), RangeError);
        assert.throws(() => read(Buffer.concat([Uint8Array.of(more), bytes])), RangeError);
      }
    }
  });

  it('a record of any other kind', () => {
    for (const native of [hot, full]) {
      for (const i of all) {
        const bytes = Buffer.from(native.bytes);
        const at = native.recordStarts[i] as number;
        const original = bytes[at];
        for (let kind = 0; kind < 256; kind++) {
          // Whether a function ran is told by this byte alone.
          if (kind === original || (original !== 4 && (kind === 2 || kind === 3))) continue;
          bytes[at] = kind;
          assert.throws(() => read(bytes), RangeError, `${FUNCTION_NAMES[i]}: ${kind} for ${original}`);
        }
      }
    }
  });

  it('any other byte, unless the result is the same', () => {
    for (const native of [hot, full]) {
      const bytes = Buffer.from(native.bytes);
      const kinds = new Set(native.recordStarts.subarray(0, -1));
      let noticed = 0;
      for (let at = 0; at < bytes.length; at++) {
        if (kinds.has(at)) continue;
        const original = bytes[at] as number;
        for (const flipped of [original ^ 1, original ^ 0x80, original ^ 0xff]) {
          bytes[at] = flipped;
          try {
            const { optimised, executed, recordStarts } = read(bytes);
            assert.deepEqual([optimised, executed], [native.optimised, native.executed]);
            assert.deepEqual(recordStarts, native.recordStarts);
          } catch (error) {
            assert.ok(error instanceof RangeError, `byte ${at}: ${error}`);
            noticed++;
          }
        }
        bytes[at] = original;
      }
      // At least five lengths of four bytes, the kind and the tier of each record, and the total size of the code.
      assert.ok(noticed >= 3 * (25 * native.optimised.size + 8), `${noticed} of them were noticed`);
    }
  });

  it('in 5000 ways, unless the shape is the same', () => {
    for (const { name, bytes } of damages(hot.bytes, full.bytes, 5000)) {
      try {
        assert.equal(read(bytes).recordStarts.length, FUNCTION_NAMES.length + 1, name);
      } catch (error) {
        assert.ok(error instanceof RangeError, `${name}: ${error}`);
      }
    }
  });
});

/** Lets V8 restore it in a child process, and compares the results of the functions with those of a plain module. */
function assertWorks(nativeCode: Uint8Array): void {
  const directory = temporaryDirectory();
  const files = ['wire-bytes', 'native-code'].map((name) => path.join(directory, name)) as [string, string];
  writeFileSync(files[0], wireBytes);
  writeFileSync(files[1], nativeCode);
  const { status, signal, stdout, stderr } = runProgram('observe.mjs', { args: files });
  assert.deepEqual([status, signal, stderr], [0, null, '']);
  const { optimised, observed } = JSON.parse(stdout);
  assert.deepEqual(optimised, sorted(read(nativeCode).optimised));
  assert.deepEqual(observed, observeEverything(new WebAssembly.Module(wireBytes)));
}

describe('joined native code', () => {
  it('holds the wanted functions, and marks none as executed', () => {
    const random = seeded(3);
    for (let round = 0; round < 50; round++) {
      const wanted = randomSubset(random);
      const alone = read(joinNativeCode(undefined, full, wanted));
      assert.deepEqual(sorted(alone.optimised), sorted(wanted));
      assert.deepEqual(alone.executed, new Set());
      const both = read(joinNativeCode(hot, full, wanted));
      assert.deepEqual(sorted(both.optimised), sorted(union(hot.optimised, wanted)));
      assert.deepEqual(both.executed, new Set());
    }
  });

  it('has the records of the first where that has code, and of the second elsewhere', () => {
    const joined = read(joinNativeCode(hot, full, all));
    for (const i of all) {
      assert.deepEqual(recordOf(joined, i), recordOf(hot.optimised.has(i) ? hot : full, i));
    }
  });

  it('has no code for functions that neither has', () => {
    const some = read(joinNativeCode(undefined, full, setOf('add', 'root')));
    assert.deepEqual(sorted(read(joinNativeCode(undefined, some, all)).optimised), sorted(some.optimised));
    const optimised = union(hot.optimised, some.optimised);
    assert.deepEqual(sorted(read(joinNativeCode(hot, some, all)).optimised), sorted(optimised));
    assert.deepEqual(read(joinNativeCode(undefined, some, new Set())).optimised, new Set());
  });

  it('from parts equals the whole', () => {
    const random = seeded(4);
    const part = randomSubset(random);
    const first = read(joinNativeCode(undefined, full, part));
    const whole = joinNativeCode(undefined, full, all);
    assert.deepEqual(Buffer.from(joinNativeCode(first, full, all)), Buffer.from(whole));
    const records = full.recordStarts[full.recordStarts.length - 1];
    assert.deepEqual(Buffer.from(whole.subarray(0, records)), Buffer.from(full.bytes.subarray(0, records)));
  });

  it('says whose code each function has, also when it was restored and serialised again', () => {
    const random = seeded(6);
    const wanted = randomSubset(random);
    assert.deepEqual([sorted(full.fromLearner), hot.fromLearner.size], [[...all], 0]);
    const joined = read(joinNativeCode(hot, full, wanted));
    const learnt = sorted(wanted).filter((i) => !hot.optimised.has(i));
    assert.deepEqual(sorted(joined.fromLearner), learnt);
    const again = read(joinNativeCode(joined, full, all));
    assert.deepEqual(
      sorted(again.fromLearner),
      [...all].filter((i) => !hot.optimised.has(i)),
    );
    // With a custom section behind them: for bytes of a module that lives V8 takes that one's code.
    const others = Buffer.concat([wireBytes, Uint8Array.of(0, 2, 1, 120)]);
    const restored = engine.serialize(engine.deserialize(joined.bytes, others));
    assert.deepEqual(restored && sorted(read(restored).fromLearner), learnt);
  });

  it('does not change its sources', () => {
    const copies = [hot, full].map(({ bytes }) => Buffer.from(bytes));
    joinNativeCode(hot, full, setOf('add'));
    joinNativeCode(undefined, full, setOf('add'));
    assert.deepEqual(
      [hot, full].map(({ bytes }) => Buffer.from(bytes)),
      copies,
    );
  });

  it('computes the same as the module if all of it is optimised', () => assertWorks(full.bytes));

  it('computes the same as the module if some functions were optimised in another way', () => {
    assertWorks(joinNativeCode(hot, full, all));
  });

  const random = seeded(5);
  for (let round = 0; round < 6; round++) {
    const wanted = randomSubset(random);
    it(`computes the same as the module with ${wanted.size} functions of ${all.size}, chosen at random (${round})`, () => {
      assertWorks(joinNativeCode(round % 2 ? hot : undefined, full, wanted));
    });
  }

  it('computes the same as the module if only callers or only callees are optimised', () => {
    const callers = [
      'sumOfSquares',
      'isEven',
      'callImport',
      'sumOfImport',
      'indirect',
      'sumOfIndirect',
      'catching',
      'endless',
    ];
    const called = ['square', 'isOdd', 'sum', 'throwing', 'bump', 'start'];
    assertWorks(joinNativeCode(undefined, full, setOf(...callers)));
    assertWorks(joinNativeCode(undefined, full, setOf(...called)));
  });
});

describe('compiling ahead of time gives', () => {
  it('the smallest function if it is unknown what ran, so that V8 tells next time', () => {
    const { optimised, executed } = read(optimiseInChild(wireBytes, undefined, 'hot'));
    assert.deepEqual([optimised.size, executed.size], [1, 0]);
  });

  it('the functions that ran, and those that were optimised already', () => {
    const learnt = optimiseInChild(wireBytes, hot.bytes, 'hot');
    const { optimised, executed } = read(learnt);
    assert.deepEqual(sorted(optimised), sorted(union(hot.optimised, hot.executed)));
    assert.deepEqual(executed, new Set());
    for (const i of hot.optimised) assert.deepEqual(recordOf(read(learnt), i), recordOf(hot, i));
    assertWorks(learnt);
  });

  it('all functions, and keeps those that were optimised already', () => {
    const learnt = optimiseInChild(wireBytes, hot.bytes, 'full');
    assert.deepEqual(sorted(read(learnt).optimised), [...all]);
    for (const i of hot.optimised) assert.deepEqual(recordOf(read(learnt), i), recordOf(hot, i));
    // Two processes do not give the same bytes: V8 writes numbers of 32 bits over the addresses in calls, and of what
    // was there the upper half stays. V8 reads only the lower.
    assert.deepEqual(read(learnt).recordStarts, read(joinNativeCode(hot, full, all)).recordStarts);
    assertWorks(learnt);
  });
});
