// The supported Node versions as binaries from npm, kept in .nodes (ignored by git).
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const SUPPORTED = [20, 22, 24, 26];

const folder = fileURLToPath(new URL('../.nodes', import.meta.url));
const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;

/** The path of a node binary of that major version: the running one if it is of that version, else one from npm. */
export function nodeBinary(major) {
  const prefix = path.join(folder, String(major));
  if (!installedNode(major)) {
    console.error(`Fetching Node ${major} (${name} from npm) ...`);
    mkdirSync(prefix, { recursive: true });
    const options = [
      '--prefix',
      prefix,
      '--no-save',
      '--no-package-lock',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
    ];
    execFileSync('npm', ['install', ...options, '--loglevel=error', `${name}@${major}`], {
      cwd: prefix,
      stdio: ['ignore', 'ignore', 'inherit'],
      shell: process.platform === 'win32',
    });
  }
  return installedNode(major);
}

/** As {@link nodeBinary}, but nothing is fetched: `undefined` when it is not there. */
export function installedNode(major) {
  if (process.version.startsWith(`v${major}.`)) return process.execPath;
  const file = process.platform === 'win32' ? 'node.exe' : 'node';
  const binary = path.join(folder, String(major), 'node_modules', name, 'bin', file);
  return existsSync(binary) ? binary : undefined;
}
