import { CODE_FOLDER, encodeCode } from '../artifact/hook-code.js';
import { runSync } from '../files/steps.js';
import { isWorker } from '../is-worker.js';
import { FileSystemStore } from '../stores/file-system.js';
import { codeOfHook } from './load-late.js';
import type { HookOptions } from './settings.js';

/** Whether {@link saveCode} will save: there is no code in the folder yet, or it lacks what a hit needs. */
export function wantsCode({ mode }: HookOptions): boolean {
  const code = codeOfHook();
  return mode === 'read-write' && !isWorker && code !== undefined && !code.taken?.isOfHit;
}

/**
 * Saves V8's code for the hook itself, at the end of a process. Takes 2 ms, in the first run and in that with the first hit.
 *
 * @param isOfHit - whether this process had a hit
 */
export function saveCode(options: HookOptions, isOfHit: boolean): void {
  const code = codeOfHook();
  if (!code || !wantsCode(options) || (code.taken && !isOfHit)) return;
  const store = new FileSystemStore(options.directory);
  runSync(store.write(`${CODE_FOLDER}/${code.name}`, ...encodeCode({ code: code.now(), isOfHit })));
}
