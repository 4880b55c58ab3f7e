import type { FoundFile } from '../../caches/inventory.js';
import { deadEngines } from '../../caches/sweep.js';
import type { Command } from '../command.js';
import { checkTrust } from '../context.js';
import { ExitCode, UsageError } from '../exit-codes.js';
import { entryEngine } from '../folder/entries.js';
import { type Removal, removeFiles, renderRemoval, type Why } from '../folder/removal.js';
import { durationOption, sizeOption } from '../options.js';

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
        'Say what to remove, with --max-size, --older-than, --dead-engines or --other-engines ' +
          '(wasm-cache clear removes everything)',
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

/** Not for engines of other hosts, which have no Node. */
function isOfOtherNode({ engine }: FoundFile, here: string): boolean {
  const { node, isThisNode } = entryEngine(engine, here);
  return node !== null && !isThisNode;
}
