import path from 'node:path';
import { exportBundle } from '../../bundle/bundle.js';
import type { Command } from '../command.js';
import { cacheOf, checkTrust, shownPath } from '../context.js';
import { ExitCode } from '../exit-codes.js';
import { interruptible } from '../processes/cleanup.js';
import { trustOf } from '../store/remote-store.js';
import { type Copied, copiedArtifact, hasLeftOut, renderCopied } from '../store/transfer.js';
import { formatSize } from '../terminal/output.js';

export interface BakeOptions {
  allEngines?: boolean;
}

export interface BakeDocument extends Copied {
  directory: string;
  /** The absolute path of the bundle. */
  bundle: string;
  size: number;
}

export const command: Command<BakeOptions, BakeDocument> = {
  async run(context, { allEngines = false }, [file = '']) {
    checkTrust(context);
    const { directory, engineId } = context;
    const bundle = path.resolve(file);
    const engines = allEngines ? undefined : 'this';
    const options = { from: cacheOf(context), to: bundle, engines, ...trustOf(context) } as const;
    const { artifacts, leftOut, size } = await interruptible((signal) => exportBundle({ ...options, signal }));
    return { directory, bundle, size, artifacts: artifacts.map((each) => copiedArtifact(each, engineId)), leftOut };
  },

  render: (document, colors) => {
    const { directory, bundle, size } = document;
    return `${renderCopied(document, 'baked', colors)}, from ${directory} into ${shownPath(bundle)}, ${formatSize(size)}`;
  },

  exitCode: (document) => (hasLeftOut(document) || document.artifacts.length === 0 ? ExitCode.finding : ExitCode.ok),
};
