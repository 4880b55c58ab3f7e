import { decodeHeader } from '../artifact/header.js';
import { generationAfter } from '../artifact/replacement.js';
import { CacheError } from '../cache-error.js';
import { checkCacheFolder } from '../caches/cache-folder.js';
import type { Received } from '../engine/v8-engine.js';
import { countFunctions, type FunctionCounts } from '../engine/wasm-binary.js';
import { retierAfter } from '../learning/retiering-policy.js';
import { bypassUntil, isBypassed, isWorthLoading, NOTHING_STORED, type Stored } from '../learning/saving-policy.js';
import type { ModuleHash } from '../module-hash.js';
import { debug } from './debug.js';
import { measureLoad, milliseconds, usedCpuTime } from './load-cost.js';
import type { LaterLookup, Lookup } from './lookup-result.js';
import type { Parts } from './parts.js';
import { sampleOf } from './recorded-modules.js';
import type { Recorder } from './recorder.js';
import type { FetchedArtifact, Question } from './remote-messages.js';
import { isOfArtifact } from './reporting.js';

const { now } = Date;

/** Asks the store for a module. */
type AskStore = (question: Question) => FetchedArtifact | undefined;

const NOT_FOUND = { stored: NOTHING_STORED, module: undefined, recorded: undefined, isQuarantined: false };

/**
 * Looks for a module: among those alive in this thread, in the folder, in the store. None of its methods throws. When
 * something breaks, the look-up is a miss or `undefined`, and V8 compiles.
 */
export class ModuleLookup {
  readonly #parts: Parts;
  readonly #recorder: Recorder;
  #isUnsupported = false;
  #isFolderChecked = false;

  constructor(parts: Parts, recorder: Recorder) {
    this.#parts = parts;
    this.#recorder = recorder;
  }

  /** `undefined` when the hook leaves these bytes to V8. May wait for the store. */
  lookUp(wireBytes: Uint8Array): Lookup | undefined {
    const tier = this.#parts.fleet?.askable;
    return this.#report(wireBytes, () => this.#find(wireBytes, tier && ((question) => tier.fetchSync(question))));
  }

  /** The {@link lookUp} for callers who return a promise. It does not block while the store answers. */
  lookUpLater(wireBytes: Uint8Array, caller?: string): Lookup | Promise<LaterLookup> | undefined {
    const tier = this.#parts.fleet?.askable;
    if (!tier) return this.#report(wireBytes, () => this.#find(wireBytes, undefined), caller);
    const start = milliseconds();
    let awaited: Question | undefined;
    let lookup: Lookup | undefined;
    const askNow = (question: Question) => {
      const fetched = tier.fetchNow(question);
      if (fetched === undefined) awaited = question;
      return fetched === 'nothing' ? undefined : fetched;
    };
    const find = () => {
      lookup = this.#find(wireBytes, askNow);
      return awaited === undefined ? lookup : undefined;
    };
    const found = this.#report(wireBytes, find, caller, start);
    if (awaited === undefined) return found;
    return this.#awaitStore(tier.fetch(awaited), wireBytes, lookup, caller, start);
  }

