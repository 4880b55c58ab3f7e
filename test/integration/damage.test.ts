import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { V8Engine } from '../../dist/index.js';
import { root, runProgram } from '../support/processes.js';

const engine = new V8Engine();
const skip = engine.canSerialize ? false : (engine.unsupportedReason ?? true);

test('a damaged entry does no harm, decoded or end to end: the short form of test/stress/damage.mjs', { skip }, () => {
  const args = ['--decode', '1500', '--end-to-end', '30'];
  const { status, signal, stdout, stderr } = runProgram(path.join(root, 'test/stress/damage.mjs'), { args });
  assert.deepEqual([status, signal, stderr], [0, null, ''], stdout);
});
