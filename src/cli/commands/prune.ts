import type { FoundFile } from '../../caches/inventory.js';
import { deadEngines } from '../../caches/sweep.js';
import type { Command } from '../command.js';
import { checkTrust } from '../context.js';
import { ExitCode, UsageError } from '../exit-codes.js';
import { engineName, entryEngine } from '../folder/entries.js';
import { type Removal, type RemovedFile, removeFiles, type Why } from '../folder/removal.js';
import { durationOption, sizeOption } from '../options.js';
import { type Colors, type Column, count, formatAge, formatSize, table } from '../terminal/output.js';

export interface PruneOptions {
  maxSize?: string;
  olderThan?: string;
  deadEngines?: boolean;
  otherEngines?: boolean;
  dryRun?: boolean;
}

export const command: Command<PruneOptions, Removal> = {
  async run(context, options) {
    const maxSize = options.maxSize === undefined ? Infinity : sizeOption('--max-size', options.maxSize);
    const maxAge = options.olderThan === undefined ? Infinity : durationOption('--older-than', options.olderThan);
    if (maxSize === Infinity && maxAge === Infinity && !options.deadEngines && !options.otherEngines) {
      throw new UsageError(
        'Nothing says what is to go: give --max-size, --older-than, --dead-engines or --other-engines ' +
          '(to remove everything: wasm-cache clear)',
      );
    }
    checkTrust(context);
    return removeFiles(context.directory, options.dryRun ?? false, maxSize, (found, here) => {
      const dead = options.deadEngines ? deadEngines([...found]) : new Set<string>();
      const chosen = new Map<FoundFile, Why>();
      for (const file of found) {
        if (file.kind !== 'artifact') continue;
        if (Date.now() - file.usedAt > maxAge) chosen.set(file, 'older-than');
        else if (dead.has(file.engine)) chosen.set(file, 'dead-engine');
        else if (options.otherEngines && isOfOtherNode(file, here)) chosen.set(file, 'other-engine');
      }
      return chosen;
    });
  },

  render: renderRemoval,

  exitCode: ({ failed }) => (failed.length > 0 ? ExitCode.failed : ExitCode.ok),
};

/** Engines that a host made for itself know no Node, and are its own business. */
function isOfOtherNode({ engine }: FoundFile, here: string): boolean {
  const { node, isThisNode } = entryEngine(engine, here);
  return node !== null && !isThisNode;
}

/** What was removed in a sentence; what would be, file by file. */
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
