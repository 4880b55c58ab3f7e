import path from 'node:path';
import { packageRoot } from '../../package-root.js';
import { variablesFor } from '../../settings/settings.js';
import { UsageError } from '../exit-codes.js';
import { type ChildResult, howItEnded, runChild } from '../processes/child.js';

/** What a node is asked about, besides its engine. */
export interface NodeQuestion {
  /** A module to compile or, with an artifact, to load. */
  module?: string;
  artifact?: string;
  /** The cache folder, which may have a verdict on that node's V8. */
  directory?: string;
}

export interface NodeAnswer {
  engineId: string;
  /** Its version of Node. */
  node: string;
  /** Why native code is not supported there. */
  unsupported: string | null;
  /** Why V8 rejects the module. */
  invalid: string | null;
  /** The names that the module imports from. */
  imports: string[];
  loadMilliseconds: number | null;
  /** Why V8 rejects the artifact. */
  refused: string | null;
}

/** How a node is started. */
export interface NodeCommand {
  /** Path of the binary. */
  node: string;
  options: string[];
  /** The variable `NODE_OPTIONS`. */
  nodeOptions: string | undefined;
}

/** Options of node that are followed by a value. */
const WITH_VALUE = new Set(['-r', '--require', '--import', '--loader', '--experimental-loader', '-C', '--conditions']);
/** Options with which node does not run the program that it is given. */
const RUNS_ELSE = /^(-|-[a-z]*[cepi][a-z]*|--(eval|print|check|interactive|test|watch|run|help|version)(=.*)?|-h|-v)$/;

/** @throws {UsageError} for anything that is not an option of node: node would run it. */
export function checkNodeOptions(options: readonly string[]): void {
  for (const [index, option] of options.entries()) {
    if (WITH_VALUE.has(options[index - 1] ?? '')) continue;
    if (!option.startsWith('-')) {
      throw new UsageError(`Only options of node may follow --, with "=" before a value, and not '${option}'`);
    }
    if (RUNS_ELSE.test(option)) {
      throw new UsageError(`With the option ${option} node would run something else: leave it out`);
    }
  }
}

/**
 * Starts a node and asks it.
 *
 * @throws {UsageError} when there is no such binary, or it does not know an option.
 * @throws {Error} when it ends without an answer.
 */
export async function askNode(command: NodeCommand, question: NodeQuestion = {}): Promise<NodeAnswer> {
  const { node, options, nodeOptions } = command;
  const { NODE_OPTIONS: _, ...inherited } = process.env;
  // Disabled, or the hook would save what is compiled there.
  const env = {
    ...inherited,
    ...variablesFor({ disable: '1' }),
    ...(nodeOptions === undefined ? {} : { NODE_OPTIONS: nodeOptions }),
  };
  let result: ChildResult;
  try {
    result = await runChild(node, [...options, PROGRAM, JSON.stringify(question)], env);
  } catch (error) {
    throw new UsageError(`${node} cannot be started: ${(error as Error).message}`);
  }
  if (result.answer !== '') return JSON.parse(result.answer) as NodeAnswer;
  // Node says which option it does not know, or does not allow in NODE_OPTIONS.
  if (result.code === BAD_OPTION) throw new UsageError(result.stderr.trim());
  throw new Error(`${[node, ...options].join(' ')} ${howItEnded(result)}`);
}

const PROGRAM = path.join(packageRoot, 'dist/cli/why/answer-program.js');
const BAD_OPTION = 9;
