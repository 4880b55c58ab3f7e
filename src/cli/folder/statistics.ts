import { durationWithout } from '../../learning/saving-policy.js';
import { KEY_DIGITS, type ModuleCounts } from '../../statistics/lines.js';
import { type DayCounts, readStatistics, sumByModule } from '../../statistics/read.js';
import { formatDuration } from '../terminal/output.js';

/** The hook's statistics of one module, as JSON shows them. */
export interface ModuleFigures {
  /** The first 16 digits of its key; `null` where no process found out. */
  key: string | null;
  /** Which package, else which file, called WebAssembly. */
  name: string | null;
  moduleSize: number;
  /** Of the native code that was loaded last. */
  nativeCodeSize: number | null;
  /** Times that it did not have to be compiled, `aliveHits` of them because the thread had it alive. */
  hits: number;
  aliveHits: number;
  misses: number;
  /** Of all hits, from the call to the module. */
  hitMilliseconds: number;
  /** Of all misses, until it was clear that they are some. */
  missMilliseconds: number;
  /** From there to the modules that V8 made; what an asynchronous program did meanwhile is in it. */
  compileMilliseconds: number;
  /**
   * An estimate: what V8 would have taken to decode the module and to compile with its baseline compiler what the native code holds, less
   * what all look-ups took. That optimised code runs faster is not in it. Negative where loading did not pay, or on a busy machine.
   */
  savedMillisecondsEstimate: number;
}

export interface FiguresTotals {
  modules: number;
  hits: number;
  misses: number;
  savedMillisecondsEstimate: number;
}

/** Of each module, the one that saved most first. */
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
 * For people, who are to know that it is none that was measured. On a busy machine loads take longer than on that of the estimate, and
 * compiling would have, too: so nothing is said of how much less than nothing it is.
 */
export function savedInWords({ savedMillisecondsEstimate: saved }: { savedMillisecondsEstimate: number }): string {
  if (saved >= 1) return `about ${formatDuration(saved)} saved (an estimate)`;
  return 'no time saved by the estimate, which leaves out that the code is optimised from the start: "wasm-cache bench" measures that';
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
