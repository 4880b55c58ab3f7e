import path from 'node:path';
import type { HookCode } from '../artifact/hook-code.js';
import type { Settings } from '../settings/read-settings.js';
import { early } from './early.js';
import { readOwnScript } from './own-script.js';
import { nameOfCode, readCode } from './read-code.js';

// Captured: programs patch these objects.
const { getBuiltinModule } = process;
const { apply } = Reflect;

export type Late = typeof import('./late.js');

type Evaluate = (early: object, folder: string, file: string) => Late;

/** V8's code for the rest of the hook, in this process. */
interface LoadedCode {
  /** In the cache folder. */
  readonly name: string;
  /** What was taken from there. */
  readonly taken: HookCode | undefined;
  /** The code as it is now, with all functions that have run. */
  now(): Uint8Array;
}

let late: Late | undefined;
let loadedCode: LoadedCode | undefined;

/**
 * Evaluates the rest of the bundled hook, at the first call. It is no module of Node's, because programs replace and list those. With
 * V8's code for it in the cache folder that takes 3 ms instead of 7, and what it does first 4 ms less (sql.js, Node 26, 2-core machine).
 *
 * @throws when the file is not there, or not of this build
 */
export function loadLate(settings: Settings): Late {
  if (late) return late;
  const { file, source } = readOwnScript('hook.js');
  const name = nameOfCode(early.build, settings);
  const taken = name === undefined ? undefined : readCode(settings.directory as string, name);
  // Not captured: hardly any process loads it otherwise, which takes 0.2 ms, and hardly any program patches it.
  const { constants, Script } = getBuiltinModule('node:vm');
  const { createCachedData, runInThisContext } = Script.prototype;
  const importer = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;
  const options = { filename: file, importModuleDynamically: importer, cachedData: taken?.code as Buffer | undefined };
  const script = new Script(source, options);
  if (name !== undefined) {
    const isUsed = script.cachedDataRejected === false;
    loadedCode = { name, taken: isUsed ? taken : undefined, now: () => apply(createCachedData, script, []) };
  }
  late = (apply(runInThisContext, script, []) as Evaluate)(early, path.dirname(file), file);
  return late;
}

/** `undefined` for the library, which is not bundled, and where no code is kept. */
export function codeOfHook(): LoadedCode | undefined {
  return loadedCode;
}
