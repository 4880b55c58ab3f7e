import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { test } from 'node:test';
import { filesIn, register, runProgram, temporaryDirectory } from '../support/processes.js';

function hooked(directory: string, program: string, args: string[] = [], more: Record<string, string> = {}) {
  const env = { WASM_CACHE_DIR: directory, ...more };
  const result = runProgram(program, { nodeOptions: ['--import', register], args, env });
  assert.deepEqual([result.status, result.signal, result.stderr], [0, null, ''], result.stderr);
  return JSON.parse(result.stdout);
}

const EXPECTED = { sum: 500_505, trap: 'RuntimeError: memory access out of bounds' };

for (const way of ['Module', 'compile', 'instantiate']) {
  test(`${way}: the second process restores what the first one optimised`, () => {
    const directory = temporaryDirectory();
    const plain = JSON.parse(runProgram('hot.mjs', { args: [way] }).stdout);
    assert.deepEqual(plain, { restored: false, ...EXPECTED });
    assert.deepEqual(hooked(directory, 'hot.mjs', [way]), { restored: false, ...EXPECTED });
    assert.equal(filesIn(directory).length, 1);
    assert.deepEqual(hooked(directory, 'hot.mjs', [way]), { restored: true, ...EXPECTED });
  });
}

test('what one way in stored serves every other, and what is stored is private', () => {
  const directory = temporaryDirectory();
  hooked(directory, 'hot.mjs', ['instantiate']);
  assert.equal(hooked(directory, 'hot.mjs', ['Module', 'short']).restored, true);
  assert.equal(hooked(directory, 'hot.mjs', ['compile', 'short']).restored, true);
  for (const file of filesIn(directory)) assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('read-only mode loads and never writes', () => {
  const directory = temporaryDirectory();
  hooked(directory, 'hot.mjs', [], { WASM_CACHE_MODE: 'read-only' });
  assert.deepEqual(filesIn(directory), []);
  hooked(directory, 'hot.mjs');
  assert.equal(hooked(directory, 'hot.mjs', ['Module'], { WASM_CACHE_MODE: 'read-only' }).restored, true);
});

for (const off of [{ WASM_CACHE_MODE: 'off' }, { WASM_CACHE_DISABLE: '1' }, { WASM_CACHE_MIN_MODULE_SIZE: '1MiB' }]) {
  test(`nothing is stored with ${JSON.stringify(off)}`, () => {
    const directory = temporaryDirectory();
    assert.equal(hooked(directory, 'hot.mjs', [], off as never).restored, false);
    assert.deepEqual(filesIn(directory), []);
  });
}

test('a malformed setting is one warning, and the default', () => {
  const env = { WASM_CACHE_DIR: temporaryDirectory(), WASM_CACHE_MODE: 'fast' };
  const { status, stderr } = runProgram('hot.mjs', { nodeOptions: ['--import', register], env });
  assert.equal(status, 0);
  assert.match(stderr, /WASM_CACHE_MODE=fast is not one of read-write, read-only, off/);
});

test('a process whose V8 has other flags neither uses nor disturbs the entry', () => {
  const directory = temporaryDirectory();
  hooked(directory, 'hot.mjs');
  const nodeOptions = ['--stack-size=1500', '--import', register];
  const other = runProgram('hot.mjs', { nodeOptions, env: { WASM_CACHE_DIR: directory } });
  assert.equal(JSON.parse(other.stdout).restored, false);
  assert.equal(filesIn(directory).length, 2);
  assert.equal(hooked(directory, 'hot.mjs').restored, true);
});

test('a process without the trap handler never runs code that was compiled for it', () => {
  const directory = temporaryDirectory();
  hooked(directory, 'hot.mjs');
  const nodeOptions = ['--disable-wasm-trap-handler', '--import', register];
  const result = runProgram('hot.mjs', { nodeOptions, env: { WASM_CACHE_DIR: directory } });
  assert.equal(result.status, 0);
  const { restored, sum, trap } = JSON.parse(result.stdout);
  assert.deepEqual({ restored, sum, trap }, { restored: false, ...EXPECTED });
});

test('a program that patches fs, empties its environment and replaces globals is served all the same', () => {
  const directory = temporaryDirectory();
  for (const restored of [false, true]) assert.equal(hooked(directory, 'hostile.mjs').restored, restored);
});

test('one exit listener in all, and none for small modules', () => {
  assert.deepEqual(hooked(temporaryDirectory(), 'exit-listeners.mjs'), { added: 1 });
});
