import diagnostics_channel from 'node:diagnostics_channel';
import nodeModule from 'node:module';
import path from 'node:path';
import util from 'node:util';
import type { Artifact } from '../artifact/artifact.js';
import { generationAfter } from '../artifact/replacement.js';
import { CacheError } from '../cache-error.js';
import { FileSystemCache } from '../caches/file-system.js';
import { partToOptimise } from '../engine/ahead-of-time.js';
import { readNativeCode } from '../engine/native-code.js';
import { V8Engine } from '../engine/v8-engine.js';
import { countFunctions, type FunctionCounts } from '../engine/wasm-binary.js';
import { LearningJobs } from '../learning/jobs.js';
import type { Push } from '../learning/push.js';
import { startLearner, whyNoLearner, whyNotLearnt } from '../learning/start-learner.js';
import type { ModuleHash } from '../module-hash.js';
import { sha256 } from '../native/digest.js';
import { packageRoot } from '../package-root.js';
import { openStatistics, type Statistics } from '../statistics/statistics.js';
import type { ProgramRecord } from '../stores/program-record.js';
import { type KnownModule, KnownModules } from './known-modules.js';
import { waitedForProcessor } from './processor-wait.js';
import type { FetchedArtifact, RemoteFailure } from './remote-source.js';
import type { RemoteTier } from './remote-tier.js';
import { BYPASS_MINUTES, type Current, decide, isBypassed, paid, type Stored } from './saving-policy.js';
import type { Learn, Mode, RemoteSettings } from './settings.js';

export interface HookOptions {
  mode: Exclude<Mode, 'off'>;
  directory: string;
  minModuleSize: number;
  learn: Learn;
  /** Where others may write to the folder; see `FileSystemCacheOptions.secret`. */
  secrets: readonly string[] | undefined;
  /** Bytes that the folder may hold; see `FileSystemCacheOptions.maxSize`. */
  maxSize: number | undefined;
  /** The store behind the folder. */
  remote: RemoteSettings | undefined;
  /** See `StatisticsOptions`. */
  statistics: boolean;
  runFile: string | undefined;
}

/**
 * Counters of one thread, from the moment at which its module cache was enabled.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { enableModuleCache, type ModuleCacheStats, moduleCacheStats } from 'wasm-module-cache';
 *
 * const hitRate = ({ hits, misses }: ModuleCacheStats) => hits / (hits + misses);
 * enableModuleCache({ directory: 'cache' });
 * const wireBytes = await readFile('plugin.wasm');
 * const modules = [await WebAssembly.compile(wireBytes), await WebAssembly.compile(wireBytes)];
 * console.log(`${modules.length} modules, hit rate ${hitRate(moduleCacheStats())}`); // 2 modules, hit rate 0.5
 * ```
 */
export interface ModuleCacheStats {
  /** Modules restored from the cache folder, or found alive in this thread. */
  hits: number;
  /** Modules of which nothing usable was stored. */
  misses: number;
  /** Artifacts written by this thread; what a process of its own learns is not counted. */
  saves: number;
  /** Artifacts that were not loaded because they are not signed with the secret; each is a miss, too. */
  untrusted: number;
  /** Times something broke and V8 went on alone. */
  errors: number;
}

/** A look-up that took a while, and the bytes as they were when it began. */
export interface LaterLookup {
  readonly lookup: Lookup | undefined;
  readonly wireBytes: Uint8Array;
}

/** What looking up some wire bytes gave. On a miss, tell {@link Hook.learn} which module V8 made of them. */
export interface Lookup {
  /** `undefined` when nothing is stored for this engine, so that it was not needed. */
  readonly key: ModuleHash | undefined;
  readonly engineId: string;
  readonly wireLength: number;
  readonly functions: FunctionCounts | undefined;
  /** A fresh Module object when it was a hit. */
  readonly module: WebAssembly.Module | undefined;
  /** What there is of it in the cache folder. */
  readonly stored: Stored;
  /** Whether that is not to be loaded because a process died while it loaded it. */
  readonly isSuspect: boolean;
  /** What is remembered of that module. */
  readonly known: KnownModule | undefined;
}

