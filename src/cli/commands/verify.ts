import { type VerifiedFile, type VerifyReport, verifyCache } from '../../caches/verify.js';
import { V8Engine } from '../../engine/v8-engine.js';
import type { Command } from '../command.js';
import { ExitCode } from '../exit-codes.js';
import { type EntryEngine, engineName, entryEngine } from '../folder/entries.js';
import { type Colors, count, formatDuration, formatSize, table } from '../terminal/output.js';

export interface VerifyOptions {
  repair?: boolean;
}

export interface VerifyDocument {
  directory: string;
  /** Whether bad files were fixed or removed, and not only reported. */
  repaired: boolean;
  /** Every file, in the order of their names. */
  files: {
    file: string;
    size: number;
    /** What has become of it, or would with `--repair`; see `VerifiedFile.outcome`. */
    outcome: VerifiedFile['outcome'];
    /** Why, if it is not simply kept. */
    reason: string | null;
    /** For an artifact with a readable header. */
    key: string | null;
    engine: EntryEngine | null;
    /** Whether no artifact of its engine was used for two weeks. */
    isOfDeadEngine: boolean;
  }[];
  totals: VerifyReport['totals'];
  durationMilliseconds: number;
}

export const command: Command<VerifyOptions, VerifyDocument> = {
  async run({ directory, settings }, { repair = false }) {
    const here = new V8Engine().deterministicId;
    const { files, totals, steps } = await verifyCache(directory, { secret: settings.secrets, dryRun: !repair });
    return {
      directory,
      repaired: repair,
      files: files.map(({ file, size, outcome, reason = null, header, isOfDeadEngine }) => ({
        ...{ file, size, outcome, reason, isOfDeadEngine },
        key: header ? header.key.toString() : null,
        engine: header ? entryEngine(header.engineId, here) : null,
      })),
      totals,
      durationMilliseconds: steps.reduce((sum, { duration }) => sum + duration, 0),
    };
  },

  render(document, colors) {
    const { directory, repaired, files, totals, durationMilliseconds } = document;
    if (files.length === 0) return `Nothing is stored in ${directory}.`;
    const shown = files.filter(({ outcome }) => outcome !== 'kept');
    const lines: string[] = [];
    if (shown.length > 0) lines.push(table(columns(repaired, colors), shown, colors), '');
    const size = files.reduce((sum, each) => sum + each.size, 0);
    lines.push(
      `${count(files.length, 'file')}, ${formatSize(size)}, read in ${formatDuration(durationMilliseconds)}, in ${directory}`,
    );
    if (!files.some(isBad)) lines.push(colors.green('Everything is in order.'));
    if (!repaired && totals.removed.files + totals.repaired.files > 0) {
      lines.push('Nothing was changed. To fix this, run the same command with --repair.');
    }
    return lines.join('\n');
  },

  exitCode: ({ files }) => (files.some(isBad) ? ExitCode.finding : ExitCode.ok),
};

type File = VerifyDocument['files'][number];

/** Only artifacts can be bad. Leftovers of processes that were ended during a write do no harm. */
function isBad({ file, outcome }: File): boolean {
  return file.endsWith('.artifact') && outcome !== 'kept' && outcome !== 'unknown';
}

function columns(repaired: boolean, colors: Colors) {
  const words: Record<File['outcome'], string> = {
    kept: 'kept',
    repaired: repaired ? 'repaired' : 'to repair',
    removed: repaired ? 'removed' : 'to remove',
    quarantined: 'quarantined',
    untrusted: 'untrusted',
    unknown: 'unknown',
  };
  return [
    {
      title: 'OUTCOME',
      value: (file: File) => (isBad(file) ? colors.red : colors.dim)(words[file.outcome]),
    },
    { title: 'KEY', value: ({ key }: File) => key?.slice(0, 12) ?? '-' },
    { title: 'SIZE', align: 'right' as const, value: ({ size }: File) => formatSize(size) },
    { title: 'ENGINE', value: ({ engine }: File) => (engine ? engineName(engine) : '-') },
    { title: 'WHY', value: ({ reason, key, file }: File) => `${reason ?? ''}${key === null ? ` (${file})` : ''}` },
  ];
}
