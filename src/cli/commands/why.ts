import path from 'node:path';
import { entryName } from '../../caches/entry-name.js';
import { whyNotThisEngine } from '../../engine/engine-id.js';
import type { Command } from '../command.js';
import { shownPath } from '../context.js';
import { ExitCode } from '../exit-codes.js';
import { engineName, entryEngine, readContents } from '../folder/entries.js';
import { readModuleFile } from '../folder/module-file.js';
import { type Colors, formatDuration, formatSize, list } from '../terminal/output.js';
import { askNode, checkNodeOptions, type NodeAnswer, type NodeCommand } from '../why/ask-node.js';
import type { WhyDocument } from '../why/document.js';
import { explain } from '../why/explain.js';

export interface WhyOptions {
  node?: string;
}

export const command: Command<WhyOptions, WhyDocument> = {
  async run(context, { node = process.execPath }, [given = '', ...options]) {
    checkNodeOptions(options);
    const { directory } = context;
    const module = await readModuleFile(given);
    const nodeCommand: NodeCommand = { node, options, nodeOptions: process.env.NODE_OPTIONS || undefined };
    const answer = await askNode(nodeCommand, { module: module.file, directory });
    const { engineId } = answer;
    const key = module.key.toString();
    const file = path.join(directory, entryName({ key: module.key, engineId }));
    const { entries } = await readContents(directory, engineId, (found) => found.key === key);
    const artifact = entries.find((entry) => entry.file === file);
    const others = entries
      .filter((entry) => entry.file !== file)
      .sort((a, b) => Number(b.engine.isThisNode) - Number(a.engine.isThisNode));
    const explanation = await explain({ context, module, nodeCommand, answer, artifact, others });
    return {
      ...{ module: module.file, moduleSize: module.wireBytes.length, key, directory },
      node: { binary: node, options, nodeOptions: nodeCommand.nodeOptions ?? null },
      engine: entryEngine(engineId, engineId),
      hit: explanation.source !== null,
      ...explanation,
      artifact: artifact ?? null,
      others: others.map((other) => ({ artifact: other, why: whyNotThisEngine(other.engine.id, engineId) })),
      notes: notes(answer),
    };
  },

  render(document, colors) {
    const lines = [headline(document, colors)];
    for (const { message, advice } of document.reasons) {
      lines.push(`  ${colors.bold('why')}  ${message}`);
      if (advice !== null) lines.push(`  ${colors.bold('do')}   ${advice}`);
    }
    lines.push('', facts(document, colors));
    if (document.others.length > 0) lines.push('', 'For other engines:');
    for (const { artifact, why } of document.others) lines.push(`  ${engineName(artifact.engine)}: ${why.join('; ')}`);
    for (const note of document.notes) lines.push('', note);
    return lines.join('\n');
  },

  exitCode: ({ hit }) => (hit ? ExitCode.ok : ExitCode.finding),
};

function notes({ imports }: NodeAnswer): string[] {
  const builtin = imports.filter((name) => name.startsWith('wasm:'));
  if (builtin.length === 0) return [];
  return [
    `It imports from ${builtin.join(', ')}. A program that compiles it with options (builtins) always gets it from V8, because these options ` +
      'become part of the code.',
  ];
}

function headline({ hit, source, module, reasons, loadMilliseconds }: WhyDocument, colors: Colors): string {
  const name = colors.bold(shownPath(module));
  const took = loadMilliseconds === null ? '' : `, loaded in ${formatDuration(loadMilliseconds)}`;
  if (hit) return `${colors.green('hit')}: ${name} comes from the ${source}${took}`;
  const isInvalid = reasons.some(({ code }) => code === 'invalid-module');
  return `${colors.red('miss')}: ${isInvalid ? `V8 rejects ${name}` : `V8 compiles ${name}`}`;
}

function facts({ key, moduleSize, engine, artifact, node }: WhyDocument, colors: Colors): string {
  const { options, nodeOptions } = node;
  const given = [options.join(' '), nodeOptions === null ? '' : `NODE_OPTIONS=${nodeOptions}`].filter(Boolean);
  return list(
    [
      ['Key', key],
      ['Module', formatSize(moduleSize)],
      ['Engine', [engine.id, ...(given.length > 0 ? [`with ${given.join(', ')}`] : [])].join(', ')],
      ['Artifact', artifact ? `${formatSize(artifact.size)}, coverage ${artifact.coverage ?? 'unknown'}` : undefined],
      ['File', artifact?.file],
    ],
    colors,
  );
}
