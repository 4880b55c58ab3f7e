import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { decodeLines } from '../../statistics/lines.js';
import type { Command } from '../command.js';
import { type Context, checkTrust } from '../context.js';
import { UsageError } from '../exit-codes.js';
import { type FiguresTotals, figuresOf, type ModuleFigures, savedInWords, totalsOf } from '../folder/statistics.js';
import { withTemporaryFolder } from '../processes/cleanup.js';
import { hookedEnvironment } from '../processes/hooked-environment.js';
import { endOf } from '../processes/run-command.js';
import { count, formatSize } from '../terminal/output.js';

export interface RunOptions {
  jsonFile?: string;
}

export interface RunDocument {
  directory: string;
  /** As it was run. */
  command: string[];
  milliseconds: number;
  exitCode: number | null;
  /** That ended it. */
  signal: string | null;
  /** Smaller modules go straight to V8, and are not in here. */
  minModuleSize: number;
  /** What its processes and their threads looked up; of one that goes on after the command, until then. */
  modules: ModuleFigures[];
  totals: FiguresTotals;
}

export const command: Command<RunOptions, RunDocument> = {
  output: 'stderr',

  async run(context, { jsonFile }, args) {
    if (args.length === 0) throw new UsageError('Give the command that is to be run: wasm-cache run -- <command>');
    checkJsonFile(jsonFile);
    warnOfNoUse(context);
    const document = await withTemporaryFolder((folder) => run(context, args, path.join(folder, 'statistics')));
    if (jsonFile !== undefined) fs.writeFileSync(jsonFile, `${JSON.stringify(document, null, 2)}\n`);
    return document;
  },

  render({ totals, minModuleSize }, colors) {
    return colors.dim(`wasm-cache: ${inWords(totals, minModuleSize)}`);
  },

  exitCode: ({ exitCode, signal }) => exitCode ?? 128 + (os.constants.signals[signal as NodeJS.Signals] ?? 0),
};

async function run(context: Context, args: string[], runFile: string): Promise<RunDocument> {
  const { directory, settings } = context;
  fs.writeFileSync(runFile, '', { mode: 0o600 });
  const [program = '', ...rest] = isScript(args[0]) ? [process.execPath, ...args] : args;
  const start = performance.now();
  const env = hookedEnvironment(process.env, { directory, runFile });
  const child = spawn(program, rest, { stdio: 'inherit', env });
  const stopForwarding = forwardSignals(child);
  try {
    const { exitCode, signal } = await endOf(child, program);
    const milliseconds = Math.round(performance.now() - start);
    const modules = figuresOf(decodeLines(fs.readFileSync(runFile, 'latin1')));
    const { minModuleSize } = settings;
    const ended = { milliseconds, exitCode, signal, minModuleSize };
    return { directory, command: [program, ...rest], ...ended, modules, totals: totalsOf(modules) };
  } finally {
    stopForwarding();
  }
}

const SCRIPT = /\.[cm]?[jt]s$/;

/** A file that is for node, and need not be executable. */
function isScript(file = ''): boolean {
  return SCRIPT.test(file) && fs.statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}

/** These a terminal sends to the command, too, by itself; some programs take the second one for "at once". */
const OF_TERMINAL: NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];
const SIGNALS: NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGUSR2', ...OF_TERMINAL];

/** What to do about a signal is the command's business. */
function forwardSignals(child: ChildProcess): () => void {
  const hasTerminal = [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY);
  const forward = (signal: NodeJS.Signals) => {
    if (!hasTerminal || !OF_TERMINAL.includes(signal)) child.kill(signal);
  };
  for (const signal of SIGNALS) process.on(signal, forward);
  return () => {
    for (const signal of SIGNALS) process.off(signal, forward);
  };
}

/** Said before, because the command is run all the same. */
function warnOfNoUse(context: Context): void {
  const { mode, sources } = context.settings;
  if (mode === 'off') {
    context.warn(`Modules are not cached: ${sources.mode} is set`);
    return;
  }
  try {
    checkTrust(context);
  } catch (error) {
    context.warn(`${(error as Error).message} Modules are not cached.`);
  }
}

function checkJsonFile(file: string | undefined): void {
  if (file === undefined) return;
  const folder = path.dirname(path.resolve(file));
  if (file === '' || fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new UsageError(`--json-file must be the path of a file in a folder that is there, not '${file}'`);
  }
}

function inWords(totals: FiguresTotals, minModuleSize: number): string {
  const { modules, hits, misses } = totals;
  if (modules === 0) return `no WebAssembly module of ${formatSize(minModuleSize)} or more was compiled`;
  const counts = [
    count(modules, 'module'),
    count(hits, 'hit'),
    ...(misses > 0 ? [count(misses, 'miss', 'misses')] : []),
  ];
  return [...counts, ...(hits > 0 ? [savedInWords(totals)] : [])].join(', ');
}
