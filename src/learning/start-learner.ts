import fs from 'node:fs';
import path from 'node:path';
import type { Signer } from '../artifact/signature.js';
import type { FileSystemCache } from '../caches/file-system.js';
import { isAnyGiven, startOptions } from '../engine/process-options.js';
import { isTestedV8, nameOfV8 } from '../engine/supported.js';
import type { ModuleHash } from '../module-hash.js';
import { loadAddon } from '../native/addon.js';
import { packageRoot } from '../package-root.js';
import { processEnvironment, variablesOfStores } from '../settings/process-environment.js';
import { SETTINGS, variablesFor } from '../settings/settings.js';
import { LearningJobs } from './jobs.js';
import type { Push } from './push.js';

// Captured: see stores/file-system.ts.
const { closeSync } = fs;
// Captured: programs empty process.env, replace process.execPath and process.versions.
const { execPath, getBuiltinModule, permission, platform } = process;

/**
 * The options of this process that V8's flag hash depends on (docs/v8.md, "Which options change it") and that do nothing else: a learner with
 * another hash writes code that nobody can load. All others are left out, because they may load a program's code
 * (--import, --require), open a port (--inspect) or write files (--cpu-prof). With an option that is missing here the learner
 * finds another engine id than it was given, and looks for more flags of V8 among the options (`takeFlags`).
 */
export const COPIED_OPTIONS = [
  ...['stack-size', 'stack-trace-limit', 'max-old-space-size', 'max-semi-space-size', 'max-heap-size'],
  ...['expose-gc', 'hash-seed', 'no-opt', 'optimize-for-size', 'single-threaded', 'harmony'],
];
const COPIED_OPTION = new RegExp(`^--(${COPIED_OPTIONS.join('|')}|harmony-[a-z-]+)(=|$)`);

/**
 * What may be another flag of V8: only the binary knows which of them are. A value with a path or the like is not passed on: it may be
 * secret, and V8's flags do without.
 */
const POSSIBLE_FLAG = /^--?[a-z][\w-]*(=[\w.+-]*)?$/;

/** What a process needs to start at all. Above all not NODE_OPTIONS and what else tells Node to run or write something. */
const { PATH, HOME, LD_LIBRARY_PATH, DYLD_LIBRARY_PATH, LD_PRELOAD } = process.env;
const environment = { PATH, HOME, LD_LIBRARY_PATH, DYLD_LIBRARY_PATH, LD_PRELOAD };
const environmentOfStores = process.env[SETTINGS.remote.variable] ? variablesOfStores(process.env) : undefined;
const ofStores = () => environmentOfStores ?? variablesOfStores(processEnvironment().env);

/** Why this process cannot start one. */
export function whyNoLearner(): string | undefined {
  // Whatever else calls itself the executable (a single executable application, Electron, pkg) would run the program again.
  if (!/^node(js)?[\d.]*$/.test(path.basename(execPath))) return `${execPath} is not the node binary`;
  // A learner would have every right, and an addon is not asked before it starts a process.
  if (permission) return 'the permission model is on';
  if (isAnyGiven(/^perf-prof/)) return 'with --perf-prof V8 would have to write a file in the learner, too';
  if (platform === 'win32') return 'not supported on Windows';
  return undefined;
}

/** Why this process cannot have modules optimised by one. */
export function whyNotLearnt(): string | undefined {
  return whyNoLearner() ?? (isTestedV8() ? undefined : `how ${nameOfV8()} writes native code is not known`);
}

/**
 * Next to the main thread, which compiles, too. With V8's usual four, the next run of a program that keeps two cores busy took
 * up to 2.8 x its time instead of 1.5 x, and was learnt not much sooner.
 */
const ONE_COMPILING_THREAD = '--v8-pool-size=1';

/**
 * Starts a learner, unless one is at work in the folder: that one takes the new jobs, too. It works through the queue of jobs, stores the
 * artifacts in the cache folder, and sweeps the folder when it is time. Nobody waits for it.
 *
 * @param isEnding - whether this process is about to end. The learner then waits for that, because a node that starts takes
 *   20 to 50 ms from a program that waits for what V8 is still optimising. Otherwise it has the lowest priority.
 * @param push - what the learner then puts into a store
 * @returns whether it was started
 * @throws when the process cannot be started
 */
export function startLearner(cache: FileSystemCache, engineId: string, isEnding: boolean, push?: Push): boolean {
  const lock = new LearningJobs(cache.directory, cache.signer).lockFolder();
  if (lock === undefined) return false;
  try {
    // The process goes on when a worker ends.
    const waits = isEnding && getBuiltinModule('node:worker_threads').isMainThread;
    const priority = waits ? 'usual' : 'lowest';
    const node = [execPath, ONE_COMPILING_THREAD, ...learnerArguments(cache, engineId, priority, push)];
    startInBackground(node, learnerEnvironment(cache.signer, push), waits, lock);
    return true;
  } finally {
    closeSync(lock); // The learner has inherited it.
  }
}

/**
 * Starts a process that takes nothing of this one along: no descriptors, not the folder it runs in. It is no child of this process.
 *
 * @param waits - whether it begins when this process has ended
 * @param lock - a descriptor that it inherits, as {@link INHERITED_LOCK}
 * @throws when it cannot be started
 */
export function startInBackground(
  command: readonly string[],
  environment: Record<string, string>,
  waits: boolean,
  lock: number,
): void {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const { addon } = loadAddon();
  try {
    addon?.startInBackground(waits ? [...SHELL_THAT_WAITS, ...command] : command, variables, waits, lock);
  } catch (error) {
    if (!waits) throw error;
    addon?.startInBackground(command, variables, false, lock); // an image without a shell
  }
}

/** Becomes the given command when descriptor 3 is at its end. */
const SHELL_THAT_WAITS = ['/bin/sh', '-c', 'read _ <&3; exec "$@" 3<&-', 'sh'];

/** The descriptor of the lock in a process that inherited it. */
export const INHERITED_LOCK = 4;

/**
 * The arguments of the node binary that make it a learner.
 *
 * @param key - of a job that another process holds and waits for. Without it the learner works through the queue
 */
export function learnerArguments(
  cache: FileSystemCache,
  engineId: string,
  priority: 'usual' | 'lowest',
  push?: Push,
  key?: ModuleHash,
): string[] {
  const program = path.join(packageRoot, 'dist/learning/learner.js');
  const { directory, limits } = cache;
  // The address may hold a password, and arguments are for all to see.
  const { url: _, ...shown } = push ?? { url: '' };
  const pushed = push ? JSON.stringify(shown) : 'no push';
  const sweepTo = `${limits.maxSize} ${limits.maxFiles}`;
  const flags = startOptions.filter((option) => POSSIBLE_FLAG.test(option)).join(' ');
  return [
    ...v8Options(),
    program,
    directory,
    sweepTo,
    engineId,
    priority,
    pushed,
    flags,
    ...(key ? [String(key)] : []),
  ];
}

/** {@link COPIED_OPTIONS} of this process. */
export function v8Options(): string[] {
  return startOptions.filter((option) => COPIED_OPTION.test(option.replaceAll('_', '-')));
}

/** @param signer - of the cache that the learner writes to */
export function learnerEnvironment(signer: Signer | undefined, push?: Push): Record<string, string> {
  const settings = variablesFor({ remote: push?.url, secret: signer?.secrets.join(' ') });
  const variables = { ...environment, ...(push && ofStores()), ...settings };
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined)) as never;
}
