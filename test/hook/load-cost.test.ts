import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { after, test } from 'node:test';
import { waitedForProcessor } from '../../dist/hook/load-cost.js';

const isTold = existsSync('/proc/thread-self/schedstat');

test('a thread waits if there are more threads than processors', { skip: isTold ? false : 'not told here' }, () => {
  const busy = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore', timeout: 60_000 }),
  );
  after(() => {
    for (const each of busy) each.kill('SIGKILL');
  });
  const [before, start] = [waitedForProcessor(), performance.now()];
  const waited = () => waitedForProcessor() - before;
  const elapsed = () => performance.now() - start;
  while (waited() < 50) assert.ok(elapsed() < 60_000, 'it has waited within a minute');
  assert.ok(waited() <= elapsed() + 100, 'milliseconds, as those of the clock');
});
