import diagnostics_channel from 'node:diagnostics_channel';
import util from 'node:util';
import { CacheError } from '../cache-error.js';
import { FileSystemCache } from '../caches/file-system.js';
import { sha256 } from '../engine/digest.js';
import { V8Engine } from '../engine/v8-engine.js';
import type { ModuleHash } from '../module-hash.js';
import { type KnownModule, KnownModules } from './known-modules.js';
import type { Mode } from './settings.js';

export interface HookOptions {
  mode: Exclude<Mode, 'off'>;
  directory: string;
  minModuleSize: number;
}

/** Counters of one thread. */
export interface ModuleCacheStats {
  /** Modules restored from the cache folder, or found alive in this thread. */
  hits: number;
  /** Modules of which nothing usable was stored. */
  misses: number;
  /** Artifacts written. */
  saves: number;
  /** Times something broke and V8 went on alone. */
  errors: number;
}

/** What looking up some wire bytes gave. On a miss, tell {@link Hook.learn} which module V8 made of them. */
export interface Lookup {
  readonly key: ModuleHash;
  readonly engineId: string;
  readonly wireLength: number;
  /** A fresh Module object when it was a hit. */
  readonly module: WebAssembly.Module | undefined;
  /** What is remembered of that module. */
  readonly known: KnownModule | undefined;
}

const { debuglog } = util;
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
 * Growth of the optimised code below which saving again is not worth the write: V8 keeps finding a function or two to
 * optimise for as long as a program is run (v8-facts.md, section 10, rule 26).
 */
const MIN_GROWTH = 1.02;

/**
 * What stands between the replaced `WebAssembly` functions and the cache. None of its methods throws: trouble is a debug
 * line, a counter and a diagnostics event, and V8 compiles.
 */
export class Hook {
  readonly stats: ModuleCacheStats = { hits: 0, misses: 0, saves: 0, errors: 0 };
  readonly #options: HookOptions;
  readonly #cache: FileSystemCache;
  readonly #engine = new V8Engine();
  readonly #known = new KnownModules();
  #isOff = false;
  readonly #onExit = () => this.save();
  #madeRoomForListener = false;

  constructor(options: HookOptions) {
    this.#options = options;
    // Every caller has the wire bytes in hand, so storing them as well would only double the size.
    this.#cache = new FileSystemCache(options.directory, { wireBytes: 'omit' });
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

  /** `undefined` when these bytes are none of the hook's business. */
  lookUp(wireBytes: Uint8Array): Lookup | undefined {
    if (this.#isOff) return undefined;
    try {
      if (!this.#engine.canSerialize) {
        this.#isOff = true;
        debug('off: %s', this.#engine.unsupportedReason);
        return undefined;
      }
      const lookup = this.#lookUpKnown(wireBytes) ?? this.#lookUpStored(wireBytes);
      this.stats[lookup.module ? 'hits' : 'misses']++;
      if (channels.load.hasSubscribers) {
        channels.load.publish({ key: lookup.key.toString(), hit: lookup.module !== undefined });
      }
      return lookup;
    } catch (error) {
      this.#report('looking up a module', error);
      return undefined;
    }
  }

  /** Remembers the module that V8 made after this look-up, so that its code can be saved. */
  learn({ key, engineId, wireLength, known }: Lookup, module: WebAssembly.Module): void {
    try {
      if (known) this.#known.addReference(known, module);
      else this.#remember({ key, engineId, wireLength, savedLength: 0, final: false }, module);
    } catch (error) {
      this.#report('remembering a module', error);
    }
  }

  /** Saves every module of which V8 has optimised more than what is stored. */
  save(): void {
    if (this.#isOff || this.#options.mode !== 'read-write') return;
    try {
      for (const [known, module] of this.#known.alive()) {
        try {
          this.#saveOne(known, module);
        } catch (error) {
          this.#report('saving a module', error);
        }
      }
    } catch (error) {
      this.#report('looking for modules to save', error);
    }
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

  #lookUpStored(wireBytes: Uint8Array): Lookup {
    const key = sha256(wireBytes);
    const engineId = this.#engine.deterministicId;
    const lookup = { key, engineId, wireLength: wireBytes.length };
    try {
      const artifact = this.#cache.readArtifactSync(key, this.#engine, wireBytes);
      const module = this.#engine.deserialize(artifact.nativeCode, wireBytes);
      debug('hit %s: %d bytes, generation %d', key, artifact.nativeCode.length, artifact.generation);
      const known = { ...lookup, savedLength: artifact.nativeCode.length, final: artifact.final };
      this.#remember(known, module);
      return { ...lookup, module, known };
    } catch (error) {
      if (CacheError.is(error, 'Deserialize')) this.#cache.deleteSync(key, this.#engine);
      if (!CacheError.is(error, 'NotFound') || error.cause instanceof CacheError) this.#report(`loading ${key}`, error);
      debug('miss %s', key);
      return { ...lookup, module: undefined, known: undefined };
    }
  }

  #remember(known: KnownModule, module: WebAssembly.Module): void {
    this.#known.add(known, module);
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

  #saveOne(known: KnownModule, module: WebAssembly.Module): void {
    const { key, engineId, wireLength } = known;
    if (known.final || engineId !== this.#engine.deterministicId) return;
    const nativeCode = this.#engine.serialize(module);
    if (!nativeCode || nativeCode.length < known.savedLength * MIN_GROWTH) return;
    this.#cache.writeArtifactSync({
      key,
      engineId,
      coverage: 'hot',
      generation: 0,
      final: false,
      nativeCode,
      wireBytes: undefined,
      wireLength,
    });
    debug('saved %s: %d bytes, before %d', key, nativeCode.length, known.savedLength);
    known.savedLength = nativeCode.length;
    this.stats.saves++;
    if (channels.save.hasSubscribers) channels.save.publish({ key: key.toString(), bytes: nativeCode.length });
  }

  #report(doing: string, error: unknown): void {
    this.stats.errors++;
    try {
      debug('%s: %o', doing, error);
      if (channels.error.hasSubscribers) channels.error.publish({ doing, error });
      if (!CacheError.is(error, 'Untrusted')) return;
      // The one thing that a user should know, because only a user can mend it.
      this.#isOff = true;
      process.emitWarning(`${error.message} Modules are not cached.`, { type: 'WasmCacheWarning' });
    } catch {
      // The program broke the means of reporting.
    }
  }
}
