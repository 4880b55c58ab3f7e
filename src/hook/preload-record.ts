import fs from 'node:fs';
import path from 'node:path';
import { isWorker } from '../is-worker.js';
import { PROGRAMS_FOLDER } from '../stores/programs-folder.js';
import type { HookOptions } from './settings.js';

// Captured: programs patch these objects.
const { existsSync } = fs;
const { permission } = process;
const [, script] = process.argv;

/** The longest name of a record, without its ending. */
const MAX_NAME_LENGTH = 200;

/** The name of the file that says what to preload for this program. */
export const PRELOAD_RECORD = `${script?.replace(/[^\w.+-]/g, '_').slice(-MAX_NAME_LENGTH)}.preload`;

/** Whether anything is preloaded. The thread that does it reads only what nobody else can write, and asks no permission. */
export function mayPreload({ preload, secrets }: HookOptions): boolean {
  return preload && !secrets && !permission && Boolean(script);
}

/** Whether this program used modules in its last runs. */
export function hasPreloadRecord(options: HookOptions): boolean {
  if (isWorker || !mayPreload(options)) return false;
  return existsSync(path.join(options.directory, PROGRAMS_FOLDER, PRELOAD_RECORD));
}
