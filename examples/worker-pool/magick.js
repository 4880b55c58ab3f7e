// Every thread of the pool gets ImageMagick (15 MB of WebAssembly) from here.
import { fileURLToPath } from 'node:url';
import { FileSystemCache, HashedModuleData, inMemory, loadModule, V8Engine } from 'wasm-module-cache';

export const engine = new V8Engine();

/** `inMemory()` is one cache for all threads; the folder is for the next process. */
export const cache = inMemory().withFallback(new FileSystemCache(process.env.POOL_CACHE ?? 'cache'));

export async function loadMagick() {
  const file = fileURLToPath(import.meta.resolve('@imagemagick/magick-wasm/magick.wasm'));
  const loaded = await loadModule(await HashedModuleData.fromFile(file), { cache, engine });
  const tier = loaded.cache === cache.primary ? 'memory' : 'the folder';
  return { ...loaded, from: loaded.source === 'compiler' ? 'the compiler' : tier };
}
