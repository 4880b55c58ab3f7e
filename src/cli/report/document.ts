import type { NamedEntry } from '../folder/entries.js';
import type { FiguresTotals, ModuleFigures } from '../folder/statistics.js';

/** What `wasm-cache report` found out. */
export interface ReportDocument {
  directory: string;
  /** The page that was written. */
  file: string | null;
  writtenAt: string;
  /** Days in UTC, without those on which nothing was counted. */
  days: ReportDay[];
  /** Sums of all days. The module that saved most comes first. */
  modules: ModuleFigures[];
  totals: FiguresTotals & { artifacts: number; artifactsSize: number };
  /** Modules that did not pay, or never came from the cache. */
  findings: ReportFinding[];
  /** The largest first. */
  artifacts: NamedEntry[];
}

export interface ReportDay extends FiguresTotals {
  /** `2026-11-26` */
  day: string;
  /** Whether the file for the day was full, so that counts may be missing. */
  isFull: boolean;
}

export interface ReportFinding {
  /** The first 16 digits of the key. */
  key: string | null;
  name: string | null;
  /**
   * - `slow`: by the estimate, its look-ups took more than twice as long as compiling would have.
   * - `bypassed`: a load took far too long, so the hook bypasses the artifact for a day.
   * - `never-found`: it was looked up several times, and never found.
   */
  kind: 'slow' | 'bypassed' | 'never-found';
  /** All look-ups. */
  lookUps: number;
  savedMillisecondsEstimate: number | null;
  bypassedUntil: string | null;
}

/** What to do when nothing was counted. */
export const NOTHING_COUNTED = 'run a program with the hook, without WASM_CACHE_STATISTICS=off.';
