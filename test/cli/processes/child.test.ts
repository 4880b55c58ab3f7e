import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { howItEnded, runChild } from '../../../dist/cli/processes/child.js';

const timers = () => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;

describe('runChild', () => {
  it('returns what was written to descriptor 3, and how the process ended', async () => {
    const script = 'fs.writeSync(3, "{}"); console.log("not looked at"); console.error("why"); process.exit(4)';
    const result = await runChild(process.execPath, ['-e', script], process.env);
    assert.deepEqual(result, { answer: '{}', stderr: 'why\n', code: 4, signal: null });
    assert.equal(howItEnded(result), 'ended with 4: why');
  });

  it('does not wait for a program that cannot be started (--node waited a minute)', async () => {
    const before = timers();
    await assert.rejects(runChild('/no/such/node', [], {}), { code: 'ENOENT' });
    await runChild(process.execPath, ['-e', ''], process.env);
    assert.equal(timers(), before);
  });
});
