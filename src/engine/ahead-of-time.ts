import { CacheError } from '../cache-error.js';
import { loadAddon, type ModuleAnalysis } from '../native/addon.js';
import { joinNativeCode, readNativeCode } from './native-code.js';
import { knownV8 } from './v8-versions.js';
import { readWasmBinary, realFunctions, withOnlyBodies } from './wasm-binary.js';

const { Module } = globalThis.WebAssembly ?? {};

/**
 * Cuts out the functions that a learner must optimise.
 *
 * @param source - the wire bytes of a module, or that module itself
 * @param functions - all of them, or those that ran without being optimised. `undefined` where V8 does not say which ran, because it has
 *   optimised nothing: then a single function is cut out, and V8 says it the next time.
 * @param analysis - of that module, if there is one
 * @returns wire bytes of a module with only these functions, for {@link optimiseAheadOfTime}
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
 * Optimises a part of a module, and joins the code with the code that there is already.
 *
 * Only for a process of its own, because it changes V8's flags: anything else that compiles at that moment would be affected. It is
 * synchronous, and takes about as long as V8 takes to optimise these functions.
 *
 * @param part - the result of {@link partToOptimise}
 * @param nativeCode - of the whole module; its optimised code stays as it is
 * @param coverage - `full` when the part has all functions: then functions that look like stubs are taken, too
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
    if (wanted.size === 0) throw new RangeError('Every function of this part is a stub: there is nothing to optimise');
    return joinNativeCode(first, second, wanted);
  } catch (cause) {
    if (CacheError.is(cause)) throw cause;
    throw new CacheError('Serialize', 'The module could not be optimised ahead of time', { cause });
  }
}

/**
 * Optimises every function of a module, without inlining.
 *
 * @throws {CacheError} kind `Serialize`.
 */
export function compileOptimised(wireBytes: Uint8Array): Uint8Array {
  const { addon } = loadAddon();
  const flags = knownV8()?.aheadOfTime;
  if (!addon?.canSerialize || !flags) {
    throw new CacheError(
      'Serialize',
      `Node ${process.version} cannot compile ahead of time: its V8 is not known, or not supported in this process`,
    );
  }
  const tag = addon.versionTag();
  let module: WebAssembly.Module;
  try {
    for (const [set] of flags) addon.setFlag(set);
    module = new Module(wireBytes as BufferSource);
  } finally {
    for (const [, reset] of flags.toReversed()) addon.setFlag(reset);
  }
  if (addon.versionTag() !== tag) {
    throw new CacheError(
      'Serialize',
      "V8's flags could not be set back. Was one of the flags that are on by default switched off on the command line?",
    );
  }
  const nativeCode = addon.serialize(module);
  if (!nativeCode) throw new CacheError('Serialize', 'V8 optimised nothing');
  return nativeCode;
}
