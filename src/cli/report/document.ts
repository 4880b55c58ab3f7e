import type { NamedEntry } from '../folder/entries.js';
import type { FiguresTotals, ModuleFigures } from '../folder/statistics.js';

/** What `wasm-cache report` found out. */
export interface ReportDocument {
  directory: string;
  /** The page that was written. */
  file: string | null;
  writtenAt: string;
  /** By Greenwich time, without those on which nothing was counted. */
  days: ReportDay[];
  /** Of all days, the one that saved most first. */
  modules: ModuleFigures[];
  totals: FiguresTotals & { artifacts: number; artifactsSize: number };
  /** What did not pay, or never came from the cache. */
  findings: ReportFinding[];
  /** What is stored, the largest first. */
  artifacts: NamedEntry[];
}

export interface ReportDay extends FiguresTotals {
  /** `2026-11-26` */
  day: string;
  /** Whether there may have been more than there is room for. */
  isFull: boolean;
}

export interface ReportFinding {
  /** The first 16 digits, as of modules. */
  key: string | null;
  name: string | null;
  /**
   * - `slow`: its look-ups took more than twice as long as compiling would have, by the estimate.
   * - `bypassed`: a load took far too long, and it is left to V8 for a day.
   * - `never-found`: it was looked up again and again, and always compiled.
   */
  kind: 'slow' | 'bypassed' | 'never-found';
  /** Look-ups in all. */
  lookUps: number;
  savedMillisecondsEstimate: number | null;
  bypassedUntil: string | null;
}

/** What to do where nothing was counted. */
export const NOTHING_COUNTED = 'run a program with the hook, and without WASM_CACHE_STATISTICS=off.';
