import fs from 'node:fs';
import { CacheError } from '../cache-error.js';

// Captured: programs patch fs.
const { readdirSync } = fs;

/** The folders of V8's engines and the mark of a sweep, by which a cache folder is known. Nothing else has such names. */
const MARK = /^(?:node-v\d+\.\d+\.\d+.*_v8-\d|engine-[0-9a-f]{32}$|swept$)/;
/** What else this package puts into a cache folder, maybe before the first artifact. */
const OWN = /^(?:hook-code|learning|programs|statistics|verdicts|wire-bytes|sweep\.lock|remote-down.*)$/;
/** An empty folder may have these: they belong to file systems, to git and to desktops. */
const IGNORED = /^(?:lost\+found|CACHEDIR\.TAG|\.gitkeep|\.gitignore|\.keep|\.DS_Store|\.nfs.*)$/;

/**
 * Why a folder is not used as a cache folder: it is used for something else, such as a home folder, a project or `/`. `undefined` for
 * a folder that does not exist, is empty, or was made by this package.
 */
export function whyNotCacheFolder(directory: string): string | undefined {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    return undefined; // It does not exist, or its reader will report that it cannot be read.
  }
  if (names.some((name) => MARK.test(name))) return undefined;
  const foreign = names.find((name) => !OWN.test(name) && !IGNORED.test(name));
  if (foreign === undefined) return undefined;
  return `The folder ${directory} is not a cache folder: it holds other files, such as ${foreign}. Choose an empty or a new folder with WASM_CACHE_DIR.`;
}

/**
 * Call it before the first write to a folder, which may be used for something else.
 *
 * @throws {CacheError} kind `Untrusted`, as {@link whyNotCacheFolder} says.
 */
export function checkCacheFolder(directory: string): void {
  const reason = whyNotCacheFolder(directory);
  if (reason !== undefined) throw new CacheError('Untrusted', reason, { path: directory });
}