/** Asks the store for a module. */
type Fetch = (key: string) => FetchedArtifact | undefined;

const { now } = Date;
const { debuglog } = util;
const { resourceUsage } = process;
const { bigint: nanoseconds } = process.hrtime;
/** Not performance.now(): that object is made when it is first mentioned, which takes 1 ms. */
const milliseconds = () => Number(nanoseconds()) / 1e6;
/** Made when it is first needed, because that takes as long as installing the hook. */
let debug: typeof debugFirst = debugFirst;
function debugFirst(format: string, ...values: unknown[]): void {
  debug = debuglog('wasm-cache');
  debug(format, ...values);
}

const channels = {
  load: diagnostics_channel.channel('wasm-module-cache:load'),
  save: diagnostics_channel.channel('wasm-module-cache:save'),
  error: diagnostics_channel.channel('wasm-module-cache:error'),
};

/**
 * What stands between the replaced `WebAssembly` functions and the cache. None of its methods throws: trouble is a debug
 * line, a counter and a diagnostics event, and V8 compiles.
 */
export class Hook {
  readonly stats: ModuleCacheStats = { hits: 0, misses: 0, saves: 0, untrusted: 0, errors: 0 };
  readonly #options: HookOptions;
  readonly #cache: FileSystemCache;
  readonly #engine = new V8Engine();
  readonly #known = new KnownModules();
  readonly #jobs: LearningJobs;
  readonly #noLearner: string | undefined;
  readonly #remote: RemoteTier | undefined;
  readonly #program: ProgramRecord | undefined;
  /** Saved, or new in the program's list, and not handed to a process that puts it into the store. */
  readonly #unpushed = new Set<string>();
  readonly #learns: boolean;
  readonly #statistics: Statistics | undefined;
  #isOff = false;
  readonly #onExit = () => this.save(true);
  #madeRoomForListener = false;
  #isWatching = false;

