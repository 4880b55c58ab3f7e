import fs from 'node:fs';
import path from 'node:path';
import { V8Engine } from '../../engine/v8-engine.js';
import { KEY_DIGITS } from '../../statistics/lines.js';
import { type DayCounts, readStatistics } from '../../statistics/read.js';
import type { Command } from '../command.js';
import { checkTrust, shownPath } from '../context.js';
import { UsageError } from '../exit-codes.js';
import { type NamedEntry, readContents } from '../folder/entries.js';
import { figuresOf, type ModuleFigures, namesIn, savedInWords, totalsOf } from '../folder/statistics.js';
import { NOTHING_COUNTED, type ReportDay, type ReportDocument, type ReportFinding } from '../report/document.js';
import { reportPage } from '../report/report-page.js';
import { count, formatSize } from '../terminal/output.js';

export interface ReportOptions {
  json?: boolean;
}

const DEFAULT_FILE = 'wasm-cache-report.html';
/** Every module begins with misses. */
const MANY_MISSES = 3;
/** How far above the estimate a time must be. The estimate is for a quiet machine. */
const CLEARLY = 2;

export const command: Command<ReportOptions, ReportDocument> = {
  async run(context, { json = false }, [given]) {
    // With --json a page is written only if one is named.
    const file = given === undefined && json ? null : path.resolve(given ?? DEFAULT_FILE);
    if (file !== null) checkFile(file, given);
    checkTrust(context);
    const document = await gather(context.directory, file);
    if (file !== null) writePage(file, reportPage(document));
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
    findings: [...modules.flatMap(findingsOf), ...artifacts.filter(isBypassed).map(bypassed)],
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

function isBypassed({ bypassedUntil }: NamedEntry): boolean {
  return bypassedUntil !== null && Date.parse(bypassedUntil) > Date.now();
}

function bypassed({ key, name, bypassedUntil }: NamedEntry): ReportFinding {
  return {
    key: key.slice(0, KEY_DIGITS),
    name,
    kind: 'bypassed',
    lookUps: 0,
    savedMillisecondsEstimate: null,
    bypassedUntil,
  };
}

function checkFile(file: string, given: string | undefined): void {
  const isInFolder = fs.statSync(path.dirname(file), { throwIfNoEntry: false })?.isDirectory();
  const existing = fs.lstatSync(file, { throwIfNoEntry: false });
  if (given !== '' && isInFolder && (!existing || existing.isFile())) return;
  const isSpecial = existing !== undefined && !existing.isDirectory() && !existing.isFile();
  const reason = isSpecial ? 'a plain file, not a link, a pipe or the like' : 'a file in an existing folder';
  throw new UsageError(`The report must be ${reason}: '${given ?? file}'`);
}

/** Does not wait for a pipe, and writes through no link, which somebody may have put there since the check. */
function writePage(file: string, page: string): void {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = fs.constants;
  fs.writeFileSync(file, page, { flag: O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOFOLLOW } as never);
}
