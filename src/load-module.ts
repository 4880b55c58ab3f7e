import util from 'node:util';
import { CacheError } from './cache-error.js';
import { FallbackCache } from './caches/fallback.js';
import { FileSystemCache } from './caches/file-system.js';
import { asyncCalls, type Calls, syncCalls } from './caches/look-up.js';
import { partToOptimise } from './engine/ahead-of-time.js';
import { V8Engine } from './engine/v8-engine.js';
import { HashedModuleData } from './hashed-module-data.js';
import { compileAheadOfTime } from './learning/compile-ahead-of-time.js';
import { LearningJobs } from './learning/jobs.js';
import { bypassIfHopeless, discardQuarantined } from './learning/quarantine.js';
import { startLearner, whyNoLearner } from './learning/start-learner.js';
import type { LoadedModule } from './loaded-module.js';
import { checkTask, Load } from './loading/load.js';
import { SingleFlight } from './loading/single-flight.js';
import type { Engine, LoadProgress, ModuleCache, SyncModuleCache } from './module-cache.js';
import { RecentlyUsed } from './recently-used.js';
import { type Procedure, resultOf, runAsync, runSync } from './sync-or-async.js';
import { wrongOption } from './wrong-option.js';

/**
 * Options of {@link loadModuleSync}.
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
  /** Is asked for the module, and receives it when it was compiled. */
  cache: Cache;
  /** Compiles modules, and turns them into native code and back: usually a `V8Engine`. */
  engine: Engine;
  /**
   * Milliseconds for which a failure is remembered, per cache and engine id: invalid wire bytes are then refused without compiling
   * them again, and a module that cannot be serialised is not saved again. Default 60000, at most 300000; 0 remembers nothing.
   */
  rememberFailuresFor?: number | undefined;
  /** Receives every step. If it throws, the load ends with that error. */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/**
 * Options of {@link loadModule}.
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
   * Ends the load, which rejects with the signal's reason at once. V8 cannot be stopped once it has a module's bytes: it
   * finishes compiling in its own threads. A process that optimises for `coverage: 'full'` is ended.
   */
  signal?: AbortSignal | undefined;
  /**
   * `full`: after a miss, a process of its own optimises every function before the load returns; see `compileAheadOfTime`. If several
   * processes miss the same module, one of them does that and the others wait. If it fails, the load compiles as usual. Needs
   * a `V8Engine` and a `FileSystemCache` among the caches. Default: V8 compiles as usual.
   */
  coverage?: 'full' | undefined;
  /** Milliseconds to wait for another process that optimises. Default 30000, at most 300000. */
  waitAtMost?: number | undefined;
}

const debug = util.debuglog('wasm-cache');
// Captured: programs replace globals.
const { performance } = globalThis;

/** Most modules compile in well under a second. Optimising a large one in full takes 3 to 15 s (docs/v8.md, "Flags"). */
const DEFAULT_WAIT_AT_MOST = 30_000;
const DEFAULT_REMEMBER_FAILURES_FOR = 60_000;
/** The longest wait that `compileAheadOfTime` takes. */
const MAX_DURATION = 300_000;
/** Each failure takes some hundred bytes. */
const MAX_FAILURES = 1000;

/** A `CompileError`, or the reason why a module was not saved; remembered until then, on the clock of `performance.now`. */
type Failure = ({ compile: unknown } | { save: unknown }) & { until: number };

/** What this thread knows of one cache. The names are made of key and engine id. */
interface State {
  loads: SingleFlight<LoadedModule>;
  failures: RecentlyUsed<Failure>;
}

const states = new WeakMap<ModuleCache, State>();

