import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openStore } from '../../dist/stores/open-store.js';

for (const [address, kind, description] of [
  ['file:///mnt/shared', 'FileSystemStore', '/mnt/shared'],
  ['https://user:SECRET@cache.internal/wasm', 'HttpStore', 'https://cache.internal/wasm/'],
  ['redis://user:SECRET@cache.internal:6380/2', 'RedisStore', 'redis://cache.internal:6380/2'],
  ['s3://bucket/a/prefix?region=eu-central-1', 'S3Store', 's3://bucket/a/prefix'],
  ['s3://bucket?endpoint=https://minio.internal:9000', 'S3Store', 's3://bucket at https://minio.internal:9000'],
] as const) {
  it(`${address} is ${kind}, shown as ${description}`, async () => {
    const store = await openStore(address, {});
    assert.deepEqual([store.constructor.name, store.description], [kind, description]);
    await store.close?.();
  });
}

it('an invalid address is an error', async () => {
  await assert.rejects(openStore('localhost:6379', {}), { name: 'TypeError', message: /must start with/ });
});
