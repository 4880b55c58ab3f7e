import { startLearner, whyNoLearner } from '../learning/start-learner.js';
import type { ModuleHash } from '../module-hash.js';
import { loadAddon } from '../native/addon.js';
import { debug } from './debug.js';
import { usedCpuTime } from './load-cost.js';
import type { Lookup } from './lookup-result.js';
import type { Parts } from './parts.js';
import type { RecordedModule } from './recorded-modules.js';
import { saveCode } from './save-code.js';
import { ModuleSaver } from './save-module.js';

/**
 * Milliseconds until the first check whether the code has settled, and the longest time between two checks. Most programs that end by
 * themselves do so before the first check, and are saved at the exit.
 */
const FIRST_LOOK = 3_000;
const LAST_LOOK = 3_600_000;

/** Milliseconds after which a module leaves a job for a learner, because a process may be killed before it saves. */
const EARLY_LOOKS = [300, 1000];
/** The first modules of a thread that are looked at so early: a look takes a few milliseconds of it. */
const MAX_EARLY_MODULES = 8;

/** Milliseconds in which the largest known modules (35 MB) are hashed, also on a busy machine. */
const KEY_IS_KNOWN_AFTER = 1_000;

/** A module that V8 compiled in this process. */
const COMPILED = { isRestored: false, mayRetier: false, hasRequestedLearner: false };

/** Knows which modules of this thread are to be saved, and saves them when the code has settled and at the exit. Never throws. */
export class Recorder {
  readonly #parts: Parts;
  readonly #saver: ModuleSaver;
  readonly #whyNoLearner = whyNoLearner();
  readonly #onExit = () => this.save(true);
  #hasRaisedListenerLimit = false;
  #isWatching = false;
  #savesForWorkers = false;
  #earlyModules = 0;
  /** Modules that another thread hashes. */
  readonly #withoutKey: RecordedModule[] = [];

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#saver = new ModuleSaver(parts);
    if (this.#whyNoLearner !== undefined) debug('nothing is learnt: %s', this.#whyNoLearner);
  }

  /** Records the module that V8 compiled after this look-up, so that its code can be saved. */
  record(lookup: Lookup, module: WebAssembly.Module): void {
    const { engine, modules, options, reporting } = this.#parts;
    try {
      const { recorded: earlier, module: _, ...found } = lookup;
      if (earlier) {
        modules.addReference(earlier, module);
        return;
      }
      // Start now, because it takes 1 ms per MB, which the exit would wait for.
      const analysis = options.mode === 'read-write' ? engine.analyse(module) : undefined;
      const recorded = { ...found, analysis, ...COMPILED, cpuTimeBefore: usedCpuTime() };
      if (analysis) this.#findKeyLater(recorded);
      reporting.compiled(lookup, recorded);
      this.add(recorded, module);
    } catch (error) {
      reporting.failed('recording a module', error);
    }
  }

