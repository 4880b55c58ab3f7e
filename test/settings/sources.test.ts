import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourceOf } from '../../dist/settings/sources.js';

test('sourceOf names the variable that decided, and never shows a secret', () => {
  assert.equal(sourceOf('mode', {}), undefined);
  assert.equal(sourceOf('mode', { WASM_CACHE_MODE: 'off' }), 'WASM_CACHE_MODE=off');
  assert.equal(sourceOf('mode', { WASM_CACHE_DISABLE: '1', WASM_CACHE_MODE: 'off' }), 'WASM_CACHE_DISABLE=1');
  assert.equal(sourceOf('mode', { WASM_CACHE_DISABLE: 'no', WASM_CACHE_MODE: 'off' }), 'WASM_CACHE_MODE=off');
  assert.equal(sourceOf('learn', { WASM_CACHE_LEARN: 'off', WASM_CACHE_DISABLE: '1' }), 'WASM_CACHE_LEARN=off');
  assert.equal(sourceOf('secret', { WASM_CACHE_SECRET: 'a-secret-of-many-letters' }), 'WASM_CACHE_SECRET');
  assert.equal(sourceOf('secret', { WASM_CACHE_SECRET_FILE: '/the/file' }), 'WASM_CACHE_SECRET_FILE=/the/file');
  assert.equal(sourceOf('secret', {}), undefined);
});
