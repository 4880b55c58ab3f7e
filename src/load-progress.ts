import type { Engine, ModuleCache } from './module-cache.js';

/**
 * A step of a load has begun: a `lookup` in one tier of the cache, the `wait` for another process that optimises the same
 * module, a `compile` or a `save`.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { loadModule, type StepStarted, ThreadLocalCache, V8Engine } from 'wasm-module-cache';
 *
 * const labelOf = (started: StepStarted) =>
 *   started.step === 'lookup' ? `asking ${started.cache.constructor.name}` : started.step;
 * const labels: string[] = [];
 * await loadModule(await readFile('plugin.wasm'), {
 *   cache: new ThreadLocalCache(),
 *   engine: new V8Engine(),
 *   onProgress: (progress) => progress.state === 'started' && labels.push(labelOf(progress)),
 * });
 * console.log(labels.join(', ')); // asking ThreadLocalCache, compile, save
 * ```
 */
export type StepStarted =
  | { readonly state: 'started'; readonly step: 'lookup'; readonly cache: ModuleCache }
  | { readonly state: 'started'; readonly step: 'wait' }
  | { readonly state: 'started'; readonly step: 'compile'; readonly coverage: 'full' | undefined }
  | { readonly state: 'started'; readonly step: 'save' };

/**
 * How a step may end.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { inMemory, loadModule, type StepOutcomes, V8Engine } from 'wasm-module-cache';
 *
 * const best: { [Step in keyof StepOutcomes]: StepOutcomes[Step] } = {
 *   lookup: 'hit',
 *   wait: 'stored',
 *   compile: 'compiled',
 *   save: 'saved',
 * };
 * const { steps } = await loadModule(await readFile('plugin.wasm'), { cache: inMemory(), engine: new V8Engine() });
 * console.log(steps.filter(({ step, outcome }) => outcome !== best[step]).map(({ step }) => step)); // [ 'lookup' ]
 * ```
 */
export interface StepOutcomes {
  /** In one tier of the cache. `failed`: with an error that is not a miss, which the load survives. */
  lookup: 'hit' | 'miss' | 'failed';
  /** For another process that optimises the same module. `over`: it was ended, failed, or took too long. */
  wait: 'stored' | 'over';
  /** By V8 in this process, or, with `coverage: 'full'`, in one of its own. */
  compile: 'compiled' | 'failed';
  /** `failed`: with an error, which the load survives. */
  save: 'saved' | 'failed';
}

/**
 * A step of a load is over, after so many milliseconds.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { CacheError, inMemory, loadModule, type StepFinished, V8Engine } from 'wasm-module-cache';
 *
 * const describe = ({ step, outcome, error }: StepFinished) =>
 *   CacheError.is(error) ? `${step}: ${outcome} (${error.kind})` : `${step}: ${outcome}`;
 * const { steps } = await loadModule(await readFile('plugin.wasm'), { cache: inMemory(), engine: new V8Engine() });
 * console.log(steps.map(describe).join(', ')); // lookup: miss (NotFound), compile: compiled, save: saved
 * ```
 */
export type StepFinished = {
  [Step in keyof StepOutcomes]: Omit<Extract<StepStarted, { step: Step }>, 'state'> & {
    readonly state: 'finished';
    readonly outcome: StepOutcomes[Step];
    /** Milliseconds. */
    readonly duration: number;
    /** Why it missed or failed; `undefined` where it did not, and where another process does not say. */
    readonly error: unknown;
  };
}[keyof StepOutcomes];

/**
 * Bytes of an artifact that have arrived from a tier of the cache, of how many.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { FileSystemCache, type LoadProgress, loadModule, type ReadProgress, V8Engine } from 'wasm-module-cache';
 *
 * const showBar = ({ bytes, totalBytes }: ReadProgress) => console.log(`${Math.round((100 * bytes) / totalBytes)} %`); // 100 %
 * const onProgress = (progress: LoadProgress) => progress.state === 'reading' && showBar(progress);
 * const options = { cache: new FileSystemCache('cache'), engine: new V8Engine(), onProgress };
 * const wireBytes = await readFile('plugin.wasm');
 * await loadModule(wireBytes, options); // compiles and saves: nothing to read
 * await loadModule(wireBytes, options);
 * ```
 */
export interface ReadProgress {
  /** Tells it from the beginning and the end of a step. */
  readonly state: 'reading';
  /** The step that has begun and not ended. */
  readonly step: 'lookup';
  /** The tier that is asked. */
  readonly cache: ModuleCache;
  /** Bytes that have arrived, those of earlier reports included. */
  readonly bytes: number;
  /** Bytes that are to arrive in all; the part of an artifact that the load does not need is not among them. */
  readonly totalBytes: number;
}

/**
 * What a load tells of its way, step by step: each begins with `started` and ends with `finished`, and a look-up may tell of
 * `reading` in between.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { inMemory, type LoadProgress, loadModule, V8Engine } from 'wasm-module-cache';
 *
 * const log: string[] = [];
 * const onProgress = (progress: LoadProgress) => {
 *   if (progress.state === 'finished') log.push(`${progress.step}: ${progress.outcome}`);
 * };
 * await loadModule(await readFile('plugin.wasm'), { cache: inMemory(), engine: new V8Engine(), onProgress });
 * console.log(log); // [ 'lookup: miss', 'compile: compiled', 'save: saved' ]
 * ```
 */
export type LoadProgress = StepStarted | StepFinished | ReadProgress;

/** @internal What is known of a step before it begins. */
export type StepDetails<Step extends keyof StepOutcomes> = Omit<Extract<StepStarted, { step: Step }>, 'state'> & {
  step: Step;
};

/** @internal Announces the end of a step. */
export type FinishStep<Step extends keyof StepOutcomes> = (outcome: StepOutcomes[Step], error?: unknown) => void;

const { performance } = globalThis;

/** @internal Announces a step, and gives what announces its end. */
export function startStep<Step extends keyof StepOutcomes>(
  onProgress: ((progress: LoadProgress) => void) | undefined,
  details: StepDetails<Step>,
): FinishStep<Step> {
  if (!onProgress) return () => {};
  onProgress({ state: 'started', ...details } as StepStarted);
  const start = performance.now();
  return (outcome, error) => {
    const duration = performance.now() - start;
    onProgress({ state: 'finished', ...details, outcome, duration, error } as StepFinished);
  };
}

/** @internal Compiles as usual, and tells of it. */
export async function compile(
  engine: Engine,
  wireBytes: Uint8Array,
  onProgress: ((progress: LoadProgress) => void) | undefined,
): Promise<WebAssembly.Module> {
  const finish = startStep(onProgress, { step: 'compile', coverage: undefined });
  try {
    const module = await engine.compile(wireBytes);
    finish('compiled');
    return module;
  } catch (error) {
    finish('failed', error);
    throw error;
  }
}

/** @internal As {@link compile}. */
export function compileSync(
  engine: Engine,
  wireBytes: Uint8Array,
  onProgress: ((progress: LoadProgress) => void) | undefined,
): WebAssembly.Module {
  const finish = startStep(onProgress, { step: 'compile', coverage: undefined });
  try {
    const module = engine.compileSync(wireBytes);
    finish('compiled');
    return module;
  } catch (error) {
    finish('failed', error);
    throw error;
  }
}
