import { CacheError } from '../cache-error.js';
import { loadAddon, type ModuleAnalysis } from '../native/addon.js';
import { joinNativeCode, readNativeCode } from './native-code.js';
import { knownV8 } from './v8-versions.js';
import { readWasmBinary, realFunctions, withOnlyBodies } from './wasm-binary.js';

const { Module } = globalThis.WebAssembly ?? {};

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
  const flags = knownV8()?.aheadOfTime;
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
