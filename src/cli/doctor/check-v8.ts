import { isTestedV8, nameOfV8 } from '../../engine/supported.js';
import { probe } from '../../probe/probe.js';
import { type Context, cacheOf, verdictOf } from '../context.js';
import { count, formatDuration } from '../terminal/output.js';
import { type Finding, ok, warning } from './finding.js';

/**
 * Checks a V8 that is not among the tested versions. It is tried here, unless the folder's verdict says that it can be used. After a verdict
 * that it cannot be used it is tried again.
 */
export async function checkV8(context: Context): Promise<Finding[]> {
  if (isTestedV8()) return [];
  const kept = verdictOf(context);
  if (kept?.isUsable) return [usable(`was tried ${new Date(kept.triedAt).toISOString().slice(0, 10)}`)];
  try {
    const verdict = await probe(cacheOf(context));
    if (!verdict?.isUsable) return []; // The check of Node reports why.
    const milliseconds = verdict.steps.reduce((sum, step) => sum + step.milliseconds, 0);
    return [
      usable(`was tried now: ${count(verdict.steps.length, 'step')} went well in ${formatDuration(milliseconds)}`),
    ];
  } catch (error) {
    const advice = 'do what the check of the folder says, and run this command again';
    return [warning('v8', `${nameOfV8()} is not among the tested versions: ${(error as Error).message}`, advice)];
  }
}

function usable(what: string): Finding {
  return ok('v8', `${nameOfV8()} is not among the tested versions, and ${what}; no learner runs on it`);
}
