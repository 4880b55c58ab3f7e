import {
  enableModuleCache,
  flushModuleCache,
  getModuleCacheDir,
  moduleCacheStats,
  V8Engine,
} from '../../dist/index.js';
import { optimise, sumModule } from '../../dist/testing/modules.js';

const before = getModuleCacheDir() ?? null;
// Arguments: the folder, and other options as JSON.
const [directory, more = '{}'] = process.argv.slice(2);
const options = { directory, ...JSON.parse(more) };
const [first, second] = [enableModuleCache(options), enableModuleCache(options)];
const statuses = [first.status, second.status];
const engine = new V8Engine();
await optimise(new WebAssembly.Module(sumModule({ padding: 70_000 })), (each) => engine.serialize(each));
flushModuleCache();
console.log(
  JSON.stringify({
    before,
    statuses,
    message: first.message,
    directory: getModuleCacheDir(),
    stats: moduleCacheStats(),
  }),
);
