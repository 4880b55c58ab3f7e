import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root, runProgram } from '../support/processes.js';

const hasSqlite = process.getBuiltinModule('node:sqlite') !== undefined;

test('examples/custom-cache keeps the contract, in less than 60 lines', {
  skip: hasSqlite ? false : `Node ${process.version} has no node:sqlite`,
}, () => {
  const folder = path.join(root, 'examples', 'custom-cache');
  const { status, stdout } = runProgram(path.join(folder, 'sqlite-cache.test.js'));
  assert.equal(status, 0, stdout);
  assert.match(stdout, /(tests|ℹ tests) 14/);
  assert.ok(readFileSync(path.join(folder, 'sqlite-cache.js'), 'utf8').split('\n').length < 60);
});
