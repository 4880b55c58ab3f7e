import {
  enableModuleCache,
  flushModuleCache,
  getModuleCacheDir,
  moduleCacheStats,
  V8Engine,
} from '../../dist/index.js';
import { optimise, sumModule } from '../../dist/testing/modules.js';

const before = getModuleCacheDir() ?? null;
const [directory] = process.argv.slice(2);
const statuses = [enableModuleCache({ directory }).status, enableModuleCache({ directory }).status];
const engine = new V8Engine();
await optimise(new WebAssembly.Module(sumModule({ padding: 70_000 })), (each) => engine.serialize(each));
flushModuleCache();
console.log(JSON.stringify({ before, statuses, directory: getModuleCacheDir(), stats: moduleCacheStats() }));
