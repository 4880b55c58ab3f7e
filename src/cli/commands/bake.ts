import path from 'node:path';
import { exportBundle } from '../../bundle/bundle.js';
import { V8Engine } from '../../engine/v8-engine.js';
import type { Command } from '../command.js';
import { checkTrust, shownPath } from '../context.js';
import { ExitCode } from '../exit-codes.js';
import { interruptible } from '../processes/interruption.js';
import { trustOf } from '../store/remote-store.js';
import { type Copied, copiedArtifact, folderOf, hasLeftOut, renderCopied } from '../store/transfer.js';
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
    const bundle = path.resolve(file);
    const engines = allEngines ? undefined : 'this';
    const given = { from: folderOf(context), to: bundle, engines, ...trustOf(context) } as const;
    const report = await interruptible((signal) => exportBundle({ ...given, signal }));
    const engine = new V8Engine().deterministicId;
    const artifacts = report.artifacts.map((artifact) => copiedArtifact(artifact, engine));
    return { directory: context.directory, bundle, size: report.size, artifacts, leftOut: report.leftOut };
  },

  render: (document, colors) => {
    const { directory, bundle, size } = document;
    return `${renderCopied(document, 'baked', colors)}, from ${directory} into ${shownPath(bundle)}, ${formatSize(size)}`;
  },

  exitCode: (document) => (hasLeftOut(document) || document.artifacts.length === 0 ? ExitCode.finding : ExitCode.ok),
};
