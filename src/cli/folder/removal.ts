import fs from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { FoundFile } from '../../caches/inventory.js';
import { type FolderLimits, isLeftBehind, type SweepReport, sweep } from '../../caches/sweep.js';
import { V8Engine } from '../../engine/v8-engine.js';
import { type Colors, type Column, count, formatAge, formatSize, table } from '../terminal/output.js';
import { type EntryEngine, engineName, entryEngine } from './entries.js';

/** The files that were removed from the cache folder, or would be. */
export interface Removal extends Pick<SweepReport, 'before' | 'after'> {
  directory: string;
  dryRun: boolean;
  removed: RemovedFile[];
  /** What could not be removed, and why. */
  failed: { file: string; error: string }[];
}

interface RemovedFile {
  file: string;
  size: number;
  kind: FoundFile['kind'];
  /** `null` unless it is an artifact. */
  key: string | null;
  engine: EntryEngine | null;
  usedAt: string;
  why: Why;
}

/** Why a file is removed. `left-behind`: by a process that is gone; such files are always removed. */
export type Why = 'left-behind' | 'older-than' | 'dead-engine' | 'other-engine' | 'max-size' | 'clear';

/** Selects files to remove. */
export type Choose = (found: readonly FoundFile[], here: string) => Map<FoundFile, Why>;

/**
 * Sweeps the folder, and removes the chosen files too. Waits for a sweep of another process.
 *
 * @throws {Error} when the folder cannot be changed, or another process does not finish its sweep.
 */
export async function removeFiles(
  directory: string,
  dryRun: boolean,
  maxSize: number,
  choose: Choose,
): Promise<Removal> {
  const isThere = fs.existsSync(directory);
  // A folder without rights would look like one that another process is sweeping.
  if (isThere && !dryRun) fs.accessSync(directory, fs.constants.W_OK);
  const here = new V8Engine().deterministicId;
  const limits: FolderLimits = { maxSize, maxFiles: Infinity };
  const files = new Map<string, FoundFile>();
  let chosen = new Map<FoundFile, Why>();
  const failed: Removal['failed'] = [];
  const options = {
    dryRun: dryRun || !isThere,
    cutTo: 1,
    unwanted(found: readonly FoundFile[]) {
      for (const each of found) files.set(each.file, each);
      chosen = choose(found, here);
      return [...chosen.keys()];
    },
    onFailure: (file: string, error: unknown) => failed.push({ file, error: (error as Error).message }),
  };
  let report = await sweep(directory, limits, options);
  for (const end = Date.now() + PATIENCE; !report && Date.now() < end; ) {
    await setTimeout(RETRY);
    report = await sweep(directory, limits, options);
  }
  if (!report) throw new Error(`Another process is sweeping ${directory}: try again in a minute`);
  const removed = report.removed.map((file) => {
    const found = files.get(file) as FoundFile;
    const why = chosen.get(found) ?? (isLeftBehind(found) ? 'left-behind' : 'max-size');
    return describe(found, why, here);
  });
  return { directory, dryRun, before: report.before, after: report.after, removed, failed };
}

/** Milliseconds. A sweep takes seconds. */
const PATIENCE = 10_000;
const RETRY = 100;

function describe({ file, size, kind, key, engine, usedAt }: FoundFile, why: Why, here: string): RemovedFile {
  const isArtifact = kind === 'artifact';
  return {
    ...{ file, size, kind, why },
    key: isArtifact ? key : null,
    engine: isArtifact ? entryEngine(engine, here) : null,
    usedAt: new Date(usedAt).toISOString(),
  };
}

/** One sentence; with `--dry-run` also a table of the files. */
export function renderRemoval({ directory, dryRun, before, after, removed, failed }: Removal, colors: Colors): string {
  const lines: string[] = [];
  if (dryRun && removed.length > 0) lines.push(table(COLUMNS, removed, colors), '');
  for (const { file, error } of failed) lines.push(`${colors.red('not removed:')} ${file}: ${error}`);
  const artifacts = removed.filter(({ kind }) => kind === 'artifact').length;
  const others = removed.length - artifacts;
  const what = [
    ...(artifacts > 0 ? [count(artifacts, 'artifact')] : []),
    ...(others > 0 ? [count(others, 'other file')] : []),
  ].join(' and ');
  const verb = dryRun ? 'Would remove' : 'Removed';
  const left = `${count(after.files, 'file')}, ${formatSize(after.size)}`;
  lines.push(
    removed.length === 0
      ? `Nothing to remove in ${directory}: ${left}.`
      : `${verb} ${what}, ${formatSize(before.size - after.size)}, in ${directory}; ${left} ${dryRun ? 'would stay' : 'are left'}.`,
  );
  return lines.join('\n');
}

const COLUMNS: Column<RemovedFile>[] = [
  { title: 'KEY', value: ({ key }) => key?.slice(0, 12) ?? '-' },
  { title: 'SIZE', align: 'right', value: ({ size }) => formatSize(size) },
  { title: 'USED', value: ({ usedAt }) => formatAge(usedAt) },
  { title: 'WHY', value: ({ why }) => why },
  { title: 'ENGINE', value: ({ engine, kind }) => (engine ? engineName(engine) : kind) },
];
