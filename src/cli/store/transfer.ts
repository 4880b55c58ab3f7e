import { PassThrough } from 'node:stream';
import type { ArtifactStore } from '../../artifact-store.js';
import { exportBundle, type LeftOutArtifact } from '../../bundle/export-bundle.js';
import { type ImportedArtifact, importBundle } from '../../bundle/import-bundle.js';
import type { BundledArtifact } from '../../bundle/manifest.js';
import { FileSystemCache } from '../../caches/file-system.js';
import type { Context } from '../context.js';
import { type EntryEngine, engineName, entryEngine } from '../folder/entries.js';
import { type Colors, type Column, formatSize, table } from '../terminal/output.js';
import { StatusLine } from '../terminal/progress.js';
import type { Trust } from './remote-store.js';

/** An artifact that was to be carried from one place to another. */
export interface CarriedArtifact {
  key: string;
  engine: EntryEngine;
  coverage: 'none' | 'hot' | 'full';
  generation: number;
  final: boolean;
  /** Of the module itself. */
  moduleSize: number;
  /** As it is carried: compressed, where Node can do that. */
  size: number;
  /**
   * - `stored`: it is there now.
   * - `kept`: what was there is as good or better, and still there.
   * - `unsuitable`: in order, but this Node has no use for it.
   * - `refused`: damaged, not signed with the secret, or too large.
   */
  outcome: 'stored' | 'kept' | 'unsuitable' | 'refused';
  reasons: string[];
}

/** An artifact that was not taken from where it is. */
interface LeftOut {
  /** Its name there. */
  name: string;
  reason: LeftOutArtifact['reason'];
  message: string;
}

/** What was carried, and what was not. */
export interface Carried {
  artifacts: CarriedArtifact[];
  leftOut: LeftOut[];
}

export interface TransferOptions {
  from: FileSystemCache | ArtifactStore;
  into: FileSystemCache | ArtifactStore;
  trust: Trust;
  /** The id of the engine of this process. */
  engine: string;
  allEngines: boolean;
  /** Ends it. */
  signal: AbortSignal;
}

/** The cache folder as both sides need it. */
export function folderOf({ directory, settings: { secrets, maxSize } }: Context): FileSystemCache {
  return new FileSystemCache(directory, { secret: secrets, maxSize });
}

/** Carries artifacts through a bundle that is nowhere stored: all that is checked of one is checked here, too. */
export async function transfer({ from, into, trust, engine, allEngines, signal }: TransferOptions): Promise<Carried> {
  const [source, target] = [from, into].map((place) => ('directory' in place ? place.directory : place.description));
  const status = new StatusLine();
  status.show(`carrying artifacts from ${source} to ${target} ...`);
  const bundle = new PassThrough();
  const both = [
    exportBundle({ from, to: bundle, engines: allEngines ? undefined : 'this', ...trust, signal }).catch((error) => {
      bundle.destroy(error); // or the other side waits for ever
      throw error;
    }),
    importBundle({ from: bundle, into, all: true, ...trust, signal }),
  ] as const;
  try {
    const [{ leftOut }, { artifacts }] = await Promise.all(both);
    return { artifacts: artifacts.map((artifact) => carriedOf(artifact, engine)), leftOut };
  } finally {
    await Promise.allSettled(both);
    status.clear();
  }
}

/** @param engine - the id of that of this process */
export function carriedOf(artifact: BundledArtifact & Partial<ImportedArtifact>, engine: string): CarriedArtifact {
  const { key, engineId, coverage, generation, final, wireLength, size, outcome = 'imported', reasons = [] } = artifact;
  return {
    ...{ key: key.toString(), engine: entryEngine(engineId, engine), coverage, generation, final },
    ...{ moduleSize: wireLength, size, reasons, outcome: outcome === 'imported' ? 'stored' : outcome },
  };
}

/** Whether there is something that somebody should look at. A note that a module is left to V8 is nothing to carry. */
export function hasLeftOut({ artifacts, leftOut }: Carried): boolean {
  const isWrong = ({ outcome }: CarriedArtifact) => outcome === 'unsuitable' || outcome === 'refused';
  return artifacts.some(isWrong) || leftOut.some(({ reason }) => reason !== 'empty');
}

/** The artifacts, and how many of them became what. */
export function renderCarried({ artifacts, leftOut }: Carried, verb: string, colors: Colors): string {
  const lines: string[] = [];
  if (artifacts.length > 0) lines.push(table(columns(verb, colors), artifacts, colors), '');
  for (const { name, reason, message } of leftOut) {
    lines.push(`${reason === 'empty' ? 'Left out' : colors.yellow('Left out')}: ${name}: ${message}`);
  }
  if (leftOut.length > 0) lines.push('');
  const counts = OUTCOMES.flatMap((outcome) => {
    const ones = artifacts.filter((artifact) => artifact.outcome === outcome);
    const size = formatSize(ones.reduce((sum, each) => sum + each.size, 0));
    return ones.length > 0 ? [`${ones.length} ${nameOf(outcome, verb)} (${size})`] : [];
  });
  if (leftOut.length > 0) counts.push(`${leftOut.length} left out`);
  return lines.concat(counts.length === 0 ? 'Nothing' : counts.join(', ')).join('\n');
}

const OUTCOMES = ['stored', 'kept', 'unsuitable', 'refused'] as const;

function nameOf(outcome: CarriedArtifact['outcome'], verb: string): string {
  return { stored: verb, kept: 'there already', unsuitable: 'not for this Node', refused: 'refused' }[outcome];
}

function columns(verb: string, colors: Colors): Column<CarriedArtifact>[] {
  const paints = { stored: colors.green, kept: colors.dim, unsuitable: colors.yellow, refused: colors.red };
  return [
    { title: 'KEY', value: ({ key }) => key.slice(0, 12) },
    { title: 'SIZE', align: 'right', value: ({ size }) => formatSize(size) },
    { title: 'MODULE', align: 'right', value: ({ moduleSize }) => formatSize(moduleSize) },
    { title: 'COVERAGE', value: ({ coverage, final }) => (final ? `${coverage}, final` : coverage) },
    { title: 'ENGINE', value: ({ engine }) => engineName(engine) },
    { title: 'RESULT', value: ({ outcome }) => paints[outcome](nameOf(outcome, verb)) },
    { title: '', value: ({ reasons }) => reasons.join('; ') },
  ];
}
