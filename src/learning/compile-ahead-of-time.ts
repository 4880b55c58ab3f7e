import childProcess from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import type { Signer } from '../artifact/signature.js';
import { CacheError } from '../cache-error.js';
import { FileSystemCache } from '../caches/file-system.js';
import type { FileSystemCacheOptions } from '../caches/file-system-options.js';
import { partToOptimise } from '../engine/ahead-of-time.js';
import { V8Engine } from '../engine/v8-engine.js';
import { HashedModuleData } from '../hashed-module-data.js';
import { startStep } from '../load-progress.js';
import type { LoadProgress } from '../module-cache.js';
import { type HeldJob, LearningJobs } from './jobs.js';
import { learnerArguments, learnerEnvironment, whyNotLearnt } from './start-learner.js';

/**
 * Options of {@link compileAheadOfTime}.
 *
 * @example
 * ```ts
 * import { type CompileAheadOfTimeOptions, compileAheadOfTime, HashedModuleData } from 'wasm-module-cache';
 *
 * const steps: string[] = [];
 * const options: CompileAheadOfTimeOptions = {
 *   directory: 'cache',
 *   timeout: 60_000,
 *   onProgress: ({ step, state }) => steps.push(`${step} ${state}`),
 * };
 * await compileAheadOfTime(await HashedModuleData.fromFile('plugin.wasm'), options);
 * console.log(steps); // [ 'compile started', 'compile finished' ]
 * ```
 */
export interface CompileAheadOfTimeOptions {
  /** The folder of the `FileSystemCache` that gets the artifact. */
  directory: string;
  /** The `secret` of the `FileSystemCache`. */
  secret?: FileSystemCacheOptions['secret'];
  /** The `maxSize` of the `FileSystemCache`. The process that compiles also sweeps the folder when a sweep is due. */
  maxSize?: FileSystemCacheOptions['maxSize'];
  /** The `maxFiles` of the `FileSystemCache`. */
  maxFiles?: FileSystemCacheOptions['maxFiles'];
  /** Ends the compilation, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Milliseconds after which the compilation is given up. More than 0; default and maximum: 300000. */
  timeout?: number | undefined;
  /**
   * Milliseconds, from 0 to 300000, to wait for another process that compiles the same module. If the time is over, or that process ends
   * without a result, this compilation is given up, too. Default: `timeout`, and this process tries itself if the other one gives up.
   */
  waitAtMost?: number | undefined;
  /** Called when this process or another one starts and ends compiling. Must not throw. */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
}

const MAX_TIMEOUT = 300_000;
/** Milliseconds between two checks whether another process is done with the same module. */
const POLL_INTERVAL = 50;

/**
 * Optimises every function of a module and stores the artifact, with coverage `full` and final. Use it for images, and for modules
 * whose runs cannot be learnt from. An artifact of only the functions that run has a fifth to a quarter of the size, and loads faster.
 *
 * A child process compiles, with the node binary, V8 flags and priority of a learner. Of several processes that want the same module,
 * one compiles and the others wait. The artifact has no wire bytes, so pass them to `load`, as `loadModule` does.
 *
 * @throws {CacheError} kind `Serialize` when the module cannot be compiled, or not in time; kind `FileWrite` when the folder cannot be
 * written to.
 * @throws {TypeError} when an option or the source is wrong.
 * @throws the signal's reason when it is aborted.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { compileAheadOfTime, FileSystemCache, loadModule, V8Engine } from 'wasm-module-cache';
 *
 * const wireBytes = await readFile('plugin.wasm');
 * await compileAheadOfTime(wireBytes, { directory: 'cache' });
 * const { source } = await loadModule(wireBytes, { cache: new FileSystemCache('cache'), engine: new V8Engine() });
 * console.log(source); // cache
 * ```
 */
