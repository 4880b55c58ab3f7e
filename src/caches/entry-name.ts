import util from 'node:util';
import type { Expectation } from '../artifact/header.js';
import { ModuleHash } from '../module-hash.js';

/** An engine id as a folder name, readable if possible. The header of an artifact has the exact id. */
const folderNames = new Map<string, string>();

/** @internal The name of an artifact in a cache folder or a store. */
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

/** @internal @throws {TypeError} for an invalid path, also for an empty one, which would mean the working directory. */
export function checkDirectory(directory: unknown): void {
  if (typeof directory === 'string' && directory !== '') return;
  throw new TypeError(`The cache directory must be a path, not ${util.inspect(directory, { depth: 0 })}`);
}
