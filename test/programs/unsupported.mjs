// Prints why the engine is unsupported in this process, and whether everything that needs no native code still works.
import { CacheError, inMemory, loadModule, ModuleHash, V8Engine } from '../../dist/index.js';

const engine = new V8Engine();
let works = true;
if (globalThis.WebAssembly) {
  const wireBytes = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  const { module } = await loadModule(wireBytes, { cache: inMemory(), engine });
  works = module instanceof WebAssembly.Module;
  try {
    engine.serialize(module);
    works = false;
  } catch (error) {
    works &&= CacheError.is(error, 'Serialize');
  }
}
works &&= engine.deterministicId.length > 0 && ModuleHash.random() !== undefined;
console.log(JSON.stringify({ canSerialize: engine.canSerialize, reason: engine.unsupportedReason, works }));
