import util from 'node:util';
import { LRUCache } from 'lru-cache';
import { CacheError } from './cache-error.js';
import { FallbackCache } from './caches/fallback.js';
import { FileSystemCache } from './caches/file-system.js';
import { lookUp, lookUpSync } from './caches/look-up.js';
import { partToOptimise } from './engine/ahead-of-time.js';
import { V8Engine } from './engine/v8-engine.js';
import { Flight } from './flight.js';
import { HashedModuleData } from './hashed-module-data.js';
import { compileAheadOfTime } from './learning/compile-ahead-of-time.js';
import { LearningJobs } from './learning/jobs.js';
import { startLearner, whyNoLearner } from './learning/start-learner.js';
import { compile, compileSync, type LoadProgress, type StepFinished, startStep } from './load-progress.js';
import type { LoadedModule } from './loaded-module.js';
import type { Engine, ModuleCache, SyncModuleCache } from './module-cache.js';
import type { ModuleHash } from './module-hash.js';
import { wrongOption } from './wrong-option.js';

/**
 * What {@link loadModuleSync} is called with.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs';
 * import { type LoadModuleSyncOptions, loadModuleSync, ThreadLocalCache, V8Engine } from 'wasm-module-cache';
 *
 * const options: LoadModuleSyncOptions = {
 *   cache: new ThreadLocalCache(),
 *   engine: new V8Engine(),
 *   rememberFailuresFor: 10_000,
 *   onProgress: ({ step }) => {
 *     if (step === 'compile') throw new Error('The cache was to have it');
 *   },
 * };
 * try {
 *   loadModuleSync(readFileSync('plugin.wasm'), options);
 * } catch (error) {
 *   console.log(String(error)); // Error: The cache was to have it
 * }
 * ```
 */
