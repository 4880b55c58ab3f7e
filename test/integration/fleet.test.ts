import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runProgram } from '../support/processes.js';
import { whyMissing } from '../support/servers.js';

// A short form of test/stress/fleet.mjs. One machine after the other, because two that start at once both learn, and six machines
// are too few to make up for that.
const args = [
  '--machines',
  '6',
  '--waves',
  '3',
  '--at-once',
  '1',
  '--runs',
  '1',
  '--programs',
  'sql.js',
  '--store',
  'folder',
];
test(`fleet ${args.join(' ')}`, { skip: whyMissing('python3', 'python3') }, (context) => {
  const { status, signal, stdout, stderr } = runProgram('../stress/fleet.mjs', { args });
  for (const line of `${stdout}${stderr}`.trim().split('\n')) context.diagnostic(line);
  assert.deepEqual([status, signal], [0, null]);
});
