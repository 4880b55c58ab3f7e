import type { Addon } from '../native/addon.js';

type Deserialize = (nativeCode: ArrayBuffer, wireBytes: Uint8Array) => WebAssembly.Module | undefined;

// Captured: programs replace globals. Called by another name, eval evaluates in the global scope.
// biome-ignore lint/security/noGlobalEval: V8's intrinsics have no other door; the source is the constant below.
const indirectEval = globalThis.eval;

// The parentheses make V8 compile the function at once, while the syntax is allowed, instead of at its first call.
const SOURCE = '(function (nativeCode, wireBytes) { return %DeserializeWasmModule(nativeCode, wireBytes); })';

/**
 * Gets V8's own deserialiser, which is an intrinsic on Node 20, 22 and 24. The flag that allows intrinsics is on for the microseconds of
 * this call. If it was on before, it stays on.
 *
 * @throws when there is no such intrinsic (Node 25 and later), or when code generation from strings is forbidden.
 */
export function deserializeByNativesSyntax(addon: Addon): Deserialize {
  const open = () => {
    const intrinsic = indirectEval(SOURCE) as Deserialize;
    // Called once while the flag is on, because with --max-lazy only a call compiles it. V8 refuses three bytes cleanly.
    intrinsic(new ArrayBuffer(3), new Uint8Array(0));
    return intrinsic;
  };
  let deserialize: Deserialize;
  try {
    deserialize = open(); // if the syntax is on already
  } catch {
    deserialize = addon.changeFlag('--allow-natives-syntax', '--no-allow-natives-syntax', open);
  }
  return (nativeCode, wireBytes) => addon.withSteadyFlags(() => deserialize(nativeCode, wireBytes));
}
