import readline from 'node:readline/promises';
import type { FoundFile } from '../../caches/inventory.js';
import { isLeftBehind } from '../../caches/sweep.js';
import type { Command } from '../command.js';
import { checkTrust } from '../context.js';
import { ExitCode, UsageError } from '../exit-codes.js';
import { type Choose, type Removal, removeFiles, renderRemoval } from '../folder/removal.js';
import { count, escapeControls, formatSize } from '../terminal/output.js';

export interface ClearOptions {
  yes?: boolean;
  dryRun?: boolean;
}

export interface ClearDocument extends Removal {
  /** Whether the user was asked, and said no. */
  declined: boolean;
}

export const command: Command<ClearOptions, ClearDocument> = {
  async run(context, { yes = false, dryRun = false }) {
    checkTrust(context);
    const { directory } = context;
    const { files, size } = await whatGoes(directory);
    if (!yes && !dryRun && files > 0) {
      const what = `${count(files, 'file')}, ${formatSize(size)}, in ${directory}`;
      if (!process.stdin.isTTY || !process.stderr.isTTY) {
        throw new UsageError(`This would remove ${what}, and there is no terminal to ask on: give --yes, or --dry-run`);
      }
      if (!(await ask(`Remove ${what}? [y/N] `))) {
        const all = { files, size };
        return { directory, dryRun, before: all, after: all, removed: [], failed: [], declined: true };
      }
    }
    const removal = await removeFiles(directory, dryRun, Infinity, chooseOurs);
    return { ...removal, declined: false };
  },

  render(document, colors) {
    return document.declined ? 'Nothing was removed.' : renderRemoval(document, colors);
  },

  exitCode({ declined, failed }) {
    if (failed.length > 0) return ExitCode.failed;
    return declined ? ExitCode.finding : ExitCode.ok;
  },
};

const chooseOurs: Choose = (found) => new Map(found.filter(isOurs).map((file) => [file, 'clear']));

/** What a process is just writing stays: the artifact would come anyway. */
function isOurs(found: FoundFile): boolean {
  if (found.kind === 'unknown') return false;
  return found.kind !== 'temporary' || isLeftBehind(found);
}

/** Files at our names that hold something else are not counted: they stay. */
async function whatGoes(directory: string): Promise<{ files: number; size: number }> {
  const { removed } = await removeFiles(directory, true, Infinity, chooseOurs);
  return { files: removed.length, size: removed.reduce((sum, { size }) => sum + size, 0) };
}

async function ask(question: string): Promise<boolean> {
  const terminal = readline.createInterface({ input: process.stdin, output: process.stderr });
  const closed = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
  try {
    // The input may end without an answer.
    return /^y(es)?$/i.test((await Promise.race([terminal.question(escapeControls(question)), closed])).trim());
  } finally {
    terminal.close();
  }
}
