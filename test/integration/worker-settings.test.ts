import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { Settings } from '../../dist/settings/read-settings.js';
import { runProgram, temporaryDirectory } from '../support/processes.js';

const SECRET = 'a-secret-of-many-letters';
const directory = path.join(temporaryDirectory(), 'cache');
const other = path.join(temporaryDirectory(), 'other');
const all = {
  WASM_CACHE_DIR: directory,
  WASM_CACHE_LEARN: 'full',
  WASM_CACHE_MIN_MODULE_SIZE: '100',
  WASM_CACHE_MAX_SIZE: '1MiB',
  WASM_CACHE_SECRET: SECRET,
  WASM_CACHE_REMOTE: 'redis://user:password@host',
  WASM_CACHE_REMOTE_MODE: 'read-only',
  WASM_CACHE_REMOTE_TIMEOUT: '1s',
  WASM_CACHE_STATISTICS: 'off',
};

interface Task {
  /** The environment of the worker; that of its process by default. */
  env?: Record<string, string> | 'shared';
  /** Whether the program empties its environment before it starts the worker. */
  isEmptied?: boolean;
  /** Whether the main thread has the hook. */
  hasHook?: boolean;
  /** How many workers start each other. */
  depth?: number;
}

function settingsOfWorker(env: Record<string, string>, task: Task): Settings {
  const { status, stdout, stderr } = runProgram('worker-settings.mjs', { args: [JSON.stringify(task)], env });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

function assertAll({ directory: found, learn, minModuleSize, maxSize, secrets, remote, statistics }: Settings): void {
  assert.deepEqual(
    { found, learn, minModuleSize, maxSize, secrets, remote, statistics },
    {
      ...{
        found: directory,
        learn: 'full',
        minModuleSize: 100,
        maxSize: 2 ** 20,
        secrets: [SECRET],
        statistics: false,
      },
      remote: { url: 'redis://user:password@host', timeout: 1000, allowUnsigned: false, mode: 'read-only' },
    },
  );
}

describe('a worker has the settings of its process', () => {
  for (const [name, task] of Object.entries<Task>({
    'with its environment': {},
    'with an empty environment': { env: {} },
    'with SHARE_ENV': { env: 'shared' },
    'with another folder, store and secret in its environment': {
      env: { WASM_CACHE_DIR: other, WASM_CACHE_REMOTE: 'redis://other', WASM_CACHE_SECRET: 'another-secret-of-them' },
    },
    'with an environment that the program has emptied': { isEmptied: true },
    'with SHARE_ENV and an environment that the program has emptied': { env: 'shared', isEmptied: true },
    'in a worker of a worker': { env: {}, depth: 3 },
  })) {
    it(name, () => assertAll(settingsOfWorker(all, task)));
  }

  it('and does not repeat its warnings', () => {
    const wrong = { WASM_CACHE_MAX_SIZE: 'much' };
    assert.deepEqual(settingsOfWorker(wrong, {}).warnings, []);
    assert.equal(settingsOfWorker({}, { env: wrong }).warnings.length, 1);
  });

  for (const env of [{ WASM_CACHE_DISABLE: '1' }, { WASM_CACHE_MODE: 'off' }, { WASM_CACHE_SECRET: 'short' }]) {
    it(`also when ${JSON.stringify(env)} turns the cache off`, () => {
      for (const task of [{ env: {} }, { env: { WASM_CACHE_DISABLE: '0', WASM_CACHE_MODE: 'read-write' } }]) {
        assert.equal(settingsOfWorker(env, task).mode, 'off');
      }
    });
  }

  it('when its main thread has no hook, as far as the system tells', { skip: process.platform !== 'linux' }, () => {
    assertAll(settingsOfWorker(all, { env: {}, hasHook: false }));
    assert.equal(settingsOfWorker({ WASM_CACHE_DISABLE: '1' }, { env: {}, hasHook: false }).mode, 'off');
    assert.equal(settingsOfWorker({}, { env: { WASM_CACHE_DIR: other }, hasHook: false }).directory, other);
  });
});

describe('a worker can be stricter than its process', () => {
  for (const [env, expected] of [
    [{ WASM_CACHE_DISABLE: '1' }, { mode: 'off' }],
    [{ WASM_CACHE_MODE: 'off' }, { mode: 'off' }],
    [{ WASM_CACHE_MODE: 'read-only' }, { mode: 'read-only' }],
    [{ WASM_CACHE_LEARN: 'off' }, { learn: 'off' }],
    [{ WASM_CACHE_STATISTICS: 'no' }, { statistics: false }],
  ] as const) {
    it(`with ${JSON.stringify(env)}`, () => {
      const usual = { mode: 'read-write', learn: 'hot', statistics: true };
      const { mode, learn, statistics } = settingsOfWorker({ WASM_CACHE_LEARN: 'hot' }, { env });
      assert.deepEqual({ mode, learn, statistics }, { ...usual, ...expected });
    });
  }
});
