import assert from 'node:assert/strict';
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Artifact } from '../../dist/artifact/artifact.js';
import { entryName } from '../../dist/caches/file-system.js';
import { encoded } from './bundles.js';
import { type RunOptions, type RunResult, root, runProgram } from './processes.js';

const cli = path.join(root, 'dist', 'cli', 'main.js');

/** Runs `wasm-cache` in a fresh process, without this process's WASM_CACHE_* and NODE_*. */
export function runCli(args: string[], options: Omit<RunOptions, 'args'> = {}): RunResult {
  return runProgram(cli, { ...options, args });
}

/** What it prints with `--json`, when it ends with that code and says nothing else. */
export function jsonOf<Document>(args: string[], options: Omit<RunOptions, 'args'> = {}, code = 0): Document {
  const [command = '', ...others] = args;
  const { status, stdout, stderr } = runCli([command, '--json', ...others], options);
  assert.deepEqual([status, stderr], [code, ''], stdout);
  return JSON.parse(stdout) as Document;
}

/**
 * The names and types of a document, to be compared with those that are documented: what is not an object by its type, of an array
 * the shapes that its items have.
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

/** Puts an artifact where it belongs, used that many milliseconds ago, and gives its path. */
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
