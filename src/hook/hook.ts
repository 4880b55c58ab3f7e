import { debuglog } from 'node:util';
import { CacheError } from '../cache-error.js';
import { FileSystemCache } from '../caches/file-system.js';
import { sha256 } from '../engine/digest.js';
import { V8Engine } from '../engine/v8-engine.js';
import type { ModuleHash } from '../module-hash.js';
import { type KnownModule, KnownModules } from './known-modules.js';
import type { Settings } from './settings.js';

const debug = debuglog('wasm-cache');

/** What looking up some wire bytes gave. On a miss, tell {@link Hook.learn} which module V8 made of them. */
export interface Lookup {
  readonly key: ModuleHash;
  readonly engineId: string;
  readonly wireLength: number;
  /** A fresh Module object when it was a hit. */
  readonly module: WebAssembly.Module | undefined;
}

/**
 * Growth of the optimised code below which saving again is not worth the write: V8 keeps finding a function or two to
 * optimise for as long as a program is run (v8-facts.md, section 10, rule 26).
 */
const MIN_GROWTH = 1.02;

/**
 * What stands between the replaced `WebAssembly` functions and the cache. None of its methods throws: trouble is a debug
 * line, and V8 compiles.
 */
export class Hook {
  readonly #settings: Settings;
  readonly #cache: FileSystemCache;
  readonly #engine = new V8Engine();
  readonly #known = new KnownModules();
  #exitListenerAdded = false;
  #saidUnsupported = false;

  constructor(settings: Settings) {
    this.#settings = settings;
    // Every caller has the wire bytes in hand, so storing them as well would only double the size.
    this.#cache = new FileSystemCache(settings.directory, { wireBytes: 'omit' });
  }

  get minModuleSize(): number {
    return this.#settings.minModuleSize;
  }

  /** `undefined` when these bytes are none of the hook's business. */
  lookUp(wireBytes: Uint8Array): Lookup | undefined {
    try {
      if (!this.#engine.canSerialize) {
        if (!this.#saidUnsupported) debug('off: %s', this.#engine.unsupportedReason);
        this.#saidUnsupported = true;
        return undefined;
      }
      return this.#lookUpKnown(wireBytes) ?? this.#lookUpStored(wireBytes);
    } catch (error) {
      debug('a module is left to V8: %o', error);
      return undefined;
    }
  }

  /** Remembers the module that V8 compiled after a miss, so that its code can be saved. */
  learn({ key, engineId, wireLength }: Lookup, module: WebAssembly.Module): void {
    try {
      this.#remember({ key, engineId, wireLength, savedLength: 0, final: false }, module);
    } catch (error) {
      debug('%s is not remembered: %o', key, error);
    }
  }

  /** Saves every module of which V8 has optimised more than what is stored. */
  save(): void {
    if (this.#settings.mode !== 'read-write') return;
    for (const [known, module] of this.#known.alive()) {
      try {
        this.#saveOne(known, module);
      } catch (error) {
        debug('%s is not saved: %o', known.key, error);
      }
    }
  }

  /** The same bytes again in this process: no hash, no file. */
  #lookUpKnown(wireBytes: Uint8Array): Lookup | undefined {
    const engineId = this.#engine.deterministicId;
    for (const [known, module] of this.#known.alive()) {
      if (known.wireLength !== wireBytes.length || known.engineId !== engineId) continue;
      if (!this.#engine.hasWireBytes(module, wireBytes)) continue;
      const clone = this.#engine.clone(module);
      if (clone) this.#known.addReference(known, clone);
      return { ...known, module: clone };
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
      this.#remember({ ...lookup, savedLength: artifact.nativeCode.length, final: artifact.final }, module);
      return { ...lookup, module };
    } catch (error) {
      if (CacheError.is(error, 'Deserialize')) this.#cache.deleteSync(key, this.#engine);
      debug('miss %s: %s', key, error);
      return { ...lookup, module: undefined };
    }
  }

  #remember(known: KnownModule, module: WebAssembly.Module): void {
    this.#known.add(known, module);
    if (this.#exitListenerAdded || this.#settings.mode !== 'read-write') return;
    this.#exitListenerAdded = true;
    process.on('exit', () => this.save());
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
  }
}