export interface LoadModuleSyncOptions<Cache extends ModuleCache = SyncModuleCache> {
  /** What is asked for the module, and is given it when it was compiled. */
  cache: Cache;
  /** What compiles, and turns modules into what is stored and back: usually a `V8Engine`. */
  engine: Engine;
  /**
   * Milliseconds for which bytes that are no module are refused without compiling them again, and for which a module that
   * cannot be serialised is not saved again; per cache and engine id. Default 60000, at most 300000; 0 remembers nothing.
   */
  rememberFailuresFor?: number | undefined;
  /** Told of every step. What it throws ends the load, which then throws or rejects with that. */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/**
 * What {@link loadModule} is called with.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { FileSystemCache, inMemory, type LoadModuleOptions, loadModule, V8Engine } from 'wasm-module-cache';
 *
 * const options: LoadModuleOptions = {
 *   cache: inMemory().withFallback(new FileSystemCache('cache')),
 *   engine: new V8Engine(),
 *   coverage: 'full',
 *   signal: AbortSignal.timeout(60_000),
 * };
 * const { steps } = await loadModule(await readFile('plugin.wasm'), options);
 * console.log(steps.map(({ step }) => step).join(', ')); // lookup, lookup, compile, lookup, lookup, save
 * ```
 */
export interface LoadModuleOptions<Cache extends ModuleCache = ModuleCache> extends LoadModuleSyncOptions<Cache> {
  /**
   * Ends the load, which rejects with the signal's reason at once. V8 cannot be stopped once it has the bytes of a module: it
   * then compiles on in its own threads, for nobody. A process that optimises for `coverage: 'full'` is ended.
   */
  signal?: AbortSignal | undefined;
  /**
   * `full`: what the cache does not have is optimised before it is returned, all of it, in a process of its own, see
   * `compileAheadOfTime`. Of several processes that miss the same module one does that, and the others wait; whoever cannot have
   * it so compiles as usual. Needs a `V8Engine` and a `FileSystemCache` among the caches. Default: V8 compiles as usual.
   */
  coverage?: 'full' | undefined;
  /** Milliseconds to wait for another process in that case. Default 30000, at most 300000. */
  waitAtMost?: number | undefined;
}

const debug = util.debuglog('wasm-cache');
const { performance } = globalThis;

/** Most modules compile in well under a second; a large one optimised in full takes 3 to 15 s (docs/v8.md, "Flags"). */
const DEFAULT_WAIT_AT_MOST = 30_000;
const DEFAULT_REMEMBER_FAILURES_FOR = 60_000;
/** The longest that `compileAheadOfTime` can wait. */
const MAX_DURATION = 300_000;
/** Each is some hundred bytes; more are forgotten. */
const MAX_FAILURES = 1000;

/** What is known of one cache in this thread, by key and engine id. */
interface State {
  flights: Map<string, Flight<LoadedModule>>;
  /** `CompileError`s of bytes that are no module, and why a module was not saved. */
  failures: LRUCache<string, { compile: unknown } | { save: unknown }>;
}

const states = new WeakMap<ModuleCache, State>();

/**
 * The module with these wire bytes: from the cache, or else compiled and saved. Trouble with the cache never fails the load, it
 * only makes it slower. Callers of this thread who ask one cache for the same module at the same time share one load: it is
 * compiled once, and goes on as long as one of them wants it.
 *
 * @throws {WebAssembly.CompileError} when the wire bytes are not a valid module.
 * @throws {TypeError} when an option or the source is not what it should be.
 * @throws the signal's reason, or what `onProgress` throws.
 *
 * @example
 * ```ts
 * import { FileSystemCache, HashedModuleData, inMemory, loadModule, V8Engine } from 'wasm-module-cache';
 *
 * const cache = inMemory().withFallback(new FileSystemCache('cache'));
 * const data = await HashedModuleData.fromFile('plugin.wasm');
 * const { module, source, duration } = await loadModule(data, { cache, engine: new V8Engine() });
 * console.log(WebAssembly.Module.exports(module).length, source, duration);
 * ```
 */
export async function loadModule(
  source: BufferSource | HashedModuleData,
  options: LoadModuleOptions,
): Promise<LoadedModule> {
  checkOptions(options);
  const { cache, engine, signal, onProgress } = options;
  signal?.throwIfAborted();
  const data = dataOf(source);
  const { flights } = stateOf(cache);
  const name = `${nameOf(data, engine)}:${options.coverage}`;
  let flight = flights.get(name);
  if (!flight || flight.isAbandoned) {
    const started = new Flight((shared) => loadOrCompile(data, { ...options, ...shared }));
    flights.set(name, started);
    started.over.then(() => {
      if (flights.get(name) === started) flights.delete(name);
    });
    flight = started;
  }
  return flight.join({ signal, onProgress });
}

/**
 * As {@link loadModule}, at once: for hosts that cannot wait, as `new WebAssembly.Module()` is. The cache must have synchronous
 * methods, as all in memory and in a folder have, and what `withFallback` makes of two of them.
 *
 * @throws {WebAssembly.CompileError} when the wire bytes are not a valid module.
 * @throws {TypeError} when an option or the source is not what it should be.
 * @throws what `onProgress` throws.
 *
 * @example
 * ```ts
 * import { FileSystemCache, HashedModuleData, loadModuleSync, V8Engine } from 'wasm-module-cache';
 *
 * const data = HashedModuleData.fromFileSync('plugin.wasm');
 * const { module } = loadModuleSync(data, { cache: new FileSystemCache('cache'), engine: new V8Engine() });
 * console.log(WebAssembly.Module.exports(module).length);
 * ```
 */
export function loadModuleSync(source: BufferSource | HashedModuleData, options: LoadModuleSyncOptions): LoadedModule {
  checkOptions(options);
  const { cache, engine } = options;
  if (typeof cache.loadSync !== 'function') {
    throw new TypeError('The option cache must be one with synchronous methods; for others there is loadModule');
  }
  for (const name of ['signal', 'coverage', 'waitAtMost']) {
    if (name in options) throw new TypeError(`The option ${name} is not for loadModuleSync; loadModule has it`);
  }
  const load = new Load(dataOf(source), options);
  load.throwIfKnownToFail();
  const { key, wireBytes, onProgress } = load;
  try {
    return load.result(lookUpSync(cache, key, engine, { wireBytes, onProgress }));
  } catch (error) {
    load.throwIfAborted();
    debug('%s is compiled: %s', key, error);
    haveTried(load, options);
  }
  load.throwIfAborted();
  let module: WebAssembly.Module;
  try {
    module = compileSync(engine, wireBytes, load.onOwnProgress);
  } catch (error) {
    throw load.compileFailed(error);
  }
  if (load.isWorthSaving()) {
    const saved = startStep(load.onOwnProgress, { step: 'save' });
    try {
      cache.saveSync(key, engine, module);
      saved('saved');
    } catch (error) {
      saved('failed', error);
      load.saveFailed(error);
    }
  }
  return load.result(module);
}

async function loadOrCompile(data: HashedModuleData, options: LoadModuleOptions): Promise<LoadedModule> {
  const { cache, engine, signal } = options;
  const load = new Load(data, options);
  load.throwIfKnownToFail();
  const { key, wireBytes, onProgress } = load;
  const fromCache = async () => {
    try {
      return await lookUp(cache, key, engine, { wireBytes, signal, onProgress });
    } catch (error) {
      load.throwIfAborted();
      debug('%s is compiled: %s', key, error);
      haveTried(load, options);
      return undefined;
    }
  };

  let module = await fromCache();
  if (module) return load.result(module);
  if (options.coverage === 'full' && (await optimiseInFull(load, options))) module = await fromCache();
  if (!module) {
    load.throwIfAborted();
    try {
      module = await compile(engine, wireBytes, load.onOwnProgress);
    } catch (error) {
      throw load.compileFailed(error);
    }
  }
  // Also after a full compilation: what that stored has no wire bytes.
  if (load.isWorthSaving()) {
    const saved = startStep(load.onOwnProgress, { step: 'save' });
    try {
      await cache.save(key, engine, module);
      saved('saved');
    } catch (error) {
      saved('failed', error);
      load.saveFailed(error);
    }
  }
  return load.result(module);
}

/** An artifact that no program loads because one died of it may come back: see `CrashGuard`. */
function haveTried({ key, wireBytes }: Load, { cache, engine }: LoadModuleSyncOptions<ModuleCache>): void {
  const folder = folderOf(cache);
  if (!folder || !(engine instanceof V8Engine) || whyNoLearner() !== undefined) return;
  try {
    if (!folder.suspect({ key, engineId: engine.deterministicId })) return;
    const part = partToOptimise(wireBytes, undefined); // any with as many functions
    const jobs = new LearningJobs(folder.directory, folder.signer);
    if (!jobs.create(key, { wireLength: wireBytes.length, part })) return;
    startLearner(folder, engine.deterministicId, 'hot', [key], false);
  } catch (error) {
    debug('%s is not tried: %s', key, error);
  }
}

/** Whether the cache should have it now. */
async function optimiseInFull(
  { key, data, onProgress }: Load,
  { cache, signal, waitAtMost = DEFAULT_WAIT_AT_MOST }: LoadModuleOptions,
): Promise<boolean> {
  const { directory, signer, limits } = folderOf(cache) as FileSystemCache;
  try {
    const given = { directory, secret: signer?.secrets, ...limits, signal, waitAtMost, onProgress };
    await compileAheadOfTime(data, given);
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    debug('%s is not optimised in full: %s', key, error);
    return false;
  }
}

/** One load: what it has done so far, and what is known of earlier ones. */
class Load {
  readonly data: HashedModuleData;
  readonly key: ModuleHash;
  readonly wireBytes: Uint8Array;
  readonly #options: LoadModuleOptions;
  readonly #name: string;
  readonly #steps: StepFinished[] = [];
  readonly #start = performance.now();
  #thrown: { error: unknown } | undefined;

