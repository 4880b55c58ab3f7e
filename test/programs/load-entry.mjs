// Loads the module of hot.mjs from the given cache folder, as a library user would, and prints the outcome.

import { CacheError, FileSystemCache, ModuleHash, V8Engine } from '../../dist/index.js';
import { sumModule } from '../../dist/testing/modules.js';

const wireBytes = sumModule({ offset: 5, padding: 70_000 });
const cache = new FileSystemCache(process.argv[2], { wireBytes: 'omit' });
try {
  await cache.load(ModuleHash.sha256(wireBytes), new V8Engine(), { wireBytes });
  console.log('hit');
} catch (error) {
  console.log(CacheError.is(error) ? error.kind : String(error));
}