export async function compileAheadOfTime(
  source: BufferSource | HashedModuleData,
  options: CompileAheadOfTimeOptions,
): Promise<void> {
  const { directory, secret, maxSize, maxFiles, signal, timeout = MAX_TIMEOUT, waitAtMost, onProgress } = options;
  if (!(timeout > 0 && timeout <= MAX_TIMEOUT)) {
    throw new TypeError(`The option timeout must be milliseconds up to ${MAX_TIMEOUT}, not ${timeout}`);
  }
  if (waitAtMost !== undefined && !(waitAtMost >= 0 && waitAtMost <= MAX_TIMEOUT)) {
    throw new TypeError(`The option waitAtMost must be milliseconds up to ${MAX_TIMEOUT}, not ${waitAtMost}`);
  }
  const engine = new V8Engine();
  const reason = engine.unsupportedReason ?? whyNotLearnt();
  if (reason !== undefined)
    throw new CacheError('Serialize', `Modules cannot be compiled ahead of time here: ${reason}`);
  const data = source instanceof HashedModuleData ? source : HashedModuleData.sha256(source);
  const cache = new FileSystemCache(directory, { wireBytes: 'omit', secret, maxSize, maxFiles });
  cache.checkTrust();
  const jobs = new LearningJobs(cache.directory, cache.signer);
  const key = data.hash;
  const isStored = () => cache.readHeaderSync(key, engine)?.coverage === 'full';

  const wireBytes = HashedModuleData.borrow(data);
  const engineId = engine.deterministicId;
  const job = { engineId, coverage: 'full', wireLength: wireBytes.length, part: partOf(wireBytes) } as const;
  const deadline = AbortSignal.timeout(timeout);
  const either = signal ? AbortSignal.any([signal, deadline]) : deadline;

  const holdJob = () => {
    try {
      const held = jobs.hold(key, job);
      if (held || !jobs.isInTheWay(key)) return held;
      throw new Error('it is no file of this package: remove it');
    } catch (cause) {
      const file = jobs.file(key);
      throw new CacheError('FileWrite', `Could not write ${file}: ${String(cause)}`, { cause, path: file });
    }
  };

  const compile = async (held: HeldJob) => {
    const finish = startStep(onProgress, { step: 'compile', coverage: 'full' });
    try {
      await run(learnerArguments(cache, engineId, 'lowest', undefined, key), cache.signer, either);
    } finally {
      held.remove();
      finish(isStored() ? 'compiled' : 'failed');
    }
    if (!isStored()) throw new CacheError('Serialize', `The module ${key} could not be optimised ahead of time`);
  };

  const waitForAnother = async () => {
    const finish = startStep(onProgress, { step: 'wait' });
    const end = performance.now() + (waitAtMost ?? timeout);
    try {
      do await setTimeout(POLL_INTERVAL, undefined, { signal: either });
      while (jobs.isUnderWay(key) && !isStored() && performance.now() < end);
    } finally {
      finish(isStored() ? 'stored' : 'over');
    }
    if (isStored() || (waitAtMost === undefined && !jobs.isGivenUp(key))) return;
    throw new CacheError('Serialize', `Waited for another process, which did not store the module ${key}`);
  };

  try {
    while (!isStored()) {
      either.throwIfAborted();
      const held = holdJob();
      if (held) await compile(held);
      else await waitForAnother();
    }
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (deadline.aborted) throw new CacheError('Serialize', `The module ${key} was not compiled in ${timeout} ms`);
    throw error;
  }
}

function partOf(wireBytes: Uint8Array): Uint8Array {
  try {
    return partToOptimise(wireBytes, 'all');
  } catch (cause) {
    const message = `These ${wireBytes.length} bytes cannot be compiled ahead of time: they are not a module, or of a later kind`;
    throw new CacheError('Serialize', message, { cause });
  }
}

/** Resolves when the process ends, in any way. The caller looks into the cache for the result. */
function run(args: string[], signer: Signer | undefined, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = childProcess.spawn(process.execPath, args, {
      cwd: '/',
      env: learnerEnvironment(signer),
      stdio: 'ignore',
      signal,
    });
    child.on('error', reject);
    child.on('exit', () => resolve());
  });
}
