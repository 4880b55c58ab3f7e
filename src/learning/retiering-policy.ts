import type { Coverage } from '../artifact/header.js';

/** What the policy asks of an artifact that was just restored. */
export interface Restored {
  readonly coverage: Coverage;
  readonly hasLearnerCode: boolean;
  /** Milliseconds of CPU time for which V8 has had the chance to optimise this module. */
  readonly optimisedFor: number;
}

/**
 * Decides when a run drops the restored code of a module, so that V8 optimises the module anew: after so many milliseconds of CPU time, or
 * never (`undefined`).
 *
 * A learner's code has no inlining, and V8 never optimises restored code again. A run that calls small functions for long is up to 17
 * times slower with it. Nobody knows how much a run loses, but dropping costs what warming up costs a plain run. So this is a ski rental: a
 * run goes on with the learner's code for as long again as V8 has ever had for this module, and then pays once. What V8 optimises then is
 * saved with the new time, so runs of that length never pay again.
 *
 * @param canSave - whether the result can be saved. Where it cannot, every long run pays, so it pays later.
 */
export function retierAfter(
  { coverage, hasLearnerCode, optimisedFor }: Restored,
  canSave: boolean,
): number | undefined {
  if (!hasLearnerCode) return undefined;
  const least = !canSave ? LEAST_UNSAVED : coverage === 'full' ? LEAST_FULL : LEAST;
  return Math.max(least, FACTOR * optimisedFor);
}

const FACTOR = 2;

/** Milliseconds of CPU time. Programs that are over by then gain nothing from better code. */
const LEAST = 100;

/** No run of a `full` artifact has shown how long the program takes. */
const LEAST_FULL = 500;

const LEAST_UNSAVED = 5_000;
