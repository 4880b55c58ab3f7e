import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runProgram } from '../support/processes.js';
import { whyMissing } from '../support/servers.js';

// A few seconds of what `npm run stress:fleet` does for minutes. swc, because learning it costs enough to be seen among
// six machines.
const args = ['--machines', '6', '--waves', '3', '--runs', '2', '--programs', 'swc', '--store', 'folder'];
test(`fleet ${args.join(' ')}`, { skip: whyMissing('python3', 'python3') }, (context) => {
  const { status, signal, stdout, stderr } = runProgram('../stress/fleet.mjs', { args });
  for (const line of `${stdout}${stderr}`.trim().split('\n')) context.diagnostic(line);
  assert.deepEqual([status, signal], [0, null]);
});
