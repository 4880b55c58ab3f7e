import { durationWithout } from '../../learning/saving-policy.js';
import { KEY_DIGITS, type ModuleCounts } from '../../statistics/lines.js';
import { type DayCounts, readStatistics, sumByModule } from '../../statistics/read.js';
import { formatDuration } from '../terminal/output.js';

/** The hook's statistics of one module, as JSON shows them. */
export interface ModuleFigures {
  /** The first 16 digits of its key; `null` when no process knew it. */
  key: string | null;
  /** The package that called WebAssembly, or else the file. */
  name: string | null;
  moduleSize: number;
  /** Bytes of the native code that was loaded last. */
  nativeCodeSize: number | null;
  /** How often it was found; `aliveHits` of them because the thread had it alive. */
  hits: number;
  aliveHits: number;
  misses: number;
  /** All hits, from the call to the module. */
  hitMilliseconds: number;
  /** All misses, from the call until the look-up had failed. */
  missMilliseconds: number;
  /** All misses, from then to the compiled module. Includes what an asynchronous program did meanwhile. */
  compileMilliseconds: number;
  /**
   * An estimate: the time that V8 takes to decode the module and to compile with its baseline compiler what the native code holds, less the
   * time of all look-ups. It leaves out that optimised code runs faster. Negative when loading did not pay, or on a busy machine.
   */
  savedMillisecondsEstimate: number;
}

export interface FiguresTotals {
  modules: number;
  hits: number;
  misses: number;
  savedMillisecondsEstimate: number;
}

/** The figures of each module. The module that saved most comes first. */
export function figuresOf(counts: Iterable<ModuleCounts>): ModuleFigures[] {
  return sumByModule(counts)
    .map((each) => ({
      key: each.key || null,
      name: each.name || null,
      moduleSize: each.wireLength,
      nativeCodeSize: each.nativeLength || null,
      hits: each.restored + each.alive,
      aliveHits: each.alive,
      misses: each.misses,
      hitMilliseconds: rounded(each.hitTime),
      missMilliseconds: rounded(each.missTime),
      compileMilliseconds: rounded(each.compileTime),
      savedMillisecondsEstimate: rounded(each.restored * durationWithout(each) - each.hitTime - each.missTime),
    }))
    .sort((a, b) => b.savedMillisecondsEstimate - a.savedMillisecondsEstimate);
}

export function totalsOf(figures: ModuleFigures[]): FiguresTotals {
  const sum = (name: 'hits' | 'misses' | 'savedMillisecondsEstimate') =>
    figures.reduce((total, figure) => total + figure[name], 0);
  return {
    modules: figures.length,
    hits: sum('hits'),
    misses: sum('misses'),
    savedMillisecondsEstimate: rounded(sum('savedMillisecondsEstimate')),
  };
}

/**
 * The time saved, in words that say that it is an estimate. Says no negative time: on a busy machine loads take longer than the estimate
 * knows, and so would compiling.
 */
export function savedInWords({ savedMillisecondsEstimate: saved }: { savedMillisecondsEstimate: number }): string {
  if (saved >= 1) return `about ${formatDuration(saved)} saved (an estimate)`;
  return 'no time saved (an estimate that leaves out that optimised code runs faster; "wasm-cache bench" measures)';
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}

/** The name of a module by its key; `null` where the folder's statistics have none. */
export type NameOf = (key: string) => string | null;

export async function readModuleNames(directory: string): Promise<NameOf> {
  return namesIn(await readStatistics(directory));
}

export function namesIn(days: DayCounts[]): NameOf {
  const names = new Map<string, string>();
  for (const { modules } of days) {
    for (const { key, name } of modules) if (key && name) names.set(key, name);
  }
  return (key) => names.get(key.slice(0, KEY_DIGITS)) ?? null;
}
