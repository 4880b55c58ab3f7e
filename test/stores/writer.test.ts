import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { it } from 'node:test';
import { isWriterAlive } from '../../dist/stores/writer.js';

const HOUR = 3_600_000;

it('is so of a file that this process writes', () => {
  assert.equal(isWriterAlive(process.pid, Date.now()), true);
  assert.equal(isWriterAlive(process.pid, Date.now() - 1000 * process.uptime()), true);
});

it('is not so when the process is gone', () => {
  const { pid } = spawnSync(process.execPath, ['-e', '0']);
  assert.equal(isWriterAlive(pid, Date.now()), false);
});

it('is not so when a process has the number that began after the file was written', {
  skip: process.platform === 'linux' ? false : 'nobody tells when a process began',
}, async () => {
  const child = spawn('sleep', ['60']);
  try {
    assert.equal(isWriterAlive(child.pid as number, Date.now()), true);
    assert.equal(isWriterAlive(child.pid as number, Date.now() - HOUR), false);
    assert.equal(isWriterAlive(child.pid as number, Date.now() + HOUR), true, 'a clock that was wrong');
    assert.equal(isWriterAlive(1, Date.now() - 60), true, "a process of somebody else's");
  } finally {
    child.kill();
    await once(child, 'exit');
  }
});
