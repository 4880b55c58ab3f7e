import util from 'node:util';
import type { Expectation } from '../artifact/header.js';
import { ModuleHash } from '../module-hash.js';

/** An engine id as a folder name, readable where possible. The header has the last word on which engine it was. */
const folderNames = new Map<string, string>();

/** @internal Where in a cache folder or a store an artifact belongs. */
export function entryName({ key, engineId }: Expectation): string {
  return `${folderName(engineId)}/${key}.artifact`;
}

/** @internal The folder of an engine's artifacts. */
export function folderName(engineId: string): string {
  let folder = folderNames.get(engineId);
  if (folder === undefined) {
    const isPlain = /^[A-Za-z0-9][\w.+-]{0,127}$/.test(engineId);
    folder = isPlain ? engineId : `engine-${ModuleHash.sha256(Buffer.from(engineId)).toString().slice(0, 32)}`;
    folderNames.set(engineId, folder);
  }
  return folder;
}

/** @internal @throws {TypeError} for what is no path; an empty one would be the working directory. */
export function checkDirectory(directory: unknown): void {
  if (typeof directory === 'string' && directory !== '') return;
  throw new TypeError(`The cache directory must be a path, not ${util.inspect(directory, { depth: 0 })}`);
}