  constructor(options: HookOptions) {
    this.#options = options;
    this.#statistics = openStatistics(options, () => this.#saveAtExit());
    // Every caller has the wire bytes in hand, so storing them as well would only double the size.
    this.#cache = new FileSystemCache(options.directory, {
      wireBytes: 'omit',
      secret: options.secrets,
      maxSize: options.maxSize,
    });
    this.#jobs = new LearningJobs(this.#cache.directory, this.#cache.signer);
    this.#noLearner = whyNoLearner();
    this.#learns = options.learn !== 'off' && whyNotLearnt() === undefined;
    // What comes from a store goes through the folder.
    if (!options.remote || options.mode !== 'read-write') return;
    const { directory, secrets, remote } = options;
    const failed = (failure: RemoteFailure) => this.#reportRemote(failure);
    const { RemoteTier, ProgramRecord, programName } = loadRemote();
    if (remote.mode !== 'write-only') this.#remote = new RemoteTier(remote, this.#cache, this.#engine, failed);
    const name = programName(process.argv[1]);
    if (name === undefined) return;
    this.#program = new ProgramRecord(name, directory, secrets !== undefined);
    // One for the process: threads start later, and are asked for their modules when they want them.
    if (!process.getBuiltinModule('node:worker_threads').isMainThread) return;
    if (this.#remote?.isOn && this.#program.beginPrefetch()) this.#remote.prefetch(this.#program);
  }

  /** What was begun when the hook was made, and is done by now. */
  advance(): void {
    this.#remote?.advance();
  }

  get directory(): string {
    return this.#cache.directory;
  }

  get minModuleSize(): number {
    return this.#options.minModuleSize;
  }

  /** Why V8's native code cannot be used in this process. */
  get unsupportedReason(): string | undefined {
    return this.#engine.unsupportedReason;
  }

  /** `undefined` when these bytes are none of the hook's business. May wait for the store. */
  lookUp(wireBytes: Uint8Array): Lookup | undefined {
    const remote = this.#remote?.isOn ? this.#remote : undefined;
    return this.#counted(wireBytes, () => this.#lookUp(wireBytes, remote && ((key) => remote.fetchSync(key))));
  }

  /** Who calls, for a look-up that comes later. */
  caller(): string | undefined {
    return this.#statistics?.caller();
  }

  /** As {@link lookUp}, for callers who get a promise: what comes from the store may come later. */
  lookUpLater(wireBytes: Uint8Array, caller?: string): Lookup | Promise<LaterLookup> | undefined {
    const remote = this.#remote?.isOn ? this.#remote : undefined;
    if (!remote) return this.#counted(wireBytes, () => this.#lookUp(wireBytes, undefined), caller);
    const start = milliseconds();
    let awaited: string | undefined;
    let lookup: Lookup | undefined;
    const fetchNow = (key: string) => {
      const fetched = remote.fetchNow(key);
      if (fetched === undefined) awaited = key;
      return fetched === 'nothing' ? undefined : fetched;
    };
    const find = () => {
      lookup = this.#lookUp(wireBytes, fetchNow);
      return awaited === undefined ? lookup : undefined;
    };
    const found = this.#counted(wireBytes, find, caller, start);
    if (awaited === undefined) return found;
    return this.#lookUpAwaited(remote.fetch(awaited), wireBytes, lookup, caller, start);
  }

  async #lookUpAwaited(
    fetching: Promise<FetchedArtifact | undefined>,
    given: Uint8Array,
    miss: Lookup | undefined,
    caller: string | undefined,
    start: number,
  ): Promise<LaterLookup> {
    const wireBytes = new Uint8Array(given); // The program may change its own.
    const fetched = await fetching;
    // Of two calls at once for the same module one got it.
    const find = () => (fetched ? this.#lookUp(wireBytes, () => fetched) : (this.#lookUpKnown(wireBytes) ?? miss));
    return { lookup: this.#counted(wireBytes, find, caller, start), wireBytes };
  }

  /** The flags of V8, and with them the engine's id, may have changed since it was fetched. */
  #isFor(wireBytes: Uint8Array, fetched: FetchedArtifact | undefined): fetched is FetchedArtifact {
    return fetched?.wireLength === wireBytes.length && fetched.engineId === this.#engine.deterministicId;
  }

  /** @param fetch - asks the store for what the folder has nothing of */
  #lookUp(wireBytes: Uint8Array, fetch: Fetch | undefined): Lookup | undefined {
    if (this.#isOff) return undefined;
    if (!this.#engine.canSerialize) {
      this.#isOff = true;
      debug('off: %s', this.#engine.unsupportedReason);
      return undefined;
    }
    return this.#lookUpKnown(wireBytes) ?? this.#lookUpStored(wireBytes, fetch);
  }

  #counted(
    wireBytes: Uint8Array,
    lookUp: () => Lookup | undefined,
    caller?: string,
    start = milliseconds(),
  ): Lookup | undefined {
    try {
      const lookup = lookUp();
      if (!lookup) return undefined;
      this.stats[lookup.module ? 'hits' : 'misses']++;
      this.#statistics?.count(lookup, milliseconds() - start, caller);
      if (channels.load.hasSubscribers) {
        const key = lookup.key ?? sha256(wireBytes);
        channels.load.publish({ key: key.toString(), hit: lookup.module !== undefined });
      }
      return lookup;
    } catch (error) {
      this.#report('looking up a module', error);
      return undefined;
    }
  }

  /** Remembers the module that V8 made after this look-up, so that its code can be saved. */
  learn(found: Lookup, module: WebAssembly.Module): void {
    try {
      const { known, ...lookup } = found;
      if (known) {
        this.#known.addReference(known, module);
        return;
      }
      // While the program runs, because its exit would wait for it: 1 ms/MB.
      const reading = this.#options.mode === 'read-write' ? this.#engine.read(module) : undefined;
      const remembered = { ...lookup, reading, isLearnt: false };
      if (reading) setTimeout(() => this.#keyOf(remembered), KEY_IS_KNOWN_AFTER).unref();
      this.#statistics?.compiled(found, remembered);
      this.#remember(remembered, module);
    } catch (error) {
      this.#report('remembering a module', error);
    }
  }

  /** Saves what is worth it of every module, and has the rest learnt; see {@link decide}. */
  save(isEnding = false): void {
    if (this.#isOff || this.#options.mode !== 'read-write') return;
    try {
      this.#remote?.keep();
      const toLearn: ModuleHash[] = [];
      let hasModules = false;
      for (const [known, module] of this.#known.alive()) {
        hasModules = true;
        try {
          const key = this.#saveOne(known, module);
          if (key) toLearn.push(key);
        } catch (error) {
          this.#report('saving a module', error);
        }
      }
      this.#noteProgram();
      if (this.#noLearner !== undefined) return;
      const push = this.#takeUnpushed(toLearn);
      // The learner sweeps the folder, too, also where it has nothing to learn.
      if (toLearn.length === 0 && !push && !(hasModules && this.#cache.isSweepDue())) return;
      const coverage = this.#options.learn === 'full' ? 'full' : 'hot';
      startLearner(this.#cache, this.#engine.deterministicId, coverage, toLearn, isEnding, push);
      debug('learning %s', toLearn);
      if (push) debug('to the store: %s', push.keys);
    } catch (error) {
      this.#report('looking for modules to save', error);
    } finally {
      this.#statistics?.flush(); // By now all keys are known.
    }
  }

  /** What the program uses is fetched for it on other machines when it starts there. */
  #noteProgram(): void {
    if (!this.#program || this.#remote?.wasDown) return;
    const used = [...this.#known.alive()].flatMap(([{ key }]) => (key ? [String(key)] : []));
    try {
      const isNew = this.#program.note(used);
      if (isNew && this.#pushes) for (const key of used) this.#unpushed.add(key);
    } catch (error) {
      this.#report("writing the program's list", error);
    }
  }

  get #pushes(): boolean {
    const { remote, mode } = this.#options;
    return remote !== undefined && remote.mode !== 'read-only' && mode === 'read-write';
  }

  /** What a process of its own is to put into the store, after this one: nobody waits for that. */
  #takeUnpushed(toLearn: readonly ModuleHash[]): Push | undefined {
    const { remote } = this.#options;
    if (!this.#pushes || !remote) return undefined;
    const keys = [...new Set([...this.#unpushed, ...toLearn.map(String)])];
    this.#unpushed.clear();
    if (keys.length === 0) return undefined;
    if (this.#remote?.wasDown) {
      this.#program?.forget(); // A run after that pushes all that it uses.
      return undefined;
    }
    return { url: remote.url, allowUnsigned: remote.allowUnsigned, program: this.#program?.name, keys };
  }

  /** The same bytes again in this thread: no hash, no file. */
  #lookUpKnown(wireBytes: Uint8Array): Lookup | undefined {
    const engineId = this.#engine.deterministicId;
    for (const [known, module] of this.#known.alive()) {
      if (known.wireLength !== wireBytes.length || known.engineId !== engineId) continue;
      if (!this.#engine.hasWireBytes(module, wireBytes)) continue;
      const clone = this.#engine.clone(module);
      if (clone) this.#known.addReference(known, clone);
      return { ...known, module: clone, known };
    }
    return undefined;
  }

  #lookUpStored(wireBytes: Uint8Array, fetch: Fetch | undefined): Lookup | undefined {
    const start = milliseconds();
    const before = resourceUsage();
    const engineId = this.#engine.deterministicId;
    const wireLength = wireBytes.length;
    const functions = this.#countFunctions(wireBytes);
    const isEmpty = !this.#cache.hasEntriesSync(this.#engine);
    if (isEmpty && !fetch) {
      debug('miss: nothing is stored yet');
      return { key: undefined, engineId, wireLength, functions, ...MISS };
    }
    if (fetch) this.#remote?.prepare(wireLength);
    const received = this.#engine.receive(wireBytes);
    const { key } = received;
    const lookup = { key, engineId, wireLength, functions };
    try {
      const isUse = this.#options.mode === 'read-write';
      const artifact = isEmpty ? this.#fetch(key, wireBytes, fetch) : this.#read(key, wireBytes, fetch, isUse);
      if (!artifact) {
        received.abandon();
        debug('miss: nothing is stored yet');
        return { ...lookup, ...MISS };
      }
      const { nativeCode, ...header } = artifact;
      const stored = { length: nativeCode.length, generation: header.generation, final: header.final };
      if (header.coverage === 'none') {
        received.abandon();
        debug('%s: loading it did not pay', key);
        return isBypassed(header) ? undefined : { ...lookup, ...MISS, stored };
      }
      const entry = { key, engineId };
      const module = this.#cache.guarded(entry, () => received.finish(nativeCode), isUse);
      const duration = milliseconds() - start;
      debug('hit %s: %d bytes, generation %d, %d ms', key, nativeCode.length, header.generation, Math.round(duration));
      const usage = { ...usageSince(before), waited: waitedForProcessor };
      if (!paid({ duration, ...usage, wireLength, nativeLength: nativeCode.length })) this.#leaveAlone(key);
      const known = { ...lookup, stored, isSuspect: false, reading: undefined, isLearnt: false };
      this.#remember(known, module);
      return { ...known, module, known };
    } catch (error) {
      received.abandon();
      if (CacheError.is(error, 'Deserialize')) this.#cache.deleteSync(key, this.#engine);
      if (isOfArtifact(error)) {
        this.stats.untrusted++;
        const isSuspect = this.#cache.suspect({ key, engineId }) !== undefined;
        debug('miss %s: %s', key, error);
        return { ...lookup, ...MISS, isSuspect };
      }
      if (isNothing(error)) debug('miss %s: %s', key, error);
      else this.#report(`loading ${key}`, error);
      return { ...lookup, ...MISS };
    }
  }

  /** From the folder, or else from the store. @throws {CacheError} */
  #read(key: ModuleHash, wireBytes: Uint8Array, fetch: Fetch | undefined, isUse: boolean): FetchedArtifact {
    try {
      return this.#cache.readArtifactSync(key, this.#engine, wireBytes.length, isUse);
    } catch (error) {
      const fetched = isNothing(error) && this.#fetch(key, wireBytes, fetch);
      if (!fetched) throw error;
      return fetched;
    }
  }

  /** From the store, so that the folder need not have it yet. */
  #fetch(key: ModuleHash, wireBytes: Uint8Array, fetch: Fetch | undefined): FetchedArtifact | undefined {
    const fetched = fetch?.(String(key));
    if (!this.#isFor(wireBytes, fetched)) return undefined;
    this.#makeFolder();
    return fetched;
  }

  /** Where the crash guard will be. */
  #makeFolder(): void {
    try {
      this.#cache.makeFolderSync(this.#engine);
    } catch {
      // Nothing can be written there: V8 is called all the same.
    }
  }

  #remember(known: KnownModule, module: WebAssembly.Module): void {
    this.#known.add(known, module);
    if (this.#options.mode !== 'read-write') return;
    if (known.stored.final && this.#isListed(known) && !this.#remote?.isUnkept) return;
    this.#checkLater(FIRST_CHECK);
    // Now, because an exit does not wait.
    if (this.#noLearner !== undefined) void this.#cache.sweepIfDue();
    this.#saveAtExit();
  }

  #saveAtExit(): void {
    if (this.#options.mode !== 'read-write') return;
    // Asked every time: programs call process.removeAllListeners().
    if (process.listeners('exit').includes(this.#onExit)) return;
    process.on('exit', this.#onExit);
    if (this.#madeRoomForListener) return;
    // Or the program would be warned of a leak one listener too early.
    this.#madeRoomForListener = true;
    const maxListeners = process.getMaxListeners();
    if (maxListeners > 0) process.setMaxListeners(maxListeners + 1);
  }

  #isListed({ key }: KnownModule): boolean {
    return !this.#program || (key !== undefined && this.#program.keys?.includes(String(key)) === true);
  }

  /**
   * A program that does not end, or is ended by a signal, is saved when its code has gone quiet: as large as at the check
   * before. A check serialises on the main thread (1 to 15 ms), so each comes twice as late as the one before.
   */
  #checkLater(delay: number, lengthBefore?: number): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const timer = setTimeout(() => {
      this.#isWatching = false;
      const length = this.#serializedLength();
      if (length === lengthBefore) this.save();
      else this.#checkLater(Math.min(delay * 2, LAST_CHECK), length);
    }, delay);
    timer.unref();
  }

  #serializedLength(): number {
    let length = 0;
    try {
      for (const [known, module] of this.#known.alive()) {
        if (!known.stored.final) length += this.#engine.serialize(module)?.length ?? 0;
      }
    } catch (error) {
      this.#report('looking whether the code is quiet', error);
    }
    return length;
  }

  /** @returns the key when the module is to be learnt. */
  #saveOne(known: KnownModule, module: WebAssembly.Module): ModuleHash | undefined {
    const { engineId, wireLength, stored } = known;
    if (stored.final || engineId !== this.#engine.deterministicId) return undefined;
    if (known.isSuspect && known.key) return this.#haveTried(known, known.key, module);
    let generation = known.key && this.#nextGeneration(known.key, stored);
    if (known.key && generation === undefined) return undefined;

    const canLearn = !known.isLearnt && known.functions !== undefined && this.#learns;
    const nativeCode = this.#engine.serialize(module);
    const observed = nativeCode && canLearn ? this.#engine.observe(module) : nativeCode;
    const current = nativeCode && { length: nativeCode.length, functions: functionsOf(known, observed) };
    const { save, final, learn } = decide(stored, current, canLearn);
    const part = learn ? this.#partToLearn(known, module, current) : undefined;

    const key = this.#keyOf(known) ?? sha256(this.#engine.wireBytes(module));
    known.key = key;
    generation ??= this.#nextGeneration(key, stored);
    if (generation === undefined) return undefined;
    if (save && nativeCode) {
      const artifact = {
        key,
        engineId,
        coverage: 'hot',
        generation,
        final,
        bypassedUntil: 0,
        nativeCode,
        wireBytes: undefined,
        wireLength,
      };
      this.#cache.writeArtifactSync(artifact as Artifact);
      debug('saved %s: %d bytes, before %d%s', key, nativeCode.length, stored.length, final ? ', final' : '');
      known.stored = { length: nativeCode.length, generation, final };
      this.stats.saves++;
      if (this.#pushes) this.#unpushed.add(String(key));
      if (channels.save.hasSubscribers) channels.save.publish({ key: key.toString(), bytes: nativeCode.length });
    }
    if (!part) return undefined;
    known.isLearnt = true;
    if (!this.#jobs.create(key, { wireLength, part })) return undefined;
    // Another process's learner may have ended between the look above and the creation of the job.
    const storedNow = this.#cache.readHeaderSync(key, this.#engine)?.generation ?? NOTHING_STORED.generation;
    if (storedNow === known.stored.generation) return key;
    this.#jobs.remove(key);
    return undefined;
  }

  /** Not saved: what is there may be better, and is tried by the learner. */
  #haveTried(known: KnownModule, key: ModuleHash, module: WebAssembly.Module): ModuleHash | undefined {
    if (known.isLearnt || !this.#learns) return undefined;
    known.isLearnt = true;
    const part = partToOptimise(module, undefined, known.reading); // any with as many functions
    return this.#jobs.create(key, { wireLength: known.wireLength, part }) ? key : undefined;
  }

  #keyOf(known: KnownModule): ModuleHash | undefined {
    try {
      const key = known.reading && this.#engine.keyOf(known.reading); // which lets go of the module, too
      // The module's own bytes are the truth: a program that patched streams may have given V8 others than were looked up.
      if (key) known.key = key;
    } catch (error) {
      this.#report('hashing a module', error);
    }
    return known.key;
  }

  /** Of the artifact that this process may write; `undefined` when another process is ahead of it. */
  #nextGeneration(key: ModuleHash, stored: Stored): number | undefined {
    if (this.#learns && this.#jobs.isUnderWay(key)) return undefined;
    const header = this.#cache.readHeaderSync(key, this.#engine);
    if (!header) return 0;
    return header.generation === stored.generation ? generationAfter(header) : undefined;
  }

  #partToLearn(
    { reading }: KnownModule,
    module: WebAssembly.Module,
    current: Current | undefined,
  ): Uint8Array | undefined {
    const wanted = this.#options.learn === 'full' ? 'all' : current?.functions?.executed;
    try {
      return partToOptimise(module, wanted, reading);
    } catch (error) {
      debug('not learnt: %o', error);
      return undefined;
    }
  }

  #leaveAlone(key: ModuleHash): void {
    if (this.#options.mode !== 'read-write') return;
    const header = this.#cache.readHeaderSync(key, this.#engine);
    if (!header) return;
    debug('%s is left alone: loading it took longer than it saves', key);
    const generation = generationAfter(header);
    const until = Math.ceil(now() / MINUTE) + BYPASS_MINUTES;
    try {
      this.#cache.bypassSync({ ...header, generation, final: false }, until);
    } catch (error) {
      this.#report(`leaving ${key} alone`, error); // It was a hit all the same.
    }
  }

  #countFunctions(wireBytes: Uint8Array): FunctionCounts | undefined {
    try {
      const functions = countFunctions(wireBytes);
      return functions.declared > 0 ? functions : undefined;
    } catch (error) {
      debug('not learnt: %s', error);
      return undefined;
    }
  }

  /** In one line: where in this program it was asked tells nobody anything. */
  #reportRemote({ failure, of }: RemoteFailure): void {
    this.stats[of === 'signature' ? 'untrusted' : 'errors']++;
    try {
      const doing = 'asking the store';
      debug('%s: %s', doing, failure);
      if (of !== 'signature' && channels.error.hasSubscribers)
        channels.error.publish({ doing, error: new Error(failure) });
    } catch {
      // The program broke the means of reporting.
    }
  }

  #report(doing: string, error: unknown): void {
    this.stats.errors++;
    try {
      debug('%s: %o', doing, error);
      if (channels.error.hasSubscribers) channels.error.publish({ doing, error });
      if (!CacheError.is(error, 'Untrusted') || isOfArtifact(error)) return;
      // The one thing that a user should know, because only a user can mend it.
      this.#isOff = true;
      process.emitWarning(`${error.message} Modules are not cached.`, { type: 'WasmCacheWarning' });
    } catch {
      // The program broke the means of reporting.
    }
  }
}

/** A file of its own, as the build makes it: only who has a store needs it, and it would take all others 0.7 ms. */
function loadRemote(): typeof import('./remote.js') {
  return nodeModule.createRequire(import.meta.url)(path.join(packageRoot, 'dist/remote.cjs'));
}

/**
 * Milliseconds until the first look at whether the code is quiet, and the longest between two. Most programs that end by
 * themselves do so before the first, and are saved at exit.
 */
const FIRST_CHECK = 3_000;
const LAST_CHECK = 3_600_000;

/** Milliseconds in which the largest modules known (35 MB) are hashed, on a busy machine, too. */
const KEY_IS_KNOWN_AFTER = 1_000;

const NOTHING_STORED = { length: 0, generation: -1, final: false };
const MISS = { stored: NOTHING_STORED, module: undefined, known: undefined, isSuspect: false };
const MINUTE = 60_000;

/** What is damaged is no error to a cache, but it was somebody's. */
function isNothing(error: unknown): boolean {
  return CacheError.is(error, 'NotFound') && !(error.cause instanceof CacheError);
}

/** An artifact that was not trusted, not the folder. */
function isOfArtifact(error: unknown): boolean {
  return CacheError.is(error, 'Untrusted') && error.path === undefined;
}

/** What `paid` asks. */
function usageSince(before: NodeJS.ResourceUsage): { cpuTime: number; preemptions: number } {
  const { userCPUTime, systemCPUTime, involuntaryContextSwitches } = resourceUsage();
  return {
    cpuTime: (userCPUTime + systemCPUTime - before.userCPUTime - before.systemCPUTime) / 1000,
    preemptions: involuntaryContextSwitches - before.involuntaryContextSwitches,
  };
}

function functionsOf({ functions }: KnownModule, nativeCode: Uint8Array | undefined): Current['functions'] {
  try {
    return functions && nativeCode && readNativeCode(nativeCode, functions);
  } catch (error) {
    debug('native code that cannot be read: %s', error);
    return undefined;
  }
}
