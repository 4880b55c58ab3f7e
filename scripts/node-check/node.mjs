// The node to check.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { nodeBinary } from '../nodes.mjs';

/** @param given - a version, such as 25 or 25.9.0, which is fetched from npm, or a binary */
export function findNode(given) {
  const isVersion = /^\d+(\.\d+){0,2}$/.test(given);
  if (!isVersion && !existsSync(given)) {
    throw new Error(`There is no node binary ${given}: name one, or a version such as 25`);
  }
  const binary = isVersion ? nodeBinary(given) : path.resolve(given);
  const { stdout } = run(binary, ['-p', 'process.version + " " + process.versions.v8']);
  const [version, v8] = (stdout ?? '').trim().split(' ');
  if (!v8) throw new Error(`${binary} does not run, or is not Node`);
  return { binary, version, v8, v8Version: v8.split('.').slice(0, 2).join('.') };
}

/** The one file to edit. */
export const TABLE = 'src/engine/v8-versions.ts';

export function run(binary, args, options = {}) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_|WASM_CACHE_)/.test(name)));
  return spawnSync(binary, args, { env, encoding: 'utf8', maxBuffer: 64 * 2 ** 20, timeout: 300_000, ...options });
}

/** The row of this version of V8, or of the last one before it that has one. */
export function rowFor(table, v8Version) {
  const order = (version) => version.split('.').reduce((sum, part) => sum * 1000 + Number(part), 0);
  const before = Object.keys(table).filter((version) => order(version) <= order(v8Version));
  const version = before.sort((a, b) => order(b) - order(a))[0] ?? Object.keys(table)[0];
  return { version, isExact: version === v8Version, row: table[version] };
}
