import path from 'node:path';
import type { FileSystemCache } from '../caches/file-system.js';
import { LearningJobs } from '../learning/jobs.js';
import { learnerEnvironment, v8Options, whyNoLearner } from '../learning/start-learner.js';
import { loadAddon } from '../native/addon.js';
import { packageRoot } from '../package-root.js';
import { keyOf, subjectOf } from './verdict.js';

/**
 * Starts a process that tries this V8, where none is at it, and keeps the verdict in the cache folder. Nobody waits for it.
 *
 * @param engineId - of `untriedEngine`
 * @returns what becomes of it, in words
 */
export function startProber(cache: FileSystemCache, engineId: string): string {
  try {
    const reason = whyNoLearner();
    if (reason !== undefined) throw new Error(reason);
    return start(cache, engineId);
  } catch (error) {
    return `no process can be started that tries it: ${(error as Error).message}`;
  }
}

function start(cache: FileSystemCache, engineId: string): string {
  const jobs = new LearningJobs(cache.directory, cache.signer);
  const subject = subjectOf(engineId);
  const key = keyOf(subject);
  // As a module's that is to be learnt: one process at a time, and after one that failed nobody tries again for a while.
  if (!jobs.create(key, { wireLength: 0, part: Buffer.from(subject) })) return 'it is being tried';
  const program = path.join(packageRoot, 'dist/probe/prober.js');
  const node = [process.execPath, ...v8Options(), program, cache.directory, engineId];
  const variables = Object.entries(learnerEnvironment(cache.signer)).map(([name, value]) => `${name}=${value}`);
  try {
    loadAddon().addon?.spawnDetached(node, variables, false);
  } catch (error) {
    jobs.remove(key);
    throw error;
  }
  return 'it is tried from now on, in a process of its own';
}
