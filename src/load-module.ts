import util from 'node:util';
import { HashedModuleData } from './hashed-module-data.js';
import type { Engine, ModuleCache } from './module-cache.js';

export interface LoadModuleOptions {
  cache: ModuleCache;
  engine: Engine;
}

const debug = util.debuglog('wasm-cache');

/** Loads under way, by cache and then by engine and key. */
const underWay = new WeakMap<ModuleCache, Map<string, Promise<WebAssembly.Module>>>();

/**
 * The module with these wire bytes: from the cache, or else compiled and saved. Callers who ask for the same module while
 * it is being loaded get the same promise. Trouble with the cache never fails the load, it only makes it slower.
 *
 * @throws {WebAssembly.CompileError} when the wire bytes are not a valid module.
 *
 * @example
 * ```ts
 * const module = await loadModule(await readFile('plugin.wasm'), { cache: inMemory(), engine: new V8Engine() });
 * ```
 */
export function loadModule(
  source: BufferSource | HashedModuleData,
  { cache, engine }: LoadModuleOptions,
): Promise<WebAssembly.Module> {
  const data = source instanceof HashedModuleData ? source : HashedModuleData.sha256(source);
  let loads = underWay.get(cache);
  if (!loads) {
    loads = new Map();
    underWay.set(cache, loads);
  }
  const name = `${data.hash}:${engine.deterministicId}`;
  let load = loads.get(name);
  if (!load) {
    load = loadOrCompile(data, cache, engine).finally(() => loads.delete(name));
    loads.set(name, load);
  }
  return load;
}

async function loadOrCompile(data: HashedModuleData, cache: ModuleCache, engine: Engine): Promise<WebAssembly.Module> {
  const wireBytes = HashedModuleData.borrow(data);
  try {
    return await cache.load(data.hash, engine, { wireBytes });
  } catch (error) {
    debug('%s is compiled: %s', data.hash, error);
  }
  const module = await engine.compile(wireBytes);
  try {
    await cache.save(data.hash, engine, module);
  } catch (error) {
    debug('%s is not saved: %s', data.hash, error);
  }
  return module;
}
