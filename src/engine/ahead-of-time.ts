import { CacheError } from '../cache-error.js';
import { loadAddon, type ModuleAnalysis } from '../native/addon.js';
import { joinNativeCode, readNativeCode } from './native-code.js';
import { readWasmBinary, realFunctions, withOnlyBodies } from './wasm-binary.js';

const { Module } = globalThis.WebAssembly ?? {};

/**
 * What to set, and then to set again in the reverse order, so that `new WebAssembly.Module()` optimises every function before
 * it returns, per version of V8 (docs/v8.md, "Flags for compiling everything"):
 *
 * - no lazy compilation and no baseline compiler; no dynamic tiering, which V8 switches off for as long as the baseline
 *   compiler is off, before version 13;
 * - no inlining: the code is half as large, made two to three times as fast, and does not depend on other functions' bodies,
 *   which may be stubs. From V8 14 on it must be off before the baseline compiler is. V8 12 inlines in modules with garbage
 *   collected types only, and has no switch for it but the size up to which.
 *
 * Every one of them is on by default; switching on what was off by default would leave other flags behind.
 */
export const FLAGS: Record<string, [set: string, reset: string][]> = {
  '11.3': ['wasm-dynamic-tiering', 'liftoff', 'wasm-lazy-compilation'].map(toggle),
  '12.4': [
    ['--wasm-inlining-max-size=0', '--wasm-inlining-max-size=500'],
    ...['wasm-dynamic-tiering', 'liftoff', 'wasm-lazy-compilation'].map(toggle),
  ],
  '13.6': ['wasm-inlining', 'wasm-lazy-compilation', 'liftoff'].map(toggle),
  '14.6': ['wasm-inlining', 'wasm-inlining-call-indirect', 'wasm-lazy-compilation', 'liftoff'].map(toggle),
};

function toggle(flag: string): [string, string] {
  return [`--no-${flag}`, `--${flag}`];
}

/**
 * What of a module is to be compiled ahead of time.
 *
 * @param source - the wire bytes of a module, or that module itself
 * @param functions - those that are wanted: all of them, or those that ran without being optimised. Where V8 tells nothing,
 *   because it has optimised nothing, `undefined`: a single function then, and next time it will.
 * @param analysis - of that module, where there is one: see {@link withOnlyBodies}
 * @returns wire bytes of a module with just these functions, for {@link optimiseAheadOfTime}
 * @throws {RangeError} when the module cannot be read.
 */
export function partToOptimise(
  source: Uint8Array | WebAssembly.Module,
  functions: ReadonlySet<number> | 'all' | undefined,
  analysis?: ModuleAnalysis,
): Uint8Array {
  return withOnlyBodies(source, functions ?? 'smallest', true, analysis);
}

/**
 * Optimised code for a part of a module, joined with what there is already.
 *
 * Only for a process of its own: V8's flags are other ones while it compiles, and whatever else compiled meanwhile would be
 * affected. It is synchronous and takes about as long as V8 would take to optimise those functions.
 *
 * @param part - of {@link partToOptimise}
 * @param nativeCode - of the whole module; what is optimised in it stays as it is
 * @param coverage - `full` when the part has all functions: then also those that look like stubs are taken
 * @returns native code of the whole module, as `Engine.serialize` returns it
 * @throws {CacheError} kind `Serialize`.
 */
export function optimiseAheadOfTime(
  part: Uint8Array,
  nativeCode: Uint8Array | undefined,
  coverage: 'hot' | 'full',
): Uint8Array {
  try {
    const binary = readWasmBinary(part);
    const first = nativeCode && readNativeCode(nativeCode, binary.functions);
    const second = readNativeCode(compileOptimised(part), binary.functions);
    const wanted = coverage === 'full' ? second.optimised : realFunctions(binary);
    if (wanted.size === 0) throw new RangeError('Every function of this part is a stub');
    return joinNativeCode(first, second, wanted);
  } catch (cause) {
    if (CacheError.is(cause)) throw cause;
    throw new CacheError('Serialize', 'The module could not be optimised ahead of time', { cause });
  }
}

/**
 * Optimised code for every function of a module, none of it inlined.
 *
 * @throws {CacheError} kind `Serialize`.
 */
export function compileOptimised(wireBytes: Uint8Array): Uint8Array {
  const { addon } = loadAddon();
  const flags = FLAGS[process.versions.v8.split('.').slice(0, 2).join('.')];
  if (!addon?.canSerialize || !flags) {
    throw new CacheError('Serialize', `This process (Node ${process.version}) cannot compile ahead of time`);
  }
  const tag = addon.versionTag();
  let module: WebAssembly.Module;
  try {
    for (const [set] of flags) addon.setFlags(set);
    module = new Module(wireBytes as BufferSource);
  } finally {
    for (const [, reset] of flags.toReversed()) addon.setFlags(reset);
  }
  if (addon.versionTag() !== tag) {
    throw new CacheError('Serialize', "V8's flags are not what they were; was one of them off on the command line?");
  }
  const nativeCode = addon.serialize(module);
  if (!nativeCode) throw new CacheError('Serialize', 'V8 optimised nothing');
  return nativeCode;
}
