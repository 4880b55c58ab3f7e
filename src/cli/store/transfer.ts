import type { ArtifactStore } from '../../artifact-store.js';
import { type TransferOptions, transferArtifacts } from '../../bundle/transfer.js';
import type { BundledArtifact, ImportedArtifact, LeftOutArtifact } from '../../bundle/types.js';
import { FileSystemCache } from '../../caches/file-system.js';
import type { Context } from '../context.js';
import { type EntryEngine, engineName, entryEngine } from '../folder/entries.js';
import { interruptible } from '../processes/cleanup.js';
import { type Colors, type Column, formatSize, table } from '../terminal/output.js';
import { StatusLine } from '../terminal/progress.js';

/** An artifact that was to be copied, as JSON shows it. */
export interface CopiedArtifact {
  key: string;
  engine: EntryEngine;
  coverage: 'none' | 'hot' | 'full';
  generation: number;
  final: boolean;
  /** Of the module itself. */
  moduleSize: number;
  /** In the store or in the bundle, where it is compressed if Node can do that. */
  size: number;
  /**
   * - `stored`: it is there now.
   * - `kept`: the target had one that is as good or better.
   * - `unsuitable`: undamaged, but this Node cannot use it.
   * - `refused`: damaged, not signed with the secret, or too large.
   */
  outcome: 'stored' | 'kept' | 'unsuitable' | 'refused';
  reasons: string[];
}

/** What was copied, and what was not. */
export interface Copied {
  artifacts: CopiedArtifact[];
  /** What could not be read where it is, by its name there. */
  leftOut: LeftOutArtifact[];
}

/** Copies artifacts between the cache folder and a store. Shows on the terminal that it does. */
export async function copyArtifacts({ engineId }: Context, options: TransferOptions): Promise<Copied> {
  const { from, into } = options;
  const status = new StatusLine();
  status.show(`copying artifacts from ${nameOf(from)} to ${nameOf(into)} ...`);
  try {
    const { artifacts, leftOut } = await interruptible((signal) => transferArtifacts({ ...options, signal }));
    const isPush = from instanceof FileSystemCache;
    const copied = artifacts.map(({ sizes, ...artifact }) =>
      copiedArtifact({ ...artifact, size: isPush ? sizes.into : sizes.from }, engineId),
    );
    return { artifacts: copied, leftOut };
  } finally {
    status.clear();
  }
}

function nameOf(location: FileSystemCache | ArtifactStore): string {
  return 'directory' in location ? location.directory : location.description;
}

type ArtifactFacts = Pick<
  BundledArtifact,
  'key' | 'engineId' | 'coverage' | 'generation' | 'final' | 'wireLength' | 'size'
> &
  Partial<Pick<ImportedArtifact, 'outcome' | 'reasons'>>;

/** @param here - the id of the engine of this process */
export function copiedArtifact(artifact: ArtifactFacts, here: string): CopiedArtifact {
  const { key, engineId, coverage, generation, final, wireLength, size, outcome = 'imported', reasons = [] } = artifact;
  return {
    ...{ key: key.toString(), engine: entryEngine(engineId, here), coverage, generation, final },
    ...{ moduleSize: wireLength, size, reasons, outcome: outcome === 'imported' ? 'stored' : outcome },
  };
}

/** Whether somebody should look at the result. A note that a module is left to V8 is nothing to copy. */
export function hasLeftOut({ artifacts, leftOut }: Copied): boolean {
  const isWrong = ({ outcome }: CopiedArtifact) => outcome === 'unsuitable' || outcome === 'refused';
  return artifacts.some(isWrong) || leftOut.some(({ reason }) => reason !== 'empty');
}

/** A table of the artifacts, and how many had which outcome. */
export function renderCopied({ artifacts, leftOut }: Copied, verb: string, colors: Colors): string {
  const lines: string[] = [];
  if (artifacts.length > 0) lines.push(table(columns(verb, colors), artifacts, colors), '');
  for (const { name, reason, message } of leftOut) {
    lines.push(`${reason === 'empty' ? 'Left out' : colors.yellow('Left out')}: ${name}: ${message}`);
  }
  if (leftOut.length > 0) lines.push('');
  const counts = OUTCOMES.flatMap((outcome) => {
    const ones = artifacts.filter((artifact) => artifact.outcome === outcome);
    const size = formatSize(ones.reduce((sum, each) => sum + each.size, 0));
    return ones.length > 0 ? [`${ones.length} ${outcomeName(outcome, verb)} (${size})`] : [];
  });
  if (leftOut.length > 0) counts.push(`${leftOut.length} left out`);
  return lines.concat(counts.length === 0 ? 'Nothing' : counts.join(', ')).join('\n');
}

const OUTCOMES = ['stored', 'kept', 'unsuitable', 'refused'] as const;

function outcomeName(outcome: CopiedArtifact['outcome'], verb: string): string {
  return { stored: verb, kept: 'there already', unsuitable: 'not for this Node', refused: 'refused' }[outcome];
}

function columns(verb: string, colors: Colors): Column<CopiedArtifact>[] {
  const paints = { stored: colors.green, kept: colors.dim, unsuitable: colors.yellow, refused: colors.red };
  return [
    { title: 'KEY', value: ({ key }) => key.slice(0, 12) },
    { title: 'SIZE', align: 'right', value: ({ size }) => formatSize(size) },
    { title: 'MODULE', align: 'right', value: ({ moduleSize }) => formatSize(moduleSize) },
    { title: 'COVERAGE', value: ({ coverage, final }) => (final ? `${coverage}, final` : coverage) },
    { title: 'ENGINE', value: ({ engine }) => engineName(engine) },
    { title: 'RESULT', value: ({ outcome }) => paints[outcome](outcomeName(outcome, verb)) },
    { title: '', value: ({ reasons }) => reasons.join('; ') },
  ];
}
