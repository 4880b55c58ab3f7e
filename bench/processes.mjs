// Shared by the benchmarks: starts fresh processes, measures their wall and CPU time, and waits for their learners.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';

export const hook = new URL('../dist/register.js', import.meta.url).href;

const inherited = Object.fromEntries(
  Object.entries(process.env).filter(([key]) => !/^(NODE_|WASM_CACHE_|npm_)/.test(key)),
);

/**
 * Runs a program to its end, with the hook if there is a cache folder.
 *
 * @param program - its path, or all arguments of node
 * @returns wall and CPU time in ms (CPU time only on Linux, in steps of 10) and the program's stdout
 * @throws {Error} when it fails or takes longer than ten minutes, with the exit code or signal as `ended`, and its `stderr`
 */
export function run(node, program, { cwd, directory, env = {} } = {}) {
  const hooked = directory
    ? { NODE_OPTIONS: `--import=${hook}`, WASM_CACHE_DIR: directory, WASM_CACHE_LEARN: 'hot' }
    : {};
  const binary = node.includes(path.sep) ? path.resolve(node) : node; // a path is relative to this folder, not to `cwd`
  // Packages that start `node` get the same binary.
  const searchPath = `${path.dirname(path.resolve(node))}${path.delimiter}${inherited.PATH}`;
  const cpuBefore = cpuOfChildren();
  const start = performance.now();
  const { status, signal, stdout, stderr, error } = spawnSync(binary, [program].flat(), {
    cwd,
    env: { ...inherited, PATH: searchPath, ...hooked, ...env },
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    timeout: 600_000,
  });
  const ms = performance.now() - start;
  if (status === 0) return { ms, cpuMs: cpuOfChildren() - cpuBefore, output: stdout };
  if (error && signal === null) throw error; // the program was not started
  const ended = status ?? signal;
  throw Object.assign(new Error(`${node} ${program} ended with ${ended}:\n${stderr}`), { ended, stderr });
}

/** An empty job file is a job that was given up; a learner that is not done after five minutes was ended. */
export async function learnersAreDone(directory) {
  const jobs = path.join(directory, 'learning');
  const deadline = performance.now() + 310_000;
  const isOpen = (file) => (statSync(path.join(jobs, file), { throwIfNoEntry: false })?.size ?? 0) > 0;
  while (existsSync(jobs) && readdirSync(jobs).some(isOpen) && performance.now() < deadline) await setTimeout(50);
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

export function geometricMean(numbers) {
  return Math.exp(numbers.reduce((sum, each) => sum + Math.log(each), 0) / numbers.length);
}

export function bytesOfArtifacts(directory) {
  return readdirSync(directory, { recursive: true })
    .filter((file) => file.endsWith('.artifact'))
    .reduce((sum, file) => sum + statSync(path.join(directory, file)).size, 0);
}

export function atLeast(option, text, minimum) {
  const value = Number(text);
  if (Number.isInteger(value) && value >= minimum) return value;
  console.error(`--${option} must be a whole number of at least ${minimum}, not ${text}`);
  process.exit(2);
}

function cpuOfChildren() {
  try {
    const fields = readFileSync('/proc/self/stat', 'utf8').split(') ').pop().split(' ');
    return (Number(fields[13]) + Number(fields[14])) * 10;
  } catch {
    return Number.NaN;
  }
}
