import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Artifact } from '../../dist/artifact/artifact.js';
import { entryName } from '../../dist/caches/entry-name.js';
import { dayOf, STATISTICS_FOLDER } from '../../dist/statistics/day-files.js';
import { encodeLine, KEY_DIGITS, type ModuleCounts } from '../../dist/statistics/lines.js';
import { ENGINE, encoded } from './bundles.js';
import { HANGS_AFTER, type RunOptions, type RunResult, root, runProgram, runProgramAsync } from './processes.js';

/** The id of an engine that none of these tests runs on. */
export const OTHER_ENGINE = ENGINE.replace('v26.10.0', 'v25.1.0');

const cli = path.join(root, 'dist', 'cli', 'main.js');

/** Runs `wasm-cache` in a fresh process, without this process's WASM_CACHE_* and NODE_*. */
export function runCli(args: string[], options: Omit<RunOptions, 'args'> = {}): RunResult {
  return runProgram(cli, { ...options, args });
}

/** The asynchronous {@link runCli}, for a command that uses a server in this process. */
export function runCliAsync(args: string[], options: Omit<RunOptions, 'args'> = {}): Promise<RunResult> {
  return runProgramAsync(cli, { ...options, args });
}

/** Whether {@link runOnTerminal} can be used: only util-linux has a `script` that passes the exit code on. */
export const hasTerminal = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux');

/** Runs it on a terminal, as a user who types `input`. Both output streams are in `stdout`. */
export function runOnTerminal(args: string[], input: string, env: Record<string, string> = {}): RunResult {
  const command = [process.execPath, cli, ...args].map((each) => `'${each}'`).join(' ');
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(NODE_|WASM_CACHE_|NO_COLOR$|FORCE_COLOR$|CI$)/.test(name),
  );
  const { status, signal, stdout, stderr } = spawnSync('script', ['-qec', command, '/dev/null'], {
    input,
    env: { ...Object.fromEntries(inherited), TERM: 'xterm', ...env },
    encoding: 'utf8',
    timeout: HANGS_AFTER,
  });
  return { status, signal, stdout: stdout.replaceAll('\r\n', '\n'), stderr };
}

/** The output with `--json`. Checks the exit code, and that nothing else is printed. */
export function jsonOf<Document>(
  [command = '', ...args]: string[],
  options: Omit<RunOptions, 'args'> = {},
  code = 0,
): Document {
  const { status, stdout, stderr } = runCli([command, '--json', ...args], options);
  assert.deepEqual([status, stderr], [code, ''], stdout);
  return JSON.parse(stdout) as Document;
}

/**
 * The shape of a document, for a comparison with the documented one: types instead of values, and for an array the shapes of its items.
 */
export function shapeOf(value: unknown): unknown {
  if (value === null) return 'null';
  if (Array.isArray(value)) {
    const shapes = new Map(value.map((each) => [JSON.stringify(shapeOf(each)), shapeOf(each)]));
    return [...shapes.values()];
  }
  if (typeof value !== 'object') return typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, shapeOf(each)]));
}

/** Writes an artifact to its place, last used so many milliseconds ago, and returns its path. */
export function putArtifact(
  directory: string,
  artifact: Artifact,
  { age = 0, secret = null as string | null, change = (bytes: Uint8Array) => bytes } = {},
): string {
  const file = path.join(directory, entryName(artifact));
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, change(encoded(artifact, secret)), { mode: 0o600 });
  const seconds = (Date.now() - age) / 1000;
  utimesSync(file, seconds, seconds);
  return file;
}

/** Adds counts of some modules to a day, by default today. */
export function putStatistics(directory: string, modules: Partial<ModuleCounts>[], daysAgo = 0): string {
  const file = path.join(directory, STATISTICS_FOLDER, String(dayOf(Date.now()) - daysAgo));
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const none = { restored: 0, alive: 0, misses: 0, hitTime: 0, missTime: 0, compileTime: 0 };
  const usual = { key: '', name: '', wireLength: 1_000_000, nativeLength: 0, ...none };
  const lines = modules.map(({ key = '', ...each }) =>
    encodeLine({ ...usual, ...each, key: key.slice(0, KEY_DIGITS) }),
  );
  appendFileSync(file, lines.join(''), { mode: 0o600 });
  return file;
}
