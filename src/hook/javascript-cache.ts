import fs from 'node:fs';
import path from 'node:path';
import { openTrusted } from '../native/trusted-files.js';
import { debug } from './debug.js';
import type { HookOptions } from './settings.js';

// Captured: programs patch these objects.
const { mkdirSync } = fs;
const { getBuiltinModule, permission } = process;

/**
 * Turns on Node's compile cache for the program's JavaScript, where the user wants it. A program that has one keeps it. The folder is beside the
 * cache folder, and nobody else may write to it.
 */
export function cacheJavaScript({ directory, js, mode }: HookOptions): void {
  if (!js || mode !== 'read-write' || permission) return;
  try {
    const { enableCompileCache, getCompileCacheDir } = getBuiltinModule('node:module');
    if (!enableCompileCache || getCompileCacheDir?.() !== undefined) return;
    const folder = path.join(path.dirname(directory), `${path.basename(directory)}-js`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const refusal = openTrusted(folder, [], 0);
    if (refusal === 0) enableCompileCache(folder);
    else debug('JavaScript is not cached in %s: %o', folder, refusal);
  } catch (error) {
    debug('JavaScript is not cached: %o', error);
  }
}
