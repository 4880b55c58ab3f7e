import { CacheError } from '../cache-error.js';
import { compile, compileSync } from '../load-progress.js';
import type { Engine, LoadOptions } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';
import { type Artifact, decodeArtifact, encodeArtifact } from './artifact.js';
import { checkExpectation } from './header.js';

/**
 * @internal The artifact of the module as it is now.
 *
 * @throws {CacheError} kind `Serialize`.
 */
export function artifactOf(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Artifact {
  const engineId = engine.deterministicId;
  const nativeCode = engine.serialize(module);
  const wireBytes = engine.wireBytes(module);
  return {
    key,
    engineId,
    coverage: nativeCode ? 'hot' : 'none',
    generation: 0,
    final: false,
    bypassedUntil: 0,
    hasLearnerCode: false,
    optimisedFor: 0,
    observedFor: 0,
    missing: 0,
    nativeCode: nativeCode ?? new Uint8Array(0),
    wireBytes,
    wireLength: wireBytes.length,
  };
}

/**
 * Encodes a module, for strategies that store bytes: its current optimised machine code and its wire bytes, behind a header with key,
 * engine id and checksums.
 *
 * @throws {CacheError} kind `Serialize` when the engine cannot serialise.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { decodeModule, encodeModule, ModuleHash, V8Engine } from 'wasm-module-cache';
 *
 * const engine = new V8Engine();
 * const wireBytes = await readFile('plugin.wasm');
 * const key = ModuleHash.sha256(wireBytes);
 * const bytes = encodeModule(key, engine, await engine.compile(wireBytes));
 * const module = await decodeModule(bytes, key, engine); // here, or in another process
 * console.log(WebAssembly.Module.exports(module).length);
 * ```
 */
export function encodeModule(key: ModuleHash, engine: Engine, module: WebAssembly.Module): Uint8Array {
  return encodeArtifact(artifactOf(key, engine, module));
}

/**
 * Decodes the bytes of {@link encodeModule}. It checks the format, the key, the engine id, all lengths and checksums before anything
 * reaches the engine. The caller must know who can have written the bytes, because they are machine code.
 *
 * @param options - `wireBytes` save a copy; `onProgress` is called for compiling, if nothing was optimised yet; `signal` is not used.
 * @throws {CacheError} kind `Deserialize` when the bytes are damaged, or for another key or engine. A strategy's `load` should turn that
 * into a miss.
 *
 * @example
 * ```ts
 * import { CacheError, decodeModule, ModuleHash, V8Engine } from 'wasm-module-cache';
 *
 * const damaged = new Uint8Array(1000);
 * const outcome = decodeModule(damaged, ModuleHash.random(), new V8Engine()).catch((error) => error);
 * console.log(CacheError.is(await outcome, 'Deserialize')); // true
 * ```
 */
export async function decodeModule(
  bytes: Uint8Array,
  key: ModuleHash,
  engine: Engine,
  options: LoadOptions = {},
): Promise<WebAssembly.Module> {
  const { coverage, nativeCode, wireBytes } = check(bytes, key, engine, options);
  return coverage === 'none'
    ? compile(engine, wireBytes, options.onProgress)
    : engine.deserialize(nativeCode, wireBytes);
}

/**
 * The synchronous form of {@link decodeModule}.
 *
 * @throws {CacheError} kind `Deserialize`.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs';
 * import { decodeModuleSync, encodeModule, ModuleHash, V8Engine } from 'wasm-module-cache';
 *
 * const engine = new V8Engine();
 * const wireBytes = readFileSync('plugin.wasm');
 * const key = ModuleHash.sha256(wireBytes);
 * const bytes = encodeModule(key, engine, engine.compileSync(wireBytes));
 * console.log(decodeModuleSync(bytes, key, engine, { wireBytes }) instanceof WebAssembly.Module); // true
 * ```
 */
export function decodeModuleSync(
  bytes: Uint8Array,
  key: ModuleHash,
  engine: Engine,
  options: LoadOptions = {},
): WebAssembly.Module {
  const { coverage, nativeCode, wireBytes } = check(bytes, key, engine, options);
  return coverage === 'none'
    ? compileSync(engine, wireBytes, options.onProgress)
    : engine.deserialize(nativeCode, wireBytes);
}

function check(bytes: Uint8Array, key: ModuleHash, engine: Engine, options: LoadOptions) {
  if (!(bytes instanceof Uint8Array)) throw new CacheError('Deserialize', `Not bytes: ${typeof bytes}`);
  const artifact = decodeArtifact(bytes);
  const wireLength = options.wireBytes?.length;
  checkExpectation(artifact, { key, engineId: engine.deterministicId, wireLength });
  const wireBytes = options.wireBytes ?? artifact.wireBytes;
  if (wireBytes) return { ...artifact, wireBytes };
  throw new CacheError('Deserialize', `The artifact of ${key} has no wire bytes, and none were given`);
}
