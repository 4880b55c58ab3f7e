import path from 'node:path';
import { packageRoot } from '../../package-root.js';
import { variablesFor } from '../../settings/settings.js';
import { UsageError } from '../exit-codes.js';
import { type ChildResult, howItEnded, runChild } from './child.js';

/** What a process is to look at besides itself. */
export interface ProbeQuestion {
  /** A module that it compiles, or, with an artifact, restores. */
  module?: string;
  artifact?: string;
  /** The cache folder, which may have a verdict on its V8. */
  directory?: string;
}

export interface ProbeAnswer {
  engineId: string;
  /** Its version of Node. */
  node: string;
  /** Why native code is not supported there. */
  unsupported: string | null;
  /** Why V8 does not take the module. */
  invalid: string | null;
  /** The names of the modules from which the module imports. */
  imports: string[];
  loadMilliseconds: number | null;
  /** Why V8 does not take the artifact. */
  refused: string | null;
}

/** How a node is started. */
export interface NodeCommand {
  /** Path of the binary. */
  node: string;
  /** Its own options. */
  options: string[];
  /** The variable `NODE_OPTIONS`. */
  nodeOptions: string | undefined;
}

/** Options of node whose value is an argument of its own. */
const WITH_VALUE = new Set(['-r', '--require', '--import', '--loader', '--experimental-loader', '-C', '--conditions']);
/** Options with which node runs something else than the program that it is given. */
const RUNS_ELSE = /^(-|-[a-z]*[cepi][a-z]*|--(eval|print|check|interactive|test|watch|run|help|version)(=.*)?|-h|-v)$/;

/** @throws {UsageError} for what is no option of node: it would be run as a program. */
export function checkNodeOptions(options: readonly string[]): void {
  for (const [index, option] of options.entries()) {
    if (WITH_VALUE.has(options[index - 1] ?? '')) continue;
    if (!option.startsWith('-')) {
      throw new UsageError(`After -- only options of node, with "=" before a value, and not '${option}'`);
    }
    if (RUNS_ELSE.test(option))
      throw new UsageError(`With the option ${option} node would run something else: leave it out`);
  }
}

/**
 * Starts that node, and asks it.
 *
 * @throws {UsageError} when there is no such binary, or it does not know an option
 * @throws when it ends without an answer.
 */
export async function askEngine(command: NodeCommand, question: ProbeQuestion = {}): Promise<ProbeAnswer> {
  const { node, options, nodeOptions } = command;
  const { NODE_OPTIONS: _, ...inherited } = process.env;
  // The hook must not save what is compiled here.
  const env = {
    ...inherited,
    ...variablesFor({ disable: '1' }),
    ...(nodeOptions === undefined ? {} : { NODE_OPTIONS: nodeOptions }),
  };
  let result: ChildResult;
  try {
    result = await runChild(node, [...options, PROBE, JSON.stringify(question)], env);
  } catch (error) {
    throw new UsageError(`${node} cannot be started: ${(error as Error).message}`);
  }
  if (result.answer !== '') return JSON.parse(result.answer) as ProbeAnswer;
  // What node says to an option that it does not know, or that NODE_OPTIONS may not have.
  if (result.code === BAD_OPTION) throw new UsageError(result.stderr.trim());
  throw new Error(`${[node, ...options].join(' ')} ${howItEnded(result)}`);
}

const PROBE = path.join(packageRoot, 'dist/cli/processes/engine-probe.js');
const BAD_OPTION = 9;