  async #awaitStore(
    fetching: Promise<FetchedArtifact | undefined>,
    given: Uint8Array,
    miss: Lookup | undefined,
    caller: string | undefined,
    start: number,
  ): Promise<LaterLookup> {
    const wireBytes = new Uint8Array(given); // The program may change its bytes.
    const fetched = await fetching;
    // Of two simultaneous calls for one module only one gets the artifact; the other finds the module alive.
    const find = () => (fetched ? this.#find(wireBytes, () => fetched) : (this.#findLive(wireBytes) ?? miss));
    return { lookup: this.#report(wireBytes, find, caller, start), wireBytes };
  }

  #report(wireBytes: Uint8Array, find: () => Lookup | undefined, caller?: string, start = milliseconds()) {
    const { reporting } = this.#parts;
    try {
      const lookup = find();
      if (lookup) reporting.lookedUp(lookup, wireBytes, milliseconds() - start, caller);
      return lookup;
    } catch (error) {
      reporting.failed('looking up a module', error);
      return undefined;
    }
  }

  #find(wireBytes: Uint8Array, askStore: AskStore | undefined): Lookup | undefined {
    const { engine, reporting } = this.#parts;
    if (this.#isUnsupported || reporting.isFolderRefused) return undefined;
    if (!engine.canSerialize) {
      this.#isUnsupported = true;
      debug('off: %s', engine.unsupportedReason);
      return undefined;
    }
    const found = this.#findLive(wireBytes) ?? this.#findPreloaded(wireBytes);
    if (found || !this.#parts.modules.hasRoom) return found;
    return this.#findStored(wireBytes, askStore);
  }

  /** The same bytes again in this thread: no hash, no file. */
  #findLive(wireBytes: Uint8Array): Lookup | undefined {
    const { engine, modules } = this.#parts;
    if (modules.size === 0) return undefined;
    const engineId = engine.deterministicId;
    const alike = { wireLength: wireBytes.length, sample: sampleOf(wireBytes) };
    for (const [recorded, module] of modules.alike(alike, wireBytes)) {
      if (recorded.engineId !== engineId) continue;
      if (!engine.hasWireBytes(module, wireBytes)) continue;
      const clone = engine.clone(module);
      if (clone) modules.addReference(recorded, clone);
      return { ...recorded, module: clone, recorded };
    }
    return undefined;
  }

  /** A thread has restored it already, and compared its key. */
  #findPreloaded(wireBytes: Uint8Array): Lookup | undefined {
    const { engine } = this.#parts;
    const preloaded = engine.takePreloaded(wireBytes);
    if (!preloaded) return undefined;
    const header = decodeHeader(preloaded.header);
    const { key, engineId } = header;
    if (engineId !== engine.deterministicId) return undefined; // The program has changed V8's flags.
    debug('hit %s: %d bytes, generation %d, preloaded', key, header.nativeLength, header.generation);
    const common = { key, engineId, ...factsOf(wireBytes) };
    return this.#restored(common, header, header.nativeLength, preloaded.module);
  }

  /** In the folder, then in the store. */
  #findStored(wireBytes: Uint8Array, askStore: AskStore | undefined): Lookup | undefined {
    const { cache, engine, options, reporting } = this.#parts;
    const cost = measureLoad();
    const common = {
      engineId: engine.deterministicId,
      ...factsOf(wireBytes),
    };
    const isFolderEmpty = !cache.hasEntriesSync(engine);
    if (isFolderEmpty && options.mode === 'read-write' && !this.#isFolderChecked) {
      checkCacheFolder(cache.directory);
      this.#isFolderChecked = true;
    }
    if (isFolderEmpty && !askStore) {
      debug('miss: nothing is stored yet');
      return { key: undefined, ...common, ...NOT_FOUND };
    }
    const received = engine.receive(wireBytes);
    const { key } = received;
    const lookup = { key, ...common };
    let reason: unknown = 'nothing is stored yet';
    const onMiss = (error: unknown) => {
      reason = error;
    };
    try {
      const inFolder = isFolderEmpty ? undefined : this.#readFolder(key, wireBytes.length, onMiss);
      const artifact = inFolder ?? this.#askStore(key, wireBytes.length, askStore);
      if (artifact) return this.#restore(lookup, received, artifact, cost);
      debug('miss %s: %s', key, reason);
    } catch (error) {
      received.abandon();
      if (CacheError.is(error, 'Deserialize')) cache.deleteSync(key, engine);
      if (isOfArtifact(error)) {
        reporting.refused(key, error);
        const isQuarantined = cache.quarantineOf({ key, engineId: common.engineId }) !== undefined;
        return { ...lookup, ...NOT_FOUND, isQuarantined };
      }
      reporting.failed(`loading ${key}`, error);
      return { ...lookup, ...NOT_FOUND };
    }
    received.abandon();
    return { ...lookup, ...NOT_FOUND };
  }

  /** @throws {CacheError} when the artifact is damaged or not trusted. */
  #readFolder(key: ModuleHash, wireLength: number, onMiss: (error: unknown) => void): FetchedArtifact | undefined {
    const { cache, engine, options } = this.#parts;
    try {
      return cache.readArtifactSync(key, engine, wireLength, options.mode === 'read-write');
    } catch (error) {
      // A damaged artifact is no failure of the cache, but users want to hear of it.
      if (!CacheError.is(error, 'NotFound') || error.cause instanceof CacheError) throw error;
      onMiss(error);
      return undefined;
    }
  }

  /** The store's artifact is used at once; the folder may not have it yet. */
  #askStore(key: ModuleHash, wireLength: number, askStore: AskStore | undefined): FetchedArtifact | undefined {
    const { cache, engine } = this.#parts;
    const fetched = askStore?.({ key: String(key), wireLength });
    // V8's flags, and with them the engine's id, may have changed since it was fetched.
    if (fetched?.wireLength !== wireLength || fetched.engineId !== engine.deterministicId) return undefined;
    try {
      cache.makeFolderSync(engine); // The crash guard needs it.
    } catch {
      // Nothing can be written there. V8 is called without the guard.
    }
    return fetched;
  }

  #restore(
    common: Pick<Lookup, 'engineId' | 'wireLength' | 'sample' | 'functions'> & { readonly key: ModuleHash },
    received: Received,
    { nativeCode, ...header }: FetchedArtifact,
    cost: ReturnType<typeof measureLoad>,
  ): Lookup | undefined {
    const { cache, options, preload } = this.#parts;
    const { key, engineId, wireLength } = common;
    if (header.coverage === 'none') {
      received.abandon();
      debug('%s: bypassed, because loading it was not worth it', key);
      return isBypassed(header, now()) ? undefined : { ...common, ...NOT_FOUND, stored: storedAs(header, 0) };
    }
    const finish = () => received.finish(nativeCode);
    const module = cache.guarded({ key, engineId }, finish, options.mode === 'read-write');
    const load = { ...cost(), wireLength, nativeLength: nativeCode.length };
    const duration = Math.round(load.duration);
    debug('hit %s: %d bytes, generation %d, %d ms', key, nativeCode.length, header.generation, duration);
    if (isWorthLoading(load)) preload?.keep(key, module);
    else this.#bypass(key);
    return this.#restored(common, header, nativeCode.length, module);
  }

  #restored(
    common: Pick<Lookup, 'engineId' | 'wireLength' | 'sample' | 'functions'> & { readonly key: ModuleHash },
    header: Omit<FetchedArtifact, 'nativeCode'>,
    nativeLength: number,
    module: WebAssembly.Module,
  ): Lookup {
    const { engine, options } = this.#parts;
    const cpuTime = retierAfter(header, options.mode === 'read-write' && options.learn !== 'off');
    const recorded = {
      ...common,
      cpuTimeBefore: usedCpuTime(),
      isRestored: true,
      mayRetier: cpuTime !== undefined && engine.retierAfter(module, cpuTime),
      stored: storedAs(header, nativeLength),
      isQuarantined: false,
      analysis: undefined,
      hasRequestedLearner: false,
    };
    this.#recorder.add(recorded, module);
    return { ...recorded, module, recorded };
  }

  /** Replaces the artifact by a note that V8 is faster without it. */
  #bypass(key: ModuleHash): void {
    const { cache, engine, options, reporting } = this.#parts;
    if (options.mode !== 'read-write') return;
    const header = cache.readHeaderSync(key, engine);
    if (!header) return;
    debug('%s is bypassed from now on: loading it took longer than it saves', key);
    try {
      cache.bypassSync({ ...header, generation: generationAfter(header), final: false }, bypassUntil(now()));
    } catch (error) {
      reporting.failed(`noting that ${key} is bypassed`, error); // It was a hit all the same.
    }
  }
}

function storedAs(header: Omit<FetchedArtifact, 'nativeCode'>, length: number): Stored {
  const { generation, final, optimisedFor, observedFor, coverage } = header;
  return { length, generation, final, optimisedFor, observedFor, isFull: coverage === 'full' };
}

function factsOf(wireBytes: Uint8Array) {
  return { wireLength: wireBytes.length, sample: sampleOf(wireBytes), functions: functionsOf(wireBytes) };
}

function functionsOf(wireBytes: Uint8Array): FunctionCounts | undefined {
  try {
    const functions = countFunctions(wireBytes);
    return functions.declared > 0 ? functions : undefined;
  } catch (error) {
    debug('not learnt: %s', error);
    return undefined;
  }
}
