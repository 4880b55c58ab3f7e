import { durationWithout } from '../hook/saving-policy.js';
import type { ModuleCounts } from '../statistics/lines.js';
import { sumByModule } from '../statistics/read.js';
import { formatDuration } from './output.js';

/** What the hook's statistics tell of a module, as JSON shows it. */
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
   * what all look-ups took. That optimised code runs faster is not in it; negative where loading did not pay.
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

/** For people, who are to know that it is none that was measured. */
export function savedInWords({ savedMillisecondsEstimate: saved }: { savedMillisecondsEstimate: number }): string {
  if (Math.abs(saved) < 1) return 'hardly any time saved (an estimate)';
  if (saved > 0) return `about ${formatDuration(saved)} saved (an estimate)`;
  return `about ${formatDuration(-saved)} more than compiling would have taken (an estimate)`;
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
