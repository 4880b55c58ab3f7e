// What the hook needs where V8 is not among the tested versions, in one file: see hook/enable.ts.
import path from 'node:path';
import type { FileSystemCache } from '../caches/file-system.js';
import { loadAddon } from '../engine/addon.js';
import type { Verdict } from '../engine/supported.js';
import type { LearningJobs } from '../learning/jobs.js';
import { learnerEnvironment, v8Options, whyNoLearner } from '../learning/start-learner.js';
import { packageRoot } from '../package-root.js';
import { keyOf, readVerdict, subjectOf } from './verdict.js';

/**
 * The verdict that a cache folder keeps on this V8; where there is none, a process of its own is started that tries it, and what
 * becomes of it is told in words. Nobody waits for that process.
 *
 * @param engineId - of `untriedEngine`
 * @param mayProbe - whether a process may be started, and something stored
 * @throws {CacheError} kind `Untrusted`; what the file system and the start of a process throw.
 */
export function askVerdict(
  cache: FileSystemCache,
  jobs: LearningJobs,
  engineId: string,
  mayProbe: boolean,
): Verdict | string {
  const subject = subjectOf(engineId);
  const verdict = readVerdict(cache, subject);
  if (verdict) return verdict;
  const reason = mayProbe ? whyNoLearner() : 'nothing may be stored, or learnt';
  if (reason !== undefined) return `it is not tried by the hook: ${reason}`;
  const key = keyOf(subject);
  // As a module's that is to be learnt: one process at a time, and after one that failed nobody tries again for a while.
  if (!jobs.create(key, { wireLength: 0, part: Buffer.from(subject) })) return 'it is being tried';
  try {
    startProber(cache, engineId);
  } catch (error) {
    jobs.remove(key);
    throw error;
  }
  return 'it is tried from now on, in a process of its own';
}

function startProber({ directory, signer }: FileSystemCache, engineId: string): void {
  const program = path.join(packageRoot, 'dist/probe/prober.js');
  const variables = Object.entries(learnerEnvironment(signer)).map(([name, value]) => `${name}=${value}`);
  loadAddon().addon?.spawnDetached([process.execPath, ...v8Options(), program, directory, engineId], variables, false);
}