/**
 * Loads the module with these wire bytes from the cache, or compiles and saves it. Trouble with the cache never fails the load; it
 * only makes it slower. Callers of this thread who ask one cache for the same module at the same time share one load: it compiles
 * once, and goes on as long as one of them wants it.
 *
 * @throws {WebAssembly.CompileError} when the wire bytes are not a valid module.
 * @throws {TypeError} when an option or the source is wrong.
 * @throws the signal's reason, or an error that `onProgress` throws.
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
  const { cache, engine, signal, onProgress, coverage } = options;
  signal?.throwIfAborted();
  const data = dataOf(source);
  return stateOf(cache).loads.run(`${nameOf(data, engine)}:${coverage}`, { signal, onProgress }, (shared) =>
    runAsync(loadOrCompile(data, { ...options, ...shared }, asyncCalls)),
  );
}

/**
 * The synchronous form of {@link loadModule}, for hosts that cannot wait, as `new WebAssembly.Module()` cannot. The cache must have
 * synchronous methods: caches in memory and in a folder have them, and so has the result of `withFallback` on two of them.
 *
 * @throws {WebAssembly.CompileError} when the wire bytes are not a valid module.
 * @throws {TypeError} when an option or the source is wrong.
 * @throws an error that `onProgress` throws.
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
  if (typeof options.cache.loadSync !== 'function') {
    throw new TypeError('The option cache must have synchronous methods. Use loadModule for other caches');
  }
  for (const name of ['signal', 'coverage', 'waitAtMost']) {
    if (name in options) throw new TypeError(`loadModuleSync has no option ${name}. Use loadModule`);
  }
  return runSync(loadOrCompile(dataOf(source), options, syncCalls));
}

function* loadOrCompile(data: HashedModuleData, options: LoadModuleOptions, calls: Calls): Procedure<LoadedModule> {
  const { cache, engine, coverage, rememberFailuresFor = DEFAULT_REMEMBER_FAILURES_FOR } = options;
  const name = nameOf(data, engine);
  const { failures } = stateOf(cache);
  const until = () => performance.now() + rememberFailuresFor;
  const remembered = failures.get(name);
  const known = remembered && performance.now() < remembered.until ? remembered : undefined;
  if (known && 'compile' in known) throw known.compile;

  const load = new Load(options, calls);
  const key = data.hash;
  const wireBytes = HashedModuleData.borrow(data);
  const fromCache = () =>
    load.fromCache(key, wireBytes, (error) => {
      debug('%s is compiled: %s', key, error);
      liftQuarantine(data, options);
    });
  const loaded = yield* fromCache();
  if (loaded) return loaded;
  let module: WebAssembly.Module | undefined;
  if (coverage === 'full' && (yield* resultOf(optimiseInFull(data, options, load.onProgress)))) {
    module = (yield* fromCache())?.module;
  }
  try {
    module ??= yield* load.compile(wireBytes);
  } catch (error) {
    // Other errors (memory ran out, say) tell nothing of the bytes.
    if (error instanceof Error && error.name === 'CompileError') failures.set(name, { compile: error, until: until() });
    throw error;
  }
  // Also after a full compilation: it stored no wire bytes.
  if (!known) {
    const failure = yield* load.save(key, module);
    if (failure !== undefined) debug('%s is not saved: %s', key, failure);
    if (CacheError.is(failure, 'Serialize')) failures.set(name, { save: failure, until: until() });
  }
  return load.result(key, module);
}

/** See `CrashGuard` for the rule. */
function liftQuarantine(data: HashedModuleData, { cache, engine }: LoadModuleOptions): void {
  const folder = folderOf(cache);
  if (!folder || !(engine instanceof V8Engine)) return;
  const key = data.hash;
  const engineId = engine.deterministicId;
  try {
    if (!folder.quarantineOf({ key, engineId })) return;
    if (bypassIfHopeless(folder, key, engine)) return;
    if (whyNoLearner() !== undefined) {
      discardQuarantined(folder, key, engine); // This load saves another one.
      return;
    }
    const part = partToOptimise(HashedModuleData.borrow(data), undefined); // V8 needs a module with as many functions
    const jobs = new LearningJobs(folder.directory, folder.signer);
    if (jobs.add(key, { engineId, coverage: 'hot', wireLength: data.byteLength, part }))
      startLearner(folder, engineId, false);
  } catch (error) {
    debug('%s is not tried: %s', key, error);
  }
}

/** @returns whether the cache should have the module now */
async function optimiseInFull(
  data: HashedModuleData,
  { cache, signal, waitAtMost = DEFAULT_WAIT_AT_MOST }: LoadModuleOptions,
  onProgress: (progress: LoadProgress) => void,
): Promise<boolean> {
  const { directory, signer, limits } = folderOf(cache) as FileSystemCache;
  try {
    await compileAheadOfTime(data, {
      directory,
      secret: signer?.secrets,
      ...limits,
      signal,
      waitAtMost,
      onProgress,
    });
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    debug('%s is not optimised in full: %s', data.hash, error);
    return false;
  }
}

function stateOf(cache: ModuleCache): State {
  let state = states.get(cache);
  if (!state) {
    state = { loads: new SingleFlight(), failures: new RecentlyUsed(MAX_FAILURES) };
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

/** The first `FileSystemCache` of a chain. */
function folderOf(cache: ModuleCache): FileSystemCache | undefined {
  if (cache instanceof FileSystemCache) return cache;
  if (cache instanceof FallbackCache) return folderOf(cache.primary) ?? folderOf(cache.fallback);
  return undefined;
}

function checkOptions(options: LoadModuleOptions): void {
  const { cache, engine, coverage, waitAtMost = 0, rememberFailuresFor = 0 } = options ?? {};
  checkTask(options ?? {});
  // A regular expression has a method `compile`, too.
  const isEngine = typeof engine?.compile === 'function' && typeof engine.serialize === 'function';
  if (!isEngine) throw wrongOption('engine', 'an Engine', engine);
  for (const [name, value] of Object.entries({ waitAtMost, rememberFailuresFor })) {
    const isDuration = typeof value === 'number' && value >= 0 && value <= MAX_DURATION;
    if (!isDuration) throw wrongOption(name, `milliseconds from 0 to ${MAX_DURATION}`, value);
  }
  if (coverage === undefined) return;
  if (coverage !== 'full') throw wrongOption('coverage', "'full' or undefined", coverage);
  if (!(engine instanceof V8Engine)) throw new TypeError("coverage: 'full' needs a V8Engine as the engine");
  if (!folderOf(cache)) throw new TypeError("coverage: 'full' needs a FileSystemCache among the caches");
}