  constructor(data: HashedModuleData, options: LoadModuleOptions) {
    this.data = data;
    this.key = data.hash;
    this.wireBytes = HashedModuleData.borrow(data);
    this.#options = options;
    this.#name = nameOf(data, options.engine);
  }

  /** Never throws: it is called in the middle of caches, which would take that for an error of their own. */
  readonly onProgress = (progress: LoadProgress): void => {
    if (progress.state === 'finished') this.#steps.push(progress);
    if (this.#thrown) return;
    try {
      this.#options.onProgress?.(progress);
    } catch (error) {
      this.#thrown = { error };
    }
  };

  /** As {@link onProgress}, but throws: for steps of this load's own. */
  readonly onOwnProgress = (progress: LoadProgress): void => {
    this.onProgress(progress);
    this.throwIfAborted();
  };

  throwIfAborted(): void {
    this.#options.signal?.throwIfAborted();
    if (this.#thrown) throw this.#thrown.error;
  }

  result(module: WebAssembly.Module): LoadedModule {
    this.throwIfAborted();
    const isCompiled = this.#steps.some(({ outcome }) => outcome === 'compiled');
    const hit = this.#steps.find((each) => each.step === 'lookup' && each.outcome === 'hit');
    return {
      module,
      key: this.key,
      source: isCompiled ? 'compiler' : 'cache',
      cache: hit?.step === 'lookup' ? hit.cache : undefined,
      steps: this.#steps,
      duration: performance.now() - this.#start,
    };
  }

  throwIfKnownToFail(): void {
    const known = this.#failures.get(this.#name);
    if (known && 'compile' in known) throw known.compile;
  }

  isWorthSaving(): boolean {
    return !this.#failures.has(this.#name);
  }

  compileFailed(error: unknown): unknown {
    // Nothing is known of the bytes when, say, memory ran out.
    if (error instanceof Error && error.name === 'CompileError') this.#remember({ compile: error });
    return error;
  }

  saveFailed(error: unknown): void {
    debug('%s is not saved: %s', this.key, error);
    if (CacheError.is(error, 'Serialize')) this.#remember({ save: error });
  }

  get #failures(): State['failures'] {
    return stateOf(this.#options.cache).failures;
  }

  #remember(failure: { compile: unknown } | { save: unknown }): void {
    const { rememberFailuresFor: ttl = DEFAULT_REMEMBER_FAILURES_FOR } = this.#options;
    if (ttl >= 1) this.#failures.set(this.#name, failure, { ttl });
  }
}

function stateOf(cache: ModuleCache): State {
  let state = states.get(cache);
  if (!state) {
    state = { flights: new Map(), failures: new LRUCache({ max: MAX_FAILURES }) };
    states.set(cache, state);
  }
  return state;
}

function nameOf({ hash }: HashedModuleData, engine: Engine): string {
  return `${hash}:${engine.deterministicId}`;
}

function dataOf(source: BufferSource | HashedModuleData): HashedModuleData {
  return source instanceof HashedModuleData ? source : HashedModuleData.sha256(source);
}

/** The first cache in a folder that is among these. */
function folderOf(cache: ModuleCache): FileSystemCache | undefined {
  if (cache instanceof FileSystemCache) return cache;
  if (cache instanceof FallbackCache) return folderOf(cache.primary) ?? folderOf(cache.fallback);
  return undefined;
}

function checkOptions(options: LoadModuleOptions): void {
  const { cache, engine, coverage, signal, onProgress, waitAtMost = 0, rememberFailuresFor = 0 } = options ?? {};
  if (typeof cache?.load !== 'function') throw wrongOption('cache', 'a ModuleCache', cache);
  // A regular expression has a method `compile`, too.
  const isEngine = typeof engine?.compile === 'function' && typeof engine.serialize === 'function';
  if (!isEngine) throw wrongOption('engine', 'an Engine', engine);
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw wrongOption('signal', 'an AbortSignal', signal);
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw wrongOption('onProgress', 'a function', onProgress);
  for (const [name, value] of Object.entries({ waitAtMost, rememberFailuresFor })) {
    const isDuration = typeof value === 'number' && value >= 0 && value <= MAX_DURATION;
    if (!isDuration) throw wrongOption(name, `milliseconds from 0 to ${MAX_DURATION}`, value);
  }
  if (coverage === undefined) return;
  if (coverage !== 'full') throw wrongOption('coverage', "'full' or undefined", coverage);
  if (!(engine instanceof V8Engine)) throw new TypeError("coverage: 'full' needs a V8Engine as the engine");
  if (!folderOf(cache)) throw new TypeError("coverage: 'full' needs a FileSystemCache among the caches");
}
