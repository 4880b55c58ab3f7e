import path from 'node:path';
import type { Signer } from '../artifact/signature.js';
import type { FileSystemCache } from '../caches/file-system.js';
import { isTestedV8, nameOfV8 } from '../engine/supported.js';
import type { ModuleHash } from '../module-hash.js';
import { loadAddon } from '../native/addon.js';
import { packageRoot } from '../package-root.js';
import { processEnvironment, variablesOfStores } from '../settings/process-environment.js';
import { SETTINGS, variablesFor } from '../settings/settings.js';
import type { Push } from './push.js';

// Captured: programs empty process.env, replace process.execPath and process.versions.
const { execPath, getBuiltinModule, permission, platform } = process;
const execArgv = [...process.execArgv];
const nodeOptions = process.env.NODE_OPTIONS ?? '';

/**
 * The options that a learner gets from this process: those that change V8's flag hash (docs/v8.md, "Which options change it") and do
 * nothing else. A learner with another hash would write code that nobody can load. All other options are left out, because they may load
 * a program's code (--import, --require), open a port (--inspect) or write files (--cpu-prof). If an option is missing here, the learner
 * finds another engine id than it was given, and ends.
 */
export const COPIED_OPTIONS = [
  ...['stack-size', 'stack-trace-limit', 'max-old-space-size', 'max-semi-space-size', 'max-heap-size'],
  ...['expose-gc', 'hash-seed', 'no-opt', 'optimize-for-size', 'single-threaded', 'harmony'],
];
const COPIED_OPTION = new RegExp(`^--(${COPIED_OPTIONS.join('|')}|harmony-[a-z-]+)(=|$)`);

/** The variables that a process needs to start. Not NODE_OPTIONS and others that make Node run or write something. */
const { PATH, HOME, LD_LIBRARY_PATH, DYLD_LIBRARY_PATH, LD_PRELOAD } = process.env;
const environment = { PATH, HOME, LD_LIBRARY_PATH, DYLD_LIBRARY_PATH, LD_PRELOAD };
const environmentOfStores = process.env[SETTINGS.remote.variable] ? variablesOfStores(process.env) : undefined;
const ofStores = () => environmentOfStores ?? variablesOfStores(processEnvironment().env);

/** Why this process cannot start a learner. */
export function whyNoLearner(): string | undefined {
  // Other executables (a single executable application, Electron, pkg) would run the program again.
  if (!/^node(js)?[\d.]*$/.test(path.basename(execPath))) return `${execPath} is not the node binary`;
  // A learner would have all permissions, and Node does not check processes that an addon starts.
  if (permission) return 'the permission model is on';
  if (platform === 'win32') return 'not supported on Windows';
  return undefined;
}

/** Why a learner cannot optimise modules of this process. */
export function whyNotLearnt(): string | undefined {
  return whyNoLearner() ?? (isTestedV8() ? undefined : `how ${nameOfV8()} writes native code is not known`);
}

/**
 * The main thread compiles, too. With V8's usual four threads, the next run of a program that keeps two cores busy took up to 2.8 times
 * as long instead of 1.5, and was learnt not much sooner.
 */
const ONE_COMPILING_THREAD = '--v8-pool-size=1';

/** Which functions a learner optimises: those that ran, or all. */
export type LearnedCoverage = 'hot' | 'full';

/**
 * Starts a process that optimises these modules, stores the artifacts in the cache folder, and sweeps the folder when a sweep is due.
 * Nobody waits for it.
 *
 * @param isEnding - whether this process is about to end. The learner then waits for that, because V8 may still be optimising for this
 *   process, and a starting node would delay that by 20 to 50 ms. Otherwise the learner has the lowest priority
 * @throws when the process cannot be started.
 */
export function startLearner(
  cache: FileSystemCache,
  engineId: string,
  coverage: LearnedCoverage,
  keys: readonly ModuleHash[],
  isEnding: boolean,
  push?: Push,
): void {
  // When a worker ends, the process goes on.
  const waits = isEnding && getBuiltinModule('node:worker_threads').isMainThread;
  const priority = waits ? 'usual' : 'lowest';
  const node = [execPath, ONE_COMPILING_THREAD, ...learnerArguments(cache, engineId, coverage, priority, keys, push)];
  const variables = Object.entries(learnerEnvironment(cache.signer, push)).map(([name, value]) => `${name}=${value}`);
  const { addon } = loadAddon();
  try {
    addon?.spawnDetached(waits ? [...SHELL_THAT_WAITS, ...node] : node, variables, waits);
  } catch (error) {
    if (!waits) throw error;
    addon?.spawnDetached(node, variables, false); // for an image without a shell
  }
}

/** A shell that becomes the given command when descriptor 3 reaches its end. */
const SHELL_THAT_WAITS = ['/bin/sh', '-c', 'read _ <&3; exec "$@" 3<&-', 'sh'];

/** The arguments of the node binary that make it a learner. */
export function learnerArguments(
  cache: FileSystemCache,
  engineId: string,
  coverage: LearnedCoverage,
  priority: 'usual' | 'lowest',
  keys: readonly ModuleHash[],
  push?: Push,
): string[] {
  const program = path.join(packageRoot, 'dist/learning/learner.js');
  const { directory, limits } = cache;
  const sweep = cache.isSweepDue() ? `${limits.maxSize} ${limits.maxFiles}` : 'no sweep';
  // The address may contain a password, and everybody can see arguments.
  const { url: _, ...shown } = push ?? { url: '' };
  const pushed = push ? JSON.stringify(shown) : 'no push';
  return [...v8Options(), program, directory, sweep, engineId, coverage, priority, pushed, ...keys.map(String)];
}

/** The {@link COPIED_OPTIONS} that this process has. */
export function v8Options(): string[] {
  const options = [...execArgv, ...nodeOptions.split(/\s+/)];
  return options.filter((option) => COPIED_OPTION.test(option.replaceAll('_', '-')));
}

/** @param signer - of the cache that the learner writes to */
export function learnerEnvironment(signer: Signer | undefined, push?: Push): Record<string, string> {
  const settings = variablesFor({ remote: push?.url, secret: signer?.secrets.join(' ') });
  const variables = { ...environment, ...(push && ofStores()), ...settings };
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined)) as never;
}
