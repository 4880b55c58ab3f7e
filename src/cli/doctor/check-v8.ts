import { isTestedV8, nameOfV8 } from '../../engine/supported.js';
import { probe } from '../../probe/probe.js';
import { type Context, cacheOf, verdictOf } from '../context.js';
import { count, formatDuration } from '../terminal/output.js';
import { type Finding, ok, warning } from './finding.js';

/**
 * What the doctor finds out about a V8 that is not among the tested ones: it is tried here, unless the folder says that it can be used.
 * A "no" is tried again, because whoever asks wants to know.
 */
export async function checkV8(context: Context): Promise<Finding[]> {
  if (isTestedV8()) return [];
  const kept = verdictOf(context);
  if (kept?.isUsable) return [usable(`was tried ${new Date(kept.triedAt).toISOString().slice(0, 10)}`)];
  try {
    const verdict = await probe(cacheOf(context));
    if (!verdict?.isUsable) return []; // What is said of node says why.
    const milliseconds = verdict.steps.reduce((sum, step) => sum + step.milliseconds, 0);
    return [
      usable(`was tried now: ${count(verdict.steps.length, 'step')} went well in ${formatDuration(milliseconds)}`),
    ];
  } catch (error) {
    const advice = 'do what is said of the folder, and run it again';
    return [warning('v8', `${nameOfV8()} is not among the tested versions: ${(error as Error).message}`, advice)];
  }
}

function usable(what: string): Finding {
  return ok('v8', `${nameOfV8()} is not among the tested versions, and ${what}; nothing is learnt on it`);
}
