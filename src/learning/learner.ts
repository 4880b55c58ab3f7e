// node learner.js <cache folder> <bytes and files to sweep it to> <engine id> <priority: usual or lowest> <what to put into the store of
// WASM_CACHE_REMOTE, as JSON, or "no push"> <options of the program that may be V8 flags> [<key>]
//
// Optimises what programs ran, in a process of its own, so that programs feel neither V8's flags nor the time that it takes. Without a
// key it works through the queue of the folder, of which it has inherited the lock. Nobody reads its output, and a crash in
// it breaks nobody.
import type { Artifact } from '../artifact/artifact.js';
import { CacheError } from '../cache-error.js';
import { MAX_DEATHS, type Quarantine } from '../caches/crash-guard.js';
import { FileSystemCache } from '../caches/file-system.js';
import { sweep } from '../caches/sweep.js';
import { optimiseAheadOfTime } from '../engine/ahead-of-time.js';
import { takeVerdict } from '../engine/supported.js';
import { V8Engine } from '../engine/v8-engine.js';
import { ModuleHash } from '../module-hash.js';
import { loadAddon } from '../native/addon.js';
import { SETTINGS, secretsIn } from '../settings/settings.js';
import type { JobContent } from './job-format.js';
import { LearningJobs } from './jobs.js';
import { takeFlags } from './program-flags.js';
import { push } from './push.js';
import { bypassAfterDeaths } from './quarantine.js';
import { INHERITED_LOCK } from './start-learner.js';

/** For each module. The largest modules known (30 MB of wire bytes) take half a minute on a busy machine if all of it ran. */
const MAX_SECONDS = 300;
/**
 * Milliseconds of processor time at the priority of the program that started this. Then all other processes come first. Most
 * modules need less (sql.js 400, esbuild 5,000). With the lowest priority from the start, programs that keep both cores of a
 * machine busy stay slow for dozens of runs: docs/performance.md.
 */
const USUAL_PRIORITY_FOR = 10_000;
/** V8 needs many times the size of code to optimise it; a program that needs the memory comes first. */
const MEMORY_PER_BYTE = 20;

const [script = '', ...given] = process.argv.slice(1);
const [directory = '', limits = '', engineId = '', priority, toPush = '', options = '', onlyKey] = given;
takeVerdict({ isUsable: true }); // Otherwise the program would not use V8 and would not have started this.
const engine = new V8Engine();
const withoutOptions = [script, ...given.slice(0, 5), '', ...given.slice(6)];
try {
  takeFlags(engine, engineId, options.split(' ').filter(Boolean), withoutOptions);
} catch {
  // Without them each job is given up.
}
const cache = new FileSystemCache(directory, { wireBytes: 'omit', secret: secretsIn(process.env) });
const jobs = new LearningJobs(directory, cache.signer);
const [maxSize = 0, maxFiles = 0] = limits.split(' ').map(Number);

const { addon } = loadAddon();
addon?.endAfter(MAX_SECONDS);
addon?.yieldAfter(priority === 'usual' ? USUAL_PRIORITY_FOR : 0);

if (onlyKey !== undefined) {
  const key = ModuleHash.parseHex(onlyKey);
  learn(key, jobs.read(key));
} else {
  workThroughQueue();
  addon?.endAfter(MAX_SECONDS);
  if (toPush.startsWith('{')) {
    await push({ ...JSON.parse(toPush), url: process.env[SETTINGS.remote.variable] }, cache, engine).catch(() => {});
  }
}
if (cache.isSweepDue()) await sweep(directory, { maxSize, maxFiles });
// Programs added jobs meanwhile, and started no learner because this one was there. After the unlocking they start one.
for (let hasWorked = onlyKey === undefined; hasWorked; ) {
  addon?.unlock(INHERITED_LOCK);
  hasWorked = isAnyJobWaiting() && addon?.tryLock(INHERITED_LOCK) === true && workThroughQueue();
}

function isAnyJobWaiting(): boolean {
  return jobs.keys().some((key) => {
    try {
      return jobs.read(key).engineId === engineId;
    } catch {
      return false; // It was given up, or is done.
    }
  });
}

/** @returns whether there was a job */
function workThroughQueue(): boolean {
  let hasWorked = false;
  for (let isEmpty = false; !isEmpty; ) {
    isEmpty = true;
    for (const key of jobs.keys()) {
      const job = jobs.take(key, engineId);
      if (!job) continue;
      isEmpty = false;
      hasWorked = true;
      addon?.endAfter(MAX_SECONDS);
      try {
        learn(key, job.content);
        job.remove();
      } catch {
        job.giveUp(); // The other modules may be fine.
      }
    }
  }
  return hasWorked;
}

function learn(key: ModuleHash, { coverage, part, wireLength }: JobContent): void {
  if (engine.deterministicId !== engineId) throw new Error(`This is ${engine.deterministicId}, expected ${engineId}`);
  if (part.length * MEMORY_PER_BYTE > process.availableMemory()) throw new Error('Not enough memory');

  let stored: Artifact | undefined;
  try {
    stored = cache.readArtifactSync(key, engine, wireLength);
  } catch (error) {
    if (!CacheError.is(error, 'NotFound')) throw error;
  }
  const quarantine = stored && cache.quarantineOf({ key, engineId });
  if (stored && quarantine) {
    tryOut(stored, quarantine, part);
    return;
  }
  const nativeCode = optimiseAheadOfTime(part, stored?.coverage === 'none' ? undefined : stored?.nativeCode, coverage);
  engine.deserialize(nativeCode, part); // Whatever is wrong with it shows here first.
  cache.writeArtifactSync({
    key,
    engineId,
    coverage,
    generation: 0,
    final: coverage === 'full',
    hasLearnerCode: true,
    optimisedFor: stored?.optimisedFor ?? 0,
    observedFor: stored?.observedFor ?? 0,
    missing: 0,
    bypassedUntil: 0,
    nativeCode,
    wireBytes: undefined,
    wireLength,
  });
}

/** Loads a quarantined artifact. This process may die of it. */
function tryOut(stored: Artifact, quarantine: Quarantine, part: Uint8Array): void {
  if (quarantine.deaths >= MAX_DEATHS) {
    bypassAfterDeaths(cache, stored);
    return;
  }
  const guard = cache.guardOf(stored);
  try {
    guard.tryOut(quarantine, () => engine.deserialize(stored.nativeCode, part));
  } catch (error) {
    if (!CacheError.is(error, 'Deserialize')) throw error;
    cache.deleteSync(stored.key, engine); // V8 refuses it, which is no death. Another one will be made.
    guard.clear();
  }
}
