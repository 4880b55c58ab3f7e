// The supported Node versions, and other runtimes, as binaries from npm, kept in .nodes (ignored by git).
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const SUPPORTED = [20, 22, 24, 26];

const folder = fileURLToPath(new URL('../.nodes', import.meta.url));
const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;

/** The path of a node binary of that major version: the running one if it is of that version, else one from npm. */
export function nodeBinary(major) {
  if (!installedNode(major)) fetchBinary(path.join(folder, String(major)), `${name}@${major}`);
  return installedNode(major);
}

/** The path of a file of that package, for other runtimes. */
export function runtimeBinary(runtime, spec, file) {
  const prefix = path.join(folder, runtime);
  const binary = path.join(prefix, 'node_modules', spec.replace(/@[^@/]*$/, ''), file);
  if (!existsSync(binary)) fetchBinary(prefix, spec);
  return binary;
}

function fetchBinary(prefix, spec) {
  console.error(`Fetching ${spec} from npm ...`);
  mkdirSync(prefix, { recursive: true });
  const options = ['--prefix', prefix, '--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'];
  execFileSync('npm', ['install', ...options, '--loglevel=error', spec], {
    cwd: prefix,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
}

/** As {@link nodeBinary}, but nothing is fetched: `undefined` when it is not there. */
export function installedNode(major) {
  if (process.version.startsWith(`v${major}.`)) return process.execPath;
  const file = process.platform === 'win32' ? 'node.exe' : 'node';
  const binary = path.join(folder, String(major), 'node_modules', name, 'bin', file);
  return existsSync(binary) ? binary : undefined;
}
