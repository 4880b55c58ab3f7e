import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { CrashGuard, type Quarantine } from '../../dist/caches/crash-guard.js';

/** Puts an artifact into quarantine, as if processes had crashed while they loaded it. */
export function quarantine(artifact: string, { deaths, goodTries }: Quarantine): void {
  writeFileSync(artifact.replace(/\.artifact$/, '.loading'), `quarantined ${deaths} ${goodTries}\n`);
  // The note may get another form. Then this says so, rather than each test that needs a quarantine.
  assert.deepEqual(new CrashGuard(artifact).quarantine(), { deaths, goodTries });
}
