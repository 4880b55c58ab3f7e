import fs from 'node:fs';
import { benchCommand, type CommandBench, renderCommandBench } from '../bench/bench-command.js';
import { benchModule, type ModuleBench, renderModuleBench } from '../bench/bench-module.js';
import type { Command } from '../command.js';
import { type CommonOptions, checkMayStore, checkTrust } from '../context.js';
import { ExitCode, UsageError } from '../exit-codes.js';
import { withTemporaryFolder } from '../processes/cleanup.js';

export interface BenchOptions extends CommonOptions {
  /** Runs of each side. */
  runs?: number;
}

export type BenchDocument = CommandBench | ModuleBench;

export const command: Command<BenchOptions, BenchDocument> = {
  async run(context, options, given) {
    checkMayStore(context);
    // The folder that programs use is not for measuring: without --dir a temporary one is used.
    const directory = options.dir === undefined ? undefined : context.directory;
    if (directory !== undefined) checkTrust(context);
    return withTemporaryFolder(async (folder) => {
      const settings = { runs: options.runs, directory, folder };
      return isModule(given)
        ? benchModule(context, given[0] as string, settings)
        : benchCommand(context, given, settings);
    });
  },

  render: (document, colors) =>
    document.kind === 'module' ? renderModuleBench(document, colors) : renderCommandBench(document, colors),

  exitCode: (document) => {
    const isGood = document.verdict === 'faster' && (document.kind === 'module' || document.output !== 'different');
    return isGood ? ExitCode.ok : ExitCode.finding;
  },
};

/** @throws {UsageError} when there is no such file. */
function isModule(given: string[]): boolean {
  const [file = ''] = given;
  if (given.length !== 1 || !file.endsWith('.wasm')) return false;
  if (fs.statSync(file, { throwIfNoEntry: false })?.isFile()) return true;
  throw new UsageError(`There is no file ${file}: name the .wasm file of a module, or a command after --`);
}
