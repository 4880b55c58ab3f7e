import { type Calls, lookUp } from '../caches/look-up.js';
import { compiling, type OnProgress, startStep } from '../load-progress.js';
import type { LoadedModule } from '../loaded-module.js';
import type { Engine, LoadProgress, ModuleCache, StepFinished } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';
import { type Procedure, resultOf } from '../sync-or-async.js';
import { wrongOption } from '../wrong-option.js';

// Captured: programs replace globals.
const { performance } = globalThis;

interface Task {
  cache: ModuleCache;
  engine: Engine;
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress;
}

/** The steps of one load. Trouble with the cache never fails it. An aborted signal, and an error that `onProgress` throws, end it. */
export class Load {
  readonly #task: Task;
  readonly #calls: Calls;
  readonly #steps: StepFinished[] = [];
  readonly #start = performance.now();
  #thrown: { error: unknown } | undefined;

  constructor(task: Task, calls: Calls) {
    this.#task = task;
    this.#calls = calls;
  }

  /** Never throws: caches would take an error of the caller's function for one of their own. */
  readonly onProgress = (progress: LoadProgress): void => {
    if (progress.state === 'finished') this.#steps.push(progress);
    if (this.#thrown) return;
    try {
      this.#task.onProgress?.(progress);
    } catch (error) {
      this.#thrown = { error };
    }
  };

  readonly #onOwnProgress = (progress: LoadProgress): void => {
    this.onProgress(progress);
    this.throwIfEnded();
  };

  throwIfEnded(): void {
    this.#task.signal?.throwIfAborted();
    if (this.#thrown) throw this.#thrown.error;
  }

  /** @param onMiss - is told why the cache did not give the module */
  *fromCache(
    key: ModuleHash,
    wireBytes: Uint8Array | undefined,
    onMiss: (error: unknown) => void,
  ): Procedure<LoadedModule | undefined> {
    const { cache, engine, signal } = this.#task;
    const options = { wireBytes, signal, onProgress: this.onProgress };
    try {
      return this.result(key, yield* lookUp(this.#calls, cache, key, engine, options));
    } catch (error) {
      this.throwIfEnded();
      onMiss(error);
      return undefined;
    }
  }

  *compile(wireBytes: Uint8Array): Procedure<WebAssembly.Module> {
    this.throwIfEnded();
    const compile = () => this.#calls.compile(this.#task.engine, wireBytes);
    return yield* compiling(this.#onOwnProgress, compile);
  }

  /** Gives the module to the cache. @returns the error if that failed */
  *save(key: ModuleHash, module: WebAssembly.Module): Procedure<unknown> {
    const { cache, engine } = this.#task;
    const finish = startStep(this.#onOwnProgress, { step: 'save' });
    try {
      yield* resultOf(this.#calls.save(cache, key, engine, module));
    } catch (error) {
      finish('failed', error);
      return error;
    }
    finish('saved');
    return undefined;
  }

  result(key: ModuleHash, module: WebAssembly.Module): LoadedModule {
    this.throwIfEnded();
    const isCompiled = this.#steps.some(({ outcome }) => outcome === 'compiled');
    const hit = this.#steps.find((each) => each.step === 'lookup' && each.outcome === 'hit');
    return {
      module,
      key,
      source: isCompiled ? 'compiler' : 'cache',
      cache: hit?.step === 'lookup' ? hit.cache : undefined,
      steps: this.#steps,
      duration: performance.now() - this.#start,
    };
  }
}

/** @throws {TypeError} for an option that is wrong in every runtime. */
export function checkTask({ cache, signal, onProgress }: Partial<Omit<Task, 'engine'>>): void {
  if (typeof cache?.load !== 'function') throw wrongOption('cache', 'a ModuleCache', cache);
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw wrongOption('signal', 'an AbortSignal', signal);
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw wrongOption('onProgress', 'a function', onProgress);
}
