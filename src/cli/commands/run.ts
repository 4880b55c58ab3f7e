import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { sourceOf } from '../../settings/sources.js';
import { decodeLines } from '../../statistics/lines.js';
import type { Command } from '../command.js';
import { type Context, checkTrust } from '../context.js';
import { UsageError } from '../exit-codes.js';
import { type FiguresTotals, figuresOf, type ModuleFigures, savedInWords, totalsOf } from '../folder/statistics.js';
import { withTemporaryFolder } from '../processes/cleanup.js';
import { hookedEnvironment } from '../processes/hooked-environment.js';
import { commandOf, endOf } from '../processes/run-command.js';
import { count, formatSize } from '../terminal/output.js';

export interface RunOptions {
  js?: boolean;
  jsonFile?: string;
}

export interface RunDocument {
  directory: string;
  /** The command as it was run. */
  command: string[];
  milliseconds: number;
  exitCode: number | null;
  /** The signal that ended it. */
  signal: string | null;
  /** Smaller modules go straight to V8 and are not counted. */
  minModuleSize: number;
  /** What its processes and their threads looked up until the command ended. */
  modules: ModuleFigures[];
  totals: FiguresTotals;
}

export const command: Command<RunOptions, RunDocument> = {
  output: 'stderr',

  async run(context, { js, jsonFile }, args) {
    if (args.length === 0) throw new UsageError('Name the command to run: wasm-cache run -- <command>');
    checkJsonFile(jsonFile);
    warnOfNoUse(context);
    const document = await withTemporaryFolder((folder) =>
      run(context, args, { js, runFile: path.join(folder, 'statistics') }),
    );
    if (jsonFile !== undefined) fs.writeFileSync(jsonFile, `${JSON.stringify(document, null, 2)}\n`);
    return document;
  },

  render({ totals, minModuleSize }, colors) {
    return colors.dim(`wasm-cache: ${inWords(totals, minModuleSize)}`);
  },

  exitCode: ({ exitCode, signal }) => exitCode ?? 128 + (os.constants.signals[signal as NodeJS.Signals] ?? 0),
};

async function run(
  context: Context,
  args: string[],
  { js, runFile }: { js: boolean | undefined; runFile: string },
): Promise<RunDocument> {
  const { directory, settings } = context;
  fs.writeFileSync(runFile, '', { mode: 0o600 });
  const [program = '', ...rest] = commandOf(args);
  const start = performance.now();
  const env = hookedEnvironment(process.env, { directory, js, runFile });
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

/** A terminal sends these to the command too. Some programs end at once when they get them twice. */
const OF_TERMINAL: NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];
const SIGNALS: NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGUSR2', ...OF_TERMINAL];

/** The command decides what a signal means. */
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

/** Warns before the command runs, because it runs anyway. */
function warnOfNoUse(context: Context): void {
  const { mode } = context.settings;
  if (mode === 'off') {
    context.warn(`Modules are not cached: ${sourceOf('mode')} is set`);
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
