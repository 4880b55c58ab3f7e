// node probe-process.js <cache folder> <engine id>: tries an untested V8 and keeps the verdict. The hook starts it. Nobody reads its output
// or waits for it.

import { FileSystemCache } from '../caches/file-system.js';
import { untriedEngine } from '../engine/v8-engine.js';
import { LearningJobs } from '../learning/jobs.js';
import { loadAddon } from '../native/addon.js';
import { secretsIn } from '../settings/settings.js';
import { probe } from './probe.js';
import { keyOf, subjectOf } from './verdict.js';

/** All steps together take seconds; each has a limit of its own. */
const MAX_SECONDS = 300;

const [directory = '', engineId = ''] = process.argv.slice(2);
const cache = new FileSystemCache(directory, { secret: secretsIn(process.env) });
const jobs = new LearningJobs(directory, cache.signer);
const key = keyOf(subjectOf(engineId));

const { addon } = loadAddon();
addon?.endAfter(MAX_SECONDS);
addon?.yieldAfter(0);
try {
  const { id } = untriedEngine();
  // With other flags than the program's, the verdict would be about another engine.
  if (id !== engineId) throw new Error(`The engine of this process is ${id}, expected ${engineId}`);
  await probe(cache);
  jobs.remove(key);
} catch {
  jobs.giveUp(key);
}
