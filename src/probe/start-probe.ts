import path from 'node:path';
import type { FileSystemCache } from '../caches/file-system.js';
import { LearningJobs } from '../learning/jobs.js';
import { learnerEnvironment, v8Options, whyNoLearner } from '../learning/start-learner.js';
import { loadAddon } from '../native/addon.js';
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
  if (!jobs.create(key, { wireLength: 0, part: Buffer.from(subject) })) return 'a process is trying it';
  const program = path.join(packageRoot, 'dist/probe/probe-process.js');
  const node = [process.execPath, ...v8Options(), program, cache.directory, engineId];
  const variables = Object.entries(learnerEnvironment(cache.signer)).map(([name, value]) => `${name}=${value}`);
  try {
    loadAddon().addon?.spawnDetached(node, variables, false);
  } catch (error) {
    jobs.remove(key);
    throw error;
  }
  return 'a process of its own now tries it';
}
