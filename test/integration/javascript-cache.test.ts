import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import nodeModule from 'node:module';
import path from 'node:path';
import { describe, it } from 'node:test';
import { register, runProgram, temporaryDirectory } from '../support/processes.js';

const skip = 'enableCompileCache' in nodeModule ? false : 'this Node has no compile cache';

/** The folder of the compile cache that a program sees, and the cache folder. */
function seen(env: Record<string, string>, { before = '', prepare = (_folder: string) => {} } = {}) {
  const parent = temporaryDirectory();
  const directory = path.join(parent, 'cache');
  prepare(`${directory}-js`);
  const program = path.join(parent, 'program.cjs');
  writeFileSync(program, `${before}; console.log(require('node:module').getCompileCacheDir() ?? 'none');`);
  const nodeOptions = ['--import', register];
  const { status, stdout, stderr } = runProgram(program, { nodeOptions, env: { WASM_CACHE_DIR: directory, ...env } });
  assert.deepEqual([status, stderr], [0, '']);
  return { directory, found: stdout.trim() };
}

describe("Node's compile cache", { skip }, () => {
  it('is off unless the user wants it', () => {
    for (const env of [{}, { WASM_CACHE_JS: 'off' }, { WASM_CACHE_JS: 'on', WASM_CACHE_MODE: 'read-only' }]) {
      const { directory, found } = seen(env as Record<string, string>);
      assert.equal(found, 'none');
      assert.ok(!existsSync(`${directory}-js`));
    }
  });

  it('is in a private folder beside the cache folder', () => {
    const { directory, found } = seen({ WASM_CACHE_JS: 'on' });
    assert.ok(found.startsWith(`${directory}-js`), found);
    assert.equal(statSync(`${directory}-js`).mode & 0o777, 0o700);
  });

  it('is not in a folder that others may write to', () => {
    const prepare = (folder: string) => {
      mkdirSync(folder);
      chmodSync(folder, 0o777);
    };
    assert.equal(seen({ WASM_CACHE_JS: 'on' }, { prepare }).found, 'none');
  });

  it('stays the one that the user has named', () => {
    const other = temporaryDirectory();
    const { directory, found } = seen({ WASM_CACHE_JS: 'on', NODE_COMPILE_CACHE: other });
    assert.ok(found.startsWith(other), found);
    assert.ok(!existsSync(`${directory}-js`));
  });
});
