import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runProgram } from '../support/processes.js';

const NAMES = ['stack-size', 'stack', 'expose-gc', 'max-lazy', 'use-strict'];

for (const [nodeOptions, expected] of [
  [[], 'false false false false false'],
  [['--stack_size=900', '-expose-gc', '--max-lazy'], 'true false true true false'],
  [
    ['--no-max-lazy', '--expose_gc', '--no_expose-gc', '--no-use-strict', '--use-strict'],
    'false false false false true',
  ],
] as const) {
  it(`knows which of V8's flags were given: ${nodeOptions.join(' ')}`, () => {
    const { stdout, stderr } = runProgram('process-options.mjs', { nodeOptions: [...nodeOptions], args: NAMES });
    const [ofThread, ofWorker] = stdout.trim().split('\n');
    assert.equal(ofThread, expected, stderr);
    // V8's flags are those of the process, whatever the worker was given.
    if (process.platform === 'linux') assert.equal(ofWorker, expected, stderr);
  });
}

it('reads NODE_OPTIONS, which come first', () => {
  const given = (nodeOptions: string[]) =>
    runProgram('process-options.mjs', {
      nodeOptions,
      args: NAMES,
      env: { NODE_OPTIONS: '--stack-trace-limit=5 --expose-gc' },
    });
  assert.equal(given([]).stdout.split('\n')[0], 'false false true false false');
  assert.equal(given(['--no-expose-gc']).stdout.split('\n')[0], 'false false false false false');
});
