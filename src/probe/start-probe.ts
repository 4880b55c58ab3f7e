import path from 'node:path';
import type { FileSystemCache } from '../caches/file-system.js';
import { LearningJobs } from '../learning/jobs.js';
import { learnerEnvironment, startInBackground, v8Options, whyNoLearner } from '../learning/start-learner.js';
import { packageRoot } from '../package-root.js';
import { keyOf, subjectOf } from './verdict.js';

/**
 * Starts a process that tries this V8 and keeps the verdict in the cache folder, unless one is doing so. Nobody waits for it.
 *
 * @param engineId - from `untriedEngine`
 * @returns what happened, in words
 */
export function startProbe(cache: FileSystemCache, engineId: string): string {
  try {
    const reason = whyNoLearner();
    if (reason !== undefined) throw new Error(reason);
    return start(cache, engineId);
  } catch (error) {
    return `no process can be started to try it: ${(error as Error).message}`;
  }
}

function start(cache: FileSystemCache, engineId: string): string {
  const jobs = new LearningJobs(cache.directory, cache.signer);
  const subject = subjectOf(engineId);
  const key = keyOf(subject);
  // A job, as for a module: one process at a time, and after a failure nobody tries again for a while.
  const job = jobs.hold(key, { engineId, coverage: 'hot', wireLength: 0, part: Buffer.from(subject) });
  if (!job) return 'a process is trying it';
  const program = path.join(packageRoot, 'dist/probe/probe-process.js');
  const node = [process.execPath, ...v8Options(), program, cache.directory, engineId];
  try {
    startInBackground(node, learnerEnvironment(cache.signer), false, job.descriptor);
  } catch (error) {
    job.remove();
    throw error;
  }
  job.release(); // The process has inherited the lock.
  return 'a process of its own now tries it';
}
