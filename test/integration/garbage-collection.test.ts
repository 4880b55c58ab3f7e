import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runProgram } from '../support/processes.js';

for (const nodeOptions of [
  ['--expose-gc', '--max-old-space-size=40', '--max-semi-space-size=1'],
  ['--expose-gc', '--stress-compaction'],
]) {
  test(`restored modules survive garbage collection: ${nodeOptions.join(' ')}`, () => {
    const { status, signal, stdout, stderr } = runProgram('garbage-collection.mjs', { nodeOptions });
    assert.deepEqual([status, signal, stdout.trim()], [0, null, 'ok true'], stderr);
  });
}