  /** One timer for all modules of a moment. */
  #findKeyLater(recorded: RecordedModule): void {
    if (this.#withoutKey.push(recorded) > 1) return;
    const find = () => {
      for (const each of this.#withoutKey.splice(0)) this.#saver.keyOf(each);
    };
    setTimeout(find, KEY_IS_KNOWN_AFTER).unref();
  }

  /** Adds a module that was restored or compiled. */
  add(recorded: RecordedModule, module: WebAssembly.Module): void {
    const { cache, fleet, modules, options } = this.#parts;
    modules.add(recorded, module);
    if (options.mode !== 'read-write') return;
    const isInRecord = !fleet || fleet.hasInRecord(recorded.key?.toString());
    const isSettled = recorded.stored.final && !recorded.mayRetier && isInRecord;
    if (isSettled && recorded.stored.isFull) return;
    this.saveAtExit();
    if (isSettled) return;
    modules.keep(recorded, module);
    this.#watch(FIRST_LOOK);
    if (this.#whyNoLearner === undefined && this.#earlyModules++ < MAX_EARLY_MODULES) {
      for (const delay of EARLY_LOOKS) this.#lookEarly(recorded, delay);
    }
    // At once, because an exit does not wait for a sweep.
    if (this.#whyNoLearner !== undefined) void cache.sweepIfDue();
  }

  /** For the main thread: at its exit it saves what workers have left behind, too. */
  saveForWorkers(): void {
    loadAddon(); // What workers keep is kept until the last thread ends that has loaded the addon.
    this.#savesForWorkers = true;
    this.saveAtExit();
  }

  saveAtExit(): void {
    if (this.#parts.options.mode !== 'read-write') return;
    // Looked up every time, because programs call process.removeAllListeners().
    if (process.listeners('exit').includes(this.#onExit)) return;
    process.on('exit', this.#onExit);
    if (this.#hasRaisedListenerLimit) return;
    // Otherwise Node would warn the program of a leak one listener too early.
    this.#hasRaisedListenerLimit = true;
    const maxListeners = process.getMaxListeners();
    if (maxListeners > 0) process.setMaxListeners(maxListeners + 1);
  }

  /** Saves each module where the policy says so, and starts a learner for the rest; see `decide` in learning/saving-policy.ts. */
  save(isEnding = false): void {
    const { fleet, modules, options, reporting } = this.#parts;
    if (reporting.isFolderRefused || options.mode !== 'read-write') return;
    try {
      const toLearn: ModuleHash[] = [];
      const alive = [...modules.alive()];
      if (isEnding) modules.letGo();
      if (isEnding && this.#savesForWorkers) alive.push(...modules.takeLeftBehind());
      for (const [recorded, module] of alive) {
        try {
          const key = this.#saver.save(recorded, module);
          if (key) toLearn.push(key);
        } catch (error) {
          reporting.failed('saving a module', error);
        }
      }
      fleet?.noteUse(alive.flatMap(([{ key }]) => (key ? [String(key)] : [])));
      if (this.#whyNoLearner === undefined) this.#startLearner(toLearn, isEnding, alive.length > 0);
    } catch (error) {
      reporting.failed('looking for modules to save', error);
    } finally {
      reporting.flush(); // By now all keys are known.
    }
    if (!isEnding) return;
    try {
      saveCode(options, reporting.counters.hits > 0);
    } catch {
      // The next run compiles the hook again. Whatever fails here has failed, and was told, for the modules, too.
    }
  }

  #startLearner(toLearn: readonly ModuleHash[], isEnding: boolean, hasModules: boolean): void {
    const { cache, engine, fleet } = this.#parts;
    const push = fleet?.takePush(toLearn.map(String));
    // The learner also sweeps the folder, even when it has nothing to learn.
    if (toLearn.length === 0 && !push && !(hasModules && cache.isSweepDue())) return;
    const isStarted = startLearner(cache, engine.deterministicId, isEnding, push);
    debug(isStarted ? 'learning %s' : 'another learner will learn %s', toLearn);
    if (push && isStarted) debug('to the store: %s', push.keys);
    if (push && !isStarted) fleet?.putBack(push);
  }

  #lookEarly(recorded: RecordedModule, delay: number): void {
    const { modules, reporting } = this.#parts;
    const look = () => {
      if (reporting.isFolderRefused) return;
      try {
        const module = modules.find(recorded);
        const key = module && this.#saver.leaveJob(recorded, module);
        if (key) this.#startLearner([key], false, true);
      } catch (error) {
        reporting.failed('leaving a job for a learner', error);
      }
    };
    setTimeout(look, delay).unref();
  }

  /**
   * Saves a program that goes on, or that a signal ends later, when its code has settled: when it has the same size as at the check
   * before. Each check serialises on the main thread (1 to 15 ms), so the time between checks doubles.
   */
  #watch(delay: number, lengthBefore?: number): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const timer = setTimeout(() => {
      this.#isWatching = false;
      const length = this.#serializedLength();
      if (length === lengthBefore) {
        this.save();
        this.#parts.modules.letGo();
      } else this.#watch(Math.min(delay * 2, LAST_LOOK), length);
    }, delay);
    timer.unref();
  }

  #serializedLength(): number {
    const { engine, modules, reporting } = this.#parts;
    let length = 0;
    try {
      for (const [recorded, module] of modules.alive()) {
        if (!this.#saver.isSettled(recorded, module)) length += engine.serialize(module)?.length ?? 0;
      }
    } catch (error) {
      reporting.failed('looking whether the code has settled', error);
    }
    return length;
  }
}
