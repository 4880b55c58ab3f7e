import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ThreadLocalCache } from '../../dist/caches/thread-local.js';
import { ModuleHash } from '../../dist/module-hash.js';
import { syncModuleCacheContract } from '../../dist/testing/contract.js';
import { sample } from '../../dist/testing/sample.js';

syncModuleCacheContract('ThreadLocalCache', () => new ThreadLocalCache());

it('ThreadLocalCache gives the same Module object that was saved, without asking the engine', async () => {
  const cache = new ThreadLocalCache();
  const { key, engine, module } = sample();
  engine.canSerialize = false;
  await cache.save(key, engine, module);
  assert.ok((await cache.load(key, engine)) === module);
  assert.ok(cache.loadSync(key, engine) === module);
  assert.deepEqual(engine.calls, { compile: 1, serialize: 0, deserialize: 0 });
});

it('ThreadLocalCache keeps everything', () => {
  const cache = new ThreadLocalCache();
  const { engine, module } = sample();
  const keys = Array.from({ length: 1000 }, () => ModuleHash.random());
  for (const key of keys) cache.saveSync(key, engine, module);
  assert.ok(keys.every((key) => cache.containsSync(key, engine)));
});
