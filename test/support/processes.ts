import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeLines, type ModuleCounts } from '../../dist/statistics/lines.js';

/** The repository; tests run from .test-build, one level below it. */
export const root = fileURLToPath(new URL('../../', import.meta.url));
export const register = new URL('../../dist/register.js', import.meta.url).href;
export const library = new URL('../../dist/index.js', import.meta.url).href;

/** A new private folder, which is removed when the test file is done. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'wasm-cache-test-'));
  after(() => remove(directory));
  return directory;
}

/** Removes a folder. Others may still write to it, and Node 20 does not retry for files that appear meanwhile. */
export function remove(directory: string): void {
  for (let attempt = 1; ; attempt++) {
    try {
      rmSync(directory, { recursive: true, force: true });
      return;
    } catch (error) {
      if (attempt === 50) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}

/** What the hook remembers of a program and of itself, apart from what a store gets. */
const OF_PROGRAM = /\.(keys|preload)$|\/(wire-bytes|hook-code)\//;

/** The paths of all files below a folder, except statistics and {@link OF_PROGRAM}. */
export function filesIn(directory: string): string[] {
  return allFilesIn(directory).filter((file) => !OF_PROGRAM.test(file));
}

/** The paths of all files below a folder, except statistics. */
export function allFilesIn(directory: string): string[] {
  const statistics = path.join(directory, 'statistics');
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.parentPath !== statistics)
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
}

/** The lines of statistics of all days in a cache folder. */
export function statisticsIn(directory: string): ModuleCounts[] {
  const folder = path.join(directory, 'statistics');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((day) => decodeLines(readFileSync(path.join(folder, day), 'utf8')));
}

/** Milliseconds that no program of the tests takes, even on a busy machine. */
export const HANGS_AFTER = 600_000;

export interface RunOptions {
  /** Path of the node binary; by default this process's own. */
  node?: string;
  /** Options for node itself, before the program. */
  nodeOptions?: string[];
  /** Arguments of the program. */
  args?: string[];
  env?: Record<string, string>;
  /** The working directory; by default this process's own. */
  cwd?: string;
  uid?: number;
  /** The limit of `ulimit -v`. */
  limitAddressSpaceKiB?: number;
  /** A command that runs the rest of its command line, such as `unshare`. */
  within?: string[];
}

export interface RunResult {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs a program of test/programs (or any other, by its absolute path) in a fresh process of the same Node, without this process's WASM_CACHE_* and NODE_*. */
export function runProgram(name: string, options: RunOptions = {}): RunResult {
  const { program, args, ...rest } = commandOf(name, options);
  const { status, signal, stdout, stderr } = spawnSync(program, args, { ...rest, encoding: 'utf8' });
  return { status, signal, stdout, stderr };
}

/** The asynchronous {@link runProgram}, for a program that uses a server in this process. */
export function runProgramAsync(name: string, options: RunOptions = {}): Promise<RunResult> {
  const { program, args, ...rest } = commandOf(name, options);
  return new Promise((resolve) => {
    const child = execFile(program, args, { ...rest, encoding: 'utf8' }, (_, stdout, stderr) => {
      resolve({ status: child.exitCode, signal: child.signalCode, stdout, stderr });
    });
  });
}

function commandOf(name: string, options: RunOptions) {
  const { node = process.execPath, nodeOptions = [], args = [], env = {}, cwd, uid, limitAddressSpaceKiB } = options;
  const { within = [] } = options;
  const inherited = Object.entries(process.env).filter(([key]) => !/^(NODE_|WASM_CACHE_)/.test(key));
  const command = [...within, node, ...nodeOptions, path.resolve(root, 'test', 'programs', name), ...args];
  if (limitAddressSpaceKiB) command.unshift('sh', '-c', `ulimit -v ${limitAddressSpaceKiB} && exec "$@"`, 'sh');
  return {
    program: command[0] as string,
    args: command.slice(1),
    // Off by default, because a learner goes on after the program and changes the folder.
    env: { ...Object.fromEntries(inherited), WASM_CACHE_LEARN: 'off', ...env },
    timeout: HANGS_AFTER,
    cwd,
    ...(uid === undefined ? {} : { uid }),
  };
}
