import assert from 'node:assert/strict';
import { it } from 'node:test';
import { DirectHttp } from '../../dist/stores/direct-http.js';
import { DirectRedis } from '../../dist/stores/direct-redis.js';
import { openDirectly } from '../../dist/stores/open-directly.js';

for (const [address, expected] of [
  ['redis://host', DirectRedis],
  ['http://host/path', DirectHttp],
  ['HTTP://host/path', DirectHttp],
  ['rediss://host', undefined],
  ['https://host', undefined],
  ['s3://bucket?endpoint=http://host', undefined],
  ['file:///folder', undefined],
] as const) {
  it(`${address}: ${expected?.name ?? 'there is no such way'}`, () => {
    assert.equal(openDirectly(address, {})?.constructor, expected);
  });
}

it('refuses what is no address, and a log-in in two ways', () => {
  assert.throws(() => openDirectly('nowhere', {}), TypeError);
  assert.throws(() => openDirectly('http://user:word@host', { WASM_CACHE_REMOTE_TOKEN: 'token' }), TypeError);
});
