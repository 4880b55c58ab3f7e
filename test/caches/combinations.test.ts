// Every strategy, and every chain of two strategies, keeps the contract.
import path from 'node:path';
import { FileSystemCache, SharedCache, type SyncModuleCache, ThreadLocalCache } from '../../dist/index.js';
import { moduleCacheContract, syncModuleCacheContract } from '../../dist/testing.js';
import { Spy } from '../support/caches.js';
import { temporaryDirectory } from '../support/processes.js';

// Removed when all tests are done, because promotions go on in the background after a test.
const folders = temporaryDirectory();
let made = 0;

const strategies: Record<string, () => SyncModuleCache> = {
  ThreadLocalCache: () => new ThreadLocalCache(),
  SharedCache: () => new SharedCache({ name: `combination-${made++}` }),
  FileSystemCache: () => new FileSystemCache(path.join(folders, `cache-${made++}`)),
};

for (const [name, create] of Object.entries(strategies)) {
  syncModuleCacheContract(name, create);
  for (const [other, createOther] of Object.entries(strategies)) {
    syncModuleCacheContract(`${name} with ${other} behind it`, () => create().withFallback(createOther()));
  }
  // A strategy without synchronous methods, first or second in the chain.
  moduleCacheContract(`${name} with somebody's own behind it`, () =>
    create().withFallback(new Spy(new ThreadLocalCache())),
  );
  moduleCacheContract(`somebody's own with ${name} behind it`, () =>
    new Spy(new ThreadLocalCache()).withFallback(create()),
  );
}
