// Reads and joins V8's serialised form of a module's native code: which functions ran, which are optimised. The form was read in V8's
// source (src/wasm/wasm-serialization.cc) and found again in the bytes of each version; native-code.test.ts checks it for its Node.
// All versions write:
//
//   header, one byte per imported function, one record per declared function, one u32 tiering budget per declared function
//
// A record is one byte. For optimised code a fixed number of u32 follows, then one byte (the tier), then the parts whose lengths are among
// those u32. A record refers to other functions, builtins and types by index, so it means the same in another serialised form of
// the same module.

import { loadAddon } from '../native/addon.js';
import { knownV8, type NativeCodeLayout } from './v8-versions.js';
import type { FunctionCounts } from './wasm-binary.js';

export interface NativeCode {
  readonly bytes: Uint8Array;
  /** Declared functions with optimised code. */
  readonly optimised: ReadonlySet<number>;
  /** Declared functions that ran, but too seldom to be optimised. */
  readonly executed: ReadonlySet<number>;
  /** Optimised functions that contain other functions' code. */
  readonly inlined: ReadonlySet<number>;
  /** Optimised functions whose code a learner made. */
  readonly fromLearner: ReadonlySet<number>;
  /** Where each record starts, and where the last one ends. */
  readonly recordStarts: Uint32Array;
}

/**
 * Finds the records, and accounts for every byte.
 *
 * @throws {RangeError} when the bytes differ from the known layout of this version of V8 in any way.
 */
export function readNativeCode(
  bytes: Uint8Array,
  { imported, declared }: FunctionCounts,
  v8Version?: string,
): NativeCode {
  const { codeSizeAt, headerLength, firstLength, inliningLength, numbers } = layoutOf(v8Version);
  const addon = loadAddon().addon;
  if (!addon) throw new RangeError('Native code cannot be read without the addon');
  // Natively, because a program does it at its exit: JavaScript that runs once takes 10 ms for 50,000 functions.
  const layout = Uint32Array.of(firstLength, inliningLength, numbers);
  const records = addon.readRecords(bytes, headerLength + imported, declared, layout);
  if (records.length === 2) throw unknown(...records);
  const [recordStarts, optimised, executed, inlined, codeSize] = records;
  const end = recordStarts[declared] as number;
  if (bytes.length !== end + 4 * declared) throw unknown(end, `${bytes.length - end} bytes after the records`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getBigUint64(codeSizeAt, true) !== BigInt(codeSize)) {
    throw unknown(codeSizeAt, `not the ${codeSize} bytes of machine code that the records hold`);
  }
  const fromLearner = optimised.filter((i) => view.getUint32(end + 4 * i, true) === learnerBudget(v8Version));
  return {
    bytes,
    optimised: new Set(optimised),
    executed: new Set(executed),
    inlined: new Set(inlined),
    fromLearner: new Set(fromLearner),
    recordStarts,
  };
}

/**
 * Joins the optimised code of `first` with that of the `wanted` functions that only `second` has. All other functions are as if they had
 * never run.
 *
 * @param second - of the same module, or of one whose wanted functions have the same bodies. Nothing in it ever ran. Code that
 *   contains other functions' code is left out, because their bodies may differ.
 */
export function joinNativeCode(
  first: NativeCode | undefined,
  second: NativeCode,
  wanted: ReadonlySet<number>,
  v8Version?: string,
): Uint8Array {
  const { codeSizeAt, firstLength } = layoutOf(v8Version);
  const declared = second.recordStarts.length - 1;
  // `first` was compiled with at least the features and imports that `second` was compiled with.
  const header = Buffer.from(headerOf(first ?? second));
  const parts: Uint8Array[] = [header];
  // All others get the budgets of functions that never ran.
  const budgets = Buffer.from(second.bytes.subarray(second.recordStarts[declared]));
  const fromLearner = learnerBudget(v8Version);
  let codeSize = 0;
  for (let i = 0; i < declared; i++) {
    const source = first?.optimised.has(i)
      ? first
      : wanted.has(i) && second.optimised.has(i) && !second.inlined.has(i)
        ? second
        : undefined;
    const isFromLearner = source === second || source?.fromLearner.has(i);
    if (isFromLearner) budgets.writeUInt32LE(fromLearner, 4 * i);
    else if (budgets.readUInt32LE(4 * i) === fromLearner) budgets.writeUInt32LE(fromLearner - 1, 4 * i);
    if (source) {
      const record = source.bytes.subarray(source.recordStarts[i], source.recordStarts[i + 1]);
      codeSize += new DataView(record.buffer, record.byteOffset).getUint32(1 + 4 * firstLength, true);
      parts.push(record);
    } else {
      parts.push(LAZY_RECORD);
    }
  }
  parts.push(budgets);
  header.writeBigUInt64LE(BigInt(codeSize), codeSizeAt);
  return Buffer.concat(parts);
}

/**
 * The tiering budget that says that a learner made the function's code. V8 restores and writes budgets as they are, and counts them down
 * from its default, so no code of V8's own has this one. When re-tiering drops the code, V8 counts down from here.
 */
function learnerBudget(v8Version?: string): number {
  return (knownV8(v8Version)?.tieringBudget ?? 0) + 1;
}

/** V8's record of a function that never ran. */
const LAZY_RECORD = Uint8Array.of(2);

function headerOf({ bytes, recordStarts }: NativeCode): Uint8Array {
  return bytes.subarray(0, recordStarts[0]);
}

function layoutOf(v8Version?: string): NativeCodeLayout {
  const layout = knownV8(v8Version)?.layout;
  if (!layout)
    throw new RangeError(`There is no known layout of native code for V8 ${v8Version ?? process.versions.v8}`);
  return layout;
}

function unknown(offset: number, what: string): RangeError {
  return new RangeError(`Not laid out as expected, at byte ${offset}: ${what}`);
}
