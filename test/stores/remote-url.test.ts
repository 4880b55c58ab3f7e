import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRemoteUrl, withoutSecrets } from '../../dist/stores/remote-url.js';

describe('parseRemoteUrl', () => {
  for (const [text, kind] of [
    ['redis://localhost', 'redis'],
    ['rediss://user:password@cache.internal:6380/2', 'redis'],
    ['s3://bucket/a/prefix', 's3'],
    ['s3://bucket?region=eu-central-1&endpoint=https://minio.internal:9000', 's3'],
    ['http://127.0.0.1:8080/cache', 'http'],
    ['HTTPS://cdn.example.com', 'http'],
    ['file:///mnt/shared', 'folder'],
  ] as const) {
    it(`takes ${text}`, () => assert.deepEqual(parseRemoteUrl(text), { kind, url: text }));
  }

  for (const [text, message] of [
    ['', / is not a URL such as redis:/],
    ['localhost:6379', /localhost:6379 must start with one of redis:\/\/, .*file:\/\/$/],
    ['cache.internal', /cache.internal is not a URL/],
    ['memcached://host', /memcached:\/\/host must start with one of/],
    ['redis:///0', /redis:\/\/\/0 names no host/],
    ['s3:///prefix', /names no host/],
    ['s3://bucket?acl=public', /s3:\/\/bucket may only have the parameters region, endpoint/],
    ['file://server/share', /names a host, not a folder/],
    ['http://[::1', /is not a URL/],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseRemoteUrl(text), { name: 'TypeError', message });
    });
  }

  for (const text of [
    'redis://user:SECRET@host:port',
    'redis://:SECRET@host:99999',
    'redis://user:SEC/SECRET@host',
    'redis://user:SECRET?SECRET@host:x',
    'user:SECRET@host',
    'memcached://SECRET@host/0?token=SECRET#SECRET',
    's3://user:?SECRET@host',
  ]) {
    it(`never shows the secrets of ${text}`, () => {
      assert.throws(
        () => parseRemoteUrl(text),
        (error: Error) => error.message.includes('host') && !`${error.stack}${String(error.cause)}`.includes('SECRET'),
      );
    });
  }
});

it('withoutSecrets shows the place', () => {
  assert.equal(withoutSecrets('rediss://user:password@cache.internal:6380/2'), 'rediss://cache.internal:6380/2');
  assert.equal(withoutSecrets('s3://bucket/prefix?region=eu'), 's3://bucket/prefix');
});
