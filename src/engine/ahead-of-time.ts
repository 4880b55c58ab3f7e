import { CacheError } from '../cache-error.js';
import { loadAddon } from './addon.js';
import { joinNativeCode, readNativeCode } from './native-code.js';
import { readWasmBinary, type WasmBinary, withOnlyBodies } from './wasm-binary.js';

const { Module } = globalThis.WebAssembly ?? {};

/**
 * What to switch off so that `new WebAssembly.Module()` optimises every function before it returns, per version of V8
 * (v8-facts.md, section 4): lazy compilation and the baseline compiler; dynamic tiering, which the latter implies before V8
 * 13; and inlining, without which the code is half as large and made two to three times as fast, and does not depend on
 * other functions' bodies. Every one of them is on by default; switching on what was off by default would leave other flags
 * behind.
 *
 * The order matters, and the way back is the reverse. From V8 14 on inlining must be off before the baseline compiler is.
 * Before V8 13, dynamic tiering stays off when it is switched on while the baseline compiler is off.
 */
const FLAGS: Record<string, string[]> = {
  '11.3': ['wasm-dynamic-tiering', 'liftoff', 'wasm-lazy-compilation'],
  '12.4': ['wasm-dynamic-tiering', 'liftoff', 'wasm-lazy-compilation'],
  '13.6': ['wasm-inlining', 'wasm-lazy-compilation', 'liftoff'],
  '14.6': ['wasm-inlining', 'wasm-inlining-call-indirect', 'wasm-lazy-compilation', 'liftoff'],
};

/**
 * Optimised code for a part of a module, joined with what there is already.
 *
 * Only for a process of its own: V8's flags are other ones while it compiles, and whatever else compiled meanwhile would be
 * affected. It is synchronous and takes about as long as V8 would take to optimise those functions.
 *
 * @param nativeCode - what the functions that are optimised already, and those that ran, are taken from
 * @param coverage - `hot`: the functions that are optimised or ran according to `nativeCode`; without it a single one, so that
 *   V8, which tells nothing of a module without optimised code, tells next time what ran. `full`: all of them.
 * @returns native code as `Engine.serialize` returns it
 * @throws {CacheError} kind `Serialize`.
 */
export function optimiseAheadOfTime(
  wireBytes: Uint8Array,
  nativeCode: Uint8Array | undefined,
  coverage: 'hot' | 'full',
): Uint8Array {
  try {
    const binary = readWasmBinary(wireBytes);
    const { declared } = binary.functions;
    const first = nativeCode && readNativeCode(nativeCode, binary.functions);
    const wanted = new Set(first?.executed ?? smallestFunction(binary));
    if (coverage === 'full') for (let i = 0; i < declared; i++) wanted.add(i);
    const compiled = compileOptimised(coverage === 'full' ? wireBytes : withOnlyBodies(binary, wanted));
    return joinNativeCode(first, readNativeCode(compiled, binary.functions), wanted);
  } catch (cause) {
    if (CacheError.is(cause)) throw cause;
    throw new CacheError('Serialize', 'The module could not be optimised ahead of time', { cause });
  }
}

function compileOptimised(wireBytes: Uint8Array): Uint8Array {
  const { addon } = loadAddon();
  const flags = FLAGS[process.versions.v8.split('.').slice(0, 2).join('.')];
  if (!addon?.canSerialize || !flags) {
    throw new CacheError('Serialize', `This process (Node ${process.version}) cannot compile ahead of time`);
  }
  const tag = addon.versionTag();
  let module: WebAssembly.Module;
  try {
    for (const flag of flags) addon.setFlags(`--no-${flag}`);
    module = new Module(wireBytes as BufferSource);
  } finally {
    for (const flag of flags.toReversed()) addon.setFlags(`--${flag}`);
  }
  if (addon.versionTag() !== tag) {
    throw new CacheError('Serialize', "V8's flags are not what they were; was one of them off on the command line?");
  }
  const nativeCode = addon.serialize(module);
  if (!nativeCode) throw new CacheError('Serialize', 'V8 optimised nothing');
  return nativeCode;
}

function smallestFunction({ bodyStarts }: WasmBinary): number[] {
  let smallest = 0;
  const length = (i: number) => (bodyStarts[i + 1] as number) - (bodyStarts[i] as number);
  for (let i = 1; i < bodyStarts.length - 1; i++) if (length(i) < length(smallest)) smallest = i;
  return bodyStarts.length > 1 ? [smallest] : [];
}
