import fs from 'node:fs';
import path from 'node:path';
import { V8Engine } from '../../engine/v8-engine.js';
import { KEY_DIGITS } from '../../statistics/lines.js';
import { type DayCounts, readStatistics } from '../../statistics/read.js';
import type { Command } from '../command.js';
import { checkTrust, shownPath } from '../context.js';
import { UsageError } from '../exit-codes.js';
import { readContents } from '../folder/entries.js';
import { namesIn } from '../folder/module-names.js';
import { type FiguresTotals, figuresOf, type ModuleFigures, savedInWords, totalsOf } from '../report/module-figures.js';
import { reportPage } from '../report/report-page.js';
import { count, formatSize } from '../terminal/output.js';
import type { LsEntry } from './ls.js';

export interface ReportOptions {
  json?: boolean;
}

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
  artifacts: LsEntry[];
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
   * - `left-alone`: a load took far too long, and it is left to V8 for a day.
   * - `never-found`: it was looked up again and again, and always compiled.
   */
  kind: 'slow' | 'left-alone' | 'never-found';
  /** Look-ups in all. */
  lookUps: number;
  savedMillisecondsEstimate: number | null;
  bypassedUntil: string | null;
}

const DEFAULT_FILE = 'wasm-cache-report.html';
/** The first times are how every module begins. */
const MANY_MISSES = 3;
/** The estimate is for a quiet machine. */
const CLEARLY = 2;

export const command: Command<ReportOptions, ReportDocument> = {
  async run(context, { json = false }, [given]) {
    // JSON is printed, and a page besides only where one is named.
    const file = given === undefined && json ? null : path.resolve(given ?? DEFAULT_FILE);
    if (file !== null) checkFile(file, given);
    checkTrust(context);
    const document = await gather(context.directory, file);
    if (file !== null) fs.writeFileSync(file, reportPage(document));
    return document;
  },

  render({ file, days, totals }) {
    const written = `Written: ${shownPath(file as string)}`;
    if (days.length === 0) return `${written}, but nothing was counted yet: ${NOTHING_COUNTED}`;
    const { modules, hits, misses } = totals;
    const counts = `${count(modules, 'module')}, ${count(hits, 'hit')}, ${count(misses, 'miss', 'misses')}`;
    const stored = `${count(totals.artifacts, 'artifact')}, ${formatSize(totals.artifactsSize)}`;
    return `${written}\nOn ${count(days.length, 'day')}: ${counts}, ${savedInWords(totals)}. Stored: ${stored}.`;
  },
};

export const NOTHING_COUNTED = 'run a program with the hook, and without WASM_CACHE_STATISTICS=off.';

async function gather(directory: string, file: string | null): Promise<ReportDocument> {
  const counted = await readStatistics(directory);
  const nameOf = namesIn(counted);
  const { entries } = await readContents(directory, new V8Engine().deterministicId);
  const artifacts = entries.map((entry) => ({ ...entry, name: nameOf(entry.key) })).sort((a, b) => b.size - a.size);
  const modules = figuresOf(counted.flatMap((day) => day.modules));
  const artifactsSize = artifacts.reduce((sum, { size }) => sum + size, 0);
  return {
    directory,
    file,
    writtenAt: new Date().toISOString(),
    days: counted.map(figuresOfDay),
    modules,
    totals: { ...totalsOf(modules), artifacts: artifacts.length, artifactsSize },
    findings: [...modules.flatMap(findingsOf), ...artifacts.filter(isBypassed).map(leftAlone)],
    artifacts,
  };
}

function figuresOfDay({ day, isFull, modules }: DayCounts): ReportDay {
  return { day, isFull, ...totalsOf(figuresOf(modules)) };
}

function findingsOf(figures: ModuleFigures): ReportFinding[] {
  const { key, name, hits, aliveHits, misses, hitMilliseconds, missMilliseconds, savedMillisecondsEstimate } = figures;
  const common = { key, name, lookUps: hits + misses, bypassedUntil: null };
  const took = hitMilliseconds + missMilliseconds;
  if (hits > aliveHits && took > CLEARLY * (savedMillisecondsEstimate + took)) {
    return [{ ...common, kind: 'slow', savedMillisecondsEstimate }];
  }
  if (hits > 0 || misses < MANY_MISSES) return [];
  return [{ ...common, kind: 'never-found', savedMillisecondsEstimate: null }];
}

function isBypassed({ bypassedUntil }: LsEntry): boolean {
  return bypassedUntil !== null && Date.parse(bypassedUntil) > Date.now();
}

function leftAlone({ key, name, bypassedUntil }: LsEntry): ReportFinding {
  return {
    key: key.slice(0, KEY_DIGITS),
    name,
    kind: 'left-alone',
    lookUps: 0,
    savedMillisecondsEstimate: null,
    bypassedUntil,
  };
}

function checkFile(file: string, given: string | undefined): void {
  const isFolder = fs.statSync(file, { throwIfNoEntry: false })?.isDirectory();
  const isInFolder = fs.statSync(path.dirname(file), { throwIfNoEntry: false })?.isDirectory();
  if (given === '' || isFolder || !isInFolder) {
    throw new UsageError(`The report must be a file in a folder that is there, not '${given ?? file}'`);
  }
}
