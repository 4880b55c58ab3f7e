import type { FileSystemCache } from '../caches/file-system.js';
import { nameOfV8, takeVerdict } from '../engine/supported.js';
import { untriedEngine } from '../engine/v8-engine.js';
import { whyNoLearner } from '../learning/start-learner.js';
import { FileSystemStore } from '../stores/file-system.js';
import { type ProbedStep, type RunStepsOptions, runSteps } from './run-steps.js';
import { encodeVerdict, type KeptVerdict, readVerdict, subjectOf, verdictFile } from './verdict.js';

/** The folder's verdict on an untested V8. This thread uses it from now on. @throws {CacheError} kind `Untrusted`. */
export function keptVerdict(cache: FileSystemCache): KeptVerdict | undefined {
  const { id } = untriedEngine();
  const verdict = id === undefined ? undefined : readVerdict(cache, subjectOf(id));
  if (verdict) takeVerdict(verdict);
  return verdict;
}

/** Tries this V8 and keeps the verdict. This thread uses it from now on. @throws as `probeV8`. */
export async function probe(cache: FileSystemCache, options: RunStepsOptions = {}): Promise<KeptVerdict | undefined> {
  cache.checkTrust();
  const untried = untriedEngine();
  if (untried.id === undefined) {
    takeVerdict({ isUsable: false, reason: untried.reason }); // Only for this process: no step was run.
    return undefined;
  }
  const reason = whyNoLearner();
  if (reason !== undefined) throw new Error(`${nameOfV8()} cannot be tried here: ${reason}`);
  const steps = await runSteps(options);
  const verdict = { ...judge(steps), subject: subjectOf(untried.id), triedAt: Date.now(), steps };
  takeVerdict(verdict);
  await keepVerdict(cache, verdict);
  return verdict;
}

/** @throws {CacheError} kind `FileWrite` or `Untrusted`. */
export async function keepVerdict(cache: FileSystemCache, verdict: KeptVerdict): Promise<void> {
  const store = new FileSystemStore(cache.directory, { isShared: cache.signer !== undefined });
  await store.put(verdictFile(verdict.subject), encodeVerdict(verdict, cache));
}

function judge(steps: readonly ProbedStep[]) {
  const failed = steps.find(({ failure }) => failure !== undefined);
  return failed ? { isUsable: false, reason: `step "${failed.name}": ${failed.failure}` } : { isUsable: true };
}
