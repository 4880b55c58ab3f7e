import type { ArtifactHeader } from '../artifact/header.js';
import { generationAfter } from '../artifact/replacement.js';
import { partToOptimise } from '../engine/ahead-of-time.js';
import { readNativeCode } from '../engine/native-code.js';
import { LearningJobs } from '../learning/jobs.js';
import { PassingModules, type Shape } from '../learning/passing-modules.js';
import { bypassIfHopeless, discardQuarantined } from '../learning/quarantine.js';
import {
  type Current,
  decide,
  decideRetiered,
  isLongest,
  looksAgain,
  NOTHING_STORED,
  type Stored,
} from '../learning/saving-policy.js';
import { whyNotLearnt } from '../learning/start-learner.js';
import type { ModuleHash } from '../module-hash.js';
import { sha256 } from '../native/digest.js';
import { debug } from './debug.js';
import { usedCpuTime } from './load-cost.js';
import type { Parts } from './parts.js';
import type { RecordedModule } from './recorded-modules.js';

// Captured: programs replace them.
const { random, round } = Math;

/** Saves one module: serialises it, asks the policy, writes the artifact, leaves the rest to a learner. */
export class ModuleSaver {
  readonly #parts: Parts;
  readonly #jobs: LearningJobs;
  readonly #canLearn: boolean;
  readonly #passing: PassingModules | undefined;
  /** Those of which a job is left in case this process is killed. */
  readonly #withEarlyJob = new WeakSet<RecordedModule>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#jobs = new LearningJobs(parts.cache.directory, parts.cache.signer);
    const [, program] = process.argv;
    const { directory, signer } = parts.cache;
    this.#passing = program === undefined ? undefined : new PassingModules(directory, program, signer !== undefined);
    this.#canLearn = parts.options.learn !== 'off' && whyNotLearnt() === undefined;
  }

  /** @returns the key when a learner is to be started for the module. */
  save(recorded: RecordedModule, module: WebAssembly.Module): ModuleHash | undefined {
    const { engine } = this.#parts;
    const { engineId, stored } = recorded;
    const cpuTime = round((usedCpuTime() - recorded.cpuTimeBefore) / 1000);
    if (!looksAgain(stored, cpuTime, random()) && this.isSettled(recorded, module)) return undefined;
    if (recorded.hasPassed || engineId !== engine.deterministicId) return undefined;
    if (recorded.isQuarantined && recorded.key) {
      const { cache } = this.#parts;
      if (bypassIfHopeless(cache, recorded.key, engine)) return undefined;
      if (this.#canLearn) return this.#requestTrial(recorded, recorded.key, module);
      if (!engine.serialize(module)) return undefined; // There is nothing to take its place.
      discardQuarantined(cache, recorded.key, engine);
      recorded.isQuarantined = false;
    }
    let generation = recorded.key && this.#nextGeneration(recorded.key, stored);
    if (recorded.key && generation === undefined) return undefined;

    const canLearn = !recorded.hasRequestedLearner && recorded.functions !== undefined && this.#canLearn;
    const nativeCode = engine.serialize(module);
    const observed = nativeCode && canLearn ? engine.observe(module) : nativeCode;
    const current = nativeCode && { length: nativeCode.length, functions: functionsIn(recorded, observed) };
    const isRetiered = recorded.mayRetier && engine.isRetiered(module);
    const toLearn = isRetiered ? this.#executedEver(recorded, current) : current?.functions?.executed;
    const { save, final, learn } = isRetiered
      ? decideRetiered(current, toLearn, canLearn)
      : decide(stored, current, canLearn, isLongest(stored, cpuTime));
    const part = learn ? this.#partToLearn(recorded, module, toLearn) : undefined;
    // In a run with restored code V8 could not optimise anew what was restored.
    const hasOptimised = isRetiered || !recorded.isRestored;

    const key = this.keyOf(recorded) ?? sha256(engine.wireBytes(module));
    recorded.key = key;
    const shape = this.#shapeOfNew(recorded);
    if (shape && (part || save) && this.#passing?.passes(key, shape)) {
      debug('%s is not saved: the bytes of such modules differ in every run of this program', key);
      this.#passing.note(key, shape);
      this.#removeEarlyJob(recorded, key);
      recorded.hasPassed = true;
      return undefined;
    }
    generation ??= this.#nextGeneration(key, stored);
    if (generation === undefined) return undefined;
    if (save && nativeCode) {
      this.#write(recorded, key, nativeCode, {
        ...{ generation, final },
        optimisedFor: Math.max(stored.optimisedFor, hasOptimised ? cpuTime : 0),
        observedFor: Math.max(stored.observedFor, cpuTime),
        hasLearnerCode: (current?.functions?.fromLearner.size ?? 0) > 0,
        missing: toLearn?.size ?? 0,
      });
    }
    if (shape && (part || save)) this.#passing?.note(key, shape);
    if (!part) this.#removeEarlyJob(recorded, key);
    return part && this.#requestLearner(recorded, key, part);
  }

  /** The shape of a module of which nothing is stored yet. */
  #shapeOfNew({ functions, stored, wireLength, isRestored }: RecordedModule): Shape | undefined {
    const isNew = !isRestored && stored.generation === NOTHING_STORED.generation;
    return isNew && functions ? { wireLength, declared: functions.declared } : undefined;
  }

  /**
   * Leaves a job for a learner, because this process may be killed before it saves. A save brings it up to date.
   *
   * @returns the key when a learner is to be started, because an earlier process has left a job for it, too
   */
  leaveJob(recorded: RecordedModule, module: WebAssembly.Module): ModuleHash | undefined {
    const { engine } = this.#parts;
    const { engineId, functions, hasRequestedLearner, isQuarantined, isRestored, stored } = recorded;
    const isSettled = stored.final || hasRequestedLearner || isQuarantined || engineId !== engine.deterministicId;
    if (isSettled || !functions || !this.#canLearn) return undefined;
    const nativeCode = engine.observe(module);
    const current = nativeCode && { length: nativeCode.length, functions: functionsIn(recorded, nativeCode) };
    if (!decide(stored, current, true).learn) return undefined;
    const { executed = [], optimised = [] } = current?.functions ?? {};
    // V8's own code is saved later, or not at all.
    const ran = new Set([...executed, ...(isRestored ? [] : optimised)].sort((a, b) => a - b));
    const part = this.#partToLearn(recorded, module, current && ran);
    const key = this.keyOf(recorded) ?? sha256(engine.wireBytes(module));
    recorded.key = key;
    const shape = this.#shapeOfNew(recorded);
    if (!part || this.#nextGeneration(key, stored) === undefined) return undefined;
    if (shape && this.#passing?.passes(key, shape)) return undefined;
    const isEarlier = !this.#withEarlyJob.has(recorded) && this.#jobs.keys().some((each) => each.equals(key));
    if (!this.#addJob(recorded, key, part)) return undefined;
    this.#withEarlyJob.add(recorded);
    recorded.hasRequestedLearner = isEarlier;
    return isEarlier ? key : undefined;
  }

  #removeEarlyJob(recorded: RecordedModule, key: ModuleHash): void {
    if (this.#withEarlyJob.delete(recorded)) this.#jobs.remove(key);
  }

  /** Whether nothing is to be saved any more: the artifact is final, and its code is still the one that runs. */
  isSettled({ stored, mayRetier }: RecordedModule, module: WebAssembly.Module): boolean {
    return stored.final && !(mayRetier && this.#parts.engine.isRetiered(module));
  }

  /** The functions that ran in this run or before, without those that V8 has optimised now. */
  #executedEver({ key, functions, wireLength }: RecordedModule, current: Current | undefined) {
    const { cache, engine } = this.#parts;
    const now = current?.functions;
    if (!key || !functions || !now) return undefined;
    const before = readNativeCode(cache.readArtifactSync(key, engine, wireLength).nativeCode, functions).optimised;
    return new Set([...now.executed, ...before].filter((i) => !now.optimised.has(i)).sort((a, b) => a - b));
  }

  /** The key, as soon as another thread has found it. Never throws. */
  keyOf(recorded: RecordedModule): ModuleHash | undefined {
    const { engine, reporting } = this.#parts;
    try {
      // This also releases the module.
      const key = recorded.analysis && engine.keyOf(recorded.analysis);
      // The hash of the module's own bytes counts: a program that patches streams may have given V8 other bytes than were looked up.
      if (key) recorded.key = key;
    } catch (error) {
      reporting.failed('hashing a module', error);
    }
    return recorded.key;
  }

  #write(
    recorded: RecordedModule,
    key: ModuleHash,
    nativeCode: Uint8Array,
    header: Pick<
      ArtifactHeader,
      'generation' | 'final' | 'optimisedFor' | 'observedFor' | 'hasLearnerCode' | 'missing'
    >,
  ): void {
    const { cache, fleet, reporting } = this.#parts;
    const { engineId, wireLength, stored } = recorded;
    cache.writeArtifactSync({
      key,
      engineId,
      coverage: 'hot',
      ...header,
      bypassedUntil: 0,
      nativeCode,
      wireBytes: undefined,
      wireLength,
    });
    debug('saved %s: %d bytes, before %d%s', key, nativeCode.length, stored.length, header.final ? ', final' : '');
    recorded.stored = { ...header, length: nativeCode.length, isFull: false };
    fleet?.noteSave(String(key));
    reporting.saved(key, nativeCode.length);
  }

  #requestLearner(recorded: RecordedModule, key: ModuleHash, part: Uint8Array): ModuleHash | undefined {
    const { cache, engine } = this.#parts;
    recorded.hasRequestedLearner = true;
    if (!this.#addJob(recorded, key, part)) return undefined;
    // Another learner may have ended between reading the generation and creating the job.
    const storedNow = cache.readHeaderSync(key, engine)?.generation ?? NOTHING_STORED.generation;
    if (storedNow === recorded.stored.generation) return key;
    this.#jobs.remove(key);
    return undefined;
  }

  /** A quarantined artifact is not replaced, because it may be better: a learner tries it. */
  #requestTrial(recorded: RecordedModule, key: ModuleHash, module: WebAssembly.Module): ModuleHash | undefined {
    if (recorded.hasRequestedLearner || !this.#canLearn) return undefined;
    recorded.hasRequestedLearner = true;
    // Any part with as many functions will do.
    const part = partToOptimise(module, undefined, recorded.analysis);
    return this.#addJob(recorded, key, part) ? key : undefined;
  }

  #addJob({ engineId, wireLength }: RecordedModule, key: ModuleHash, part: Uint8Array): boolean {
    const coverage = this.#parts.options.learn === 'full' ? 'full' : 'hot';
    return this.#jobs.add(key, { engineId, coverage, wireLength, part });
  }

  /** The generation of the artifact to write; `undefined` if another process is ahead. */
  #nextGeneration(key: ModuleHash, stored: Stored): number | undefined {
    const { cache, engine } = this.#parts;
    if (this.#canLearn && this.#jobs.isUnderWay(key)) return undefined;
    const header = cache.readHeaderSync(key, engine);
    if (!header) return 0;
    return header.generation === stored.generation ? generationAfter(header) : undefined;
  }

  #partToLearn(
    { analysis }: RecordedModule,
    module: WebAssembly.Module,
    executed: ReadonlySet<number> | undefined,
  ): Uint8Array | undefined {
    const wanted = this.#parts.options.learn === 'full' ? 'all' : executed;
    try {
      return partToOptimise(module, wanted, analysis);
    } catch (error) {
      debug('not learnt: %o', error);
      return undefined;
    }
  }
}

function functionsIn({ functions }: RecordedModule, nativeCode: Uint8Array | undefined): Current['functions'] {
  try {
    return functions && nativeCode && readNativeCode(nativeCode, functions);
  } catch (error) {
    debug('native code that cannot be read: %s', error);
    return undefined;
  }
}
