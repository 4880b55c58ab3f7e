import { V8Engine } from '../../engine/v8-engine.js';
import type { Command } from '../command.js';
import { checkTrust } from '../context.js';
import { coverageOf, type Entry, engineName, type NamedEntry, readContents } from '../folder/entries.js';
import { readModuleNames } from '../folder/statistics.js';
import { type Colors, type Column, count, formatAge, formatSize, table } from '../terminal/output.js';

export interface LsOptions {
  sort: 'used' | 'size';
}

export interface LsDocument {
  directory: string;
  /** The id of the engine of this process. */
  engine: string;
  /** In the order of `--sort`. */
  entries: NamedEntry[];
  totals: {
    artifacts: number;
    artifactsSize: number;
    /** All other files: statistics, notes, jobs, temporary files, and files that are not of this package. */
    otherFiles: number;
    otherFilesSize: number;
  };
}

export const command: Command<LsOptions, LsDocument> = {
  async run(context, { sort }) {
    checkTrust(context);
    const { directory } = context;
    const engine = new V8Engine().deterministicId;
    const nameOf = await readModuleNames(directory);
    const { entries: found, others } = await readContents(directory, engine);
    const entries = found.map((entry) => ({ ...entry, name: nameOf(entry.key) }));
    const compare = {
      used: (a: Entry, b: Entry) => Date.parse(b.usedAt) - Date.parse(a.usedAt),
      size: (a: Entry, b: Entry) => b.size - a.size,
    }[sort];
    entries.sort((a, b) => compare(a, b) || (a.file < b.file ? -1 : 1));
    const totals = {
      artifacts: entries.length,
      artifactsSize: sumOf(entries),
      otherFiles: others.length,
      otherFilesSize: sumOf(others),
    };
    return { directory, engine, entries, totals };
  },

  render({ directory, entries, totals }, colors) {
    if (entries.length === 0) return `Nothing is stored in ${directory}.`;
    const sum = `${count(totals.artifacts, 'artifact')}, ${formatSize(totals.artifactsSize)}, in ${directory}`;
    const others = totals.otherFiles > 0 ? `, and ${count(totals.otherFiles, 'other file')}` : '';
    return `${table(columns(colors), entries, colors)}\n\n${sum}${others}`;
  },
};

function columns(colors: Colors): Column<NamedEntry>[] {
  return [
    { title: 'KEY', value: ({ key }) => key.slice(0, 12) },
    { title: 'NAME', value: ({ name }) => name ?? '?' },
    { title: 'SIZE', align: 'right', value: ({ size }) => formatSize(size) },
    {
      title: 'MODULE',
      align: 'right',
      value: ({ moduleSize }) => (moduleSize === null ? '?' : formatSize(moduleSize)),
    },
    { title: 'COVERAGE', value: (entry) => coverageOf(entry, colors) },
    { title: 'GEN', align: 'right', value: ({ generation }) => String(generation ?? '?') },
    { title: 'USED', value: ({ usedAt }) => formatAge(usedAt) },
    { title: 'SIGNED', value: ({ signed }) => (signed === null ? '?' : signed ? 'yes' : 'no') },
    { title: 'ENGINE', value: ({ engine }) => (engine.isThisEngine ? colors.green : colors.dim)(engineName(engine)) },
  ];
}

function sumOf(files: { size: number }[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}
