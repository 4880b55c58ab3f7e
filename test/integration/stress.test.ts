import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runProgram } from '../support/processes.js';

// Short forms of programs in test/stress/.
for (const [name, ...args] of [
  ['kill-storm', '--kills', '20', '--writers', '4'],
  ['soak', '--minutes', '0.1'],
  ['disk', '--levels', '40', '--limits', '12'],
  ['flags', '--only', 'freeze|contradictory|feature-flags-json'],
] as [string, ...string[]][]) {
  test(`${name} ${args.join(' ')}`, (context) => {
    const { status, signal, stdout, stderr } = runProgram(`../stress/${name}.mjs`, { args });
    for (const line of stdout.trim().split('\n')) context.diagnostic(line);
    assert.deepEqual([status, signal, stderr], [0, null, '']);
  });
}

test('workers that start, end and are killed, with shared caches', (context) => {
  const args = ['--waves', '4', '--samples', '1'];
  const options = { nodeOptions: ['--expose-gc'], args };
  const { status, signal, stdout, stderr } = runProgram('../stress/process.mjs', options);
  context.diagnostic(stdout);
  assert.deepEqual([status, signal, stderr], [0, null, '']);
});
