import readline from 'node:readline/promises';
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
    const plan = await removeFiles(directory, true, Infinity, everything);
    const [files, size] = [plan.removed.length, plan.before.size - plan.after.size];
    if (dryRun || files === 0) return { ...plan, dryRun, declined: false };
    if (!yes) {
      const what = `${count(files, 'file')}, ${formatSize(size)}, in ${directory}`;
      if (!process.stdin.isTTY || !process.stderr.isTTY) {
        throw new UsageError(`This would remove ${what}, and there is no terminal to ask on: give --yes, or --dry-run`);
      }
      if (!(await ask(`Remove ${what}? [y/N] `))) {
        return { ...plan, dryRun, after: plan.before, removed: [], declined: true };
      }
    }
    return { ...(await removeFiles(directory, false, Infinity, everything)), declined: false };
  },

  render(document, colors) {
    return document.declined ? 'Nothing was removed.' : renderRemoval(document, colors);
  },

  exitCode({ declined, failed }) {
    if (failed.length > 0) return ExitCode.failed;
    return declined ? ExitCode.finding : ExitCode.ok;
  },
};

/** Not what a process is just writing: the artifact would come anyway. */
const everything: Choose = (found) =>
  new Map(found.filter((file) => file.kind !== 'temporary' || isLeftBehind(file)).map((file) => [file, 'clear']));

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
