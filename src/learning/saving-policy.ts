import { BYPASSED_AFTER_DEATHS } from '../caches/crash-guard.js';

const MINUTE = 60_000;

/** The artifact of a module in the cache folder, as far as this process knows. */
export interface Stored {
  /** Bytes of native code; 0 when nothing is stored. */
  readonly length: number;
  readonly generation: number;
  readonly final: boolean;
  /** See `ArtifactHeader`. */
  readonly optimisedFor: number;
  /** See `ArtifactHeader`. */
  readonly observedFor: number;
  /** Whether all functions were optimised ahead of time. */
  readonly isFull: boolean;
}

export const NOTHING_STORED: Stored = {
  length: 0,
  generation: -1,
  final: false,
  optimisedFor: 0,
  observedFor: 0,
  isFull: false,
};

/** The native code that V8 has of the module now. */
export interface Current {
  /** Bytes of native code. */
  readonly length: number;
  /** Functions with optimised code, those that ran without it, and those whose code a learner made; `undefined` when that is unknown. */
  readonly functions: CurrentFunctions | undefined;
}

interface CurrentFunctions {
  readonly optimised: ReadonlySet<number>;
  readonly executed: ReadonlySet<number>;
  readonly fromLearner: ReadonlySet<number>;
}

export interface Decision {
  /** Whether to store the current code. */
  readonly save: boolean;
  /** Whether to store it as final: later runs then do no work at their exit. */
  readonly final: boolean;
  /** Whether a learner should optimise the functions that ran. */
  readonly learn: boolean;
}

/**
 * Decides whether a module is saved and learnt. The hook asks at the exit, and when the code of a long run has settled.
 *
 * - The code that V8 optimised in this run is stored when it is more than what is stored. Less code (after a
 *   deoptimisation, or under a debugger) never replaces more.
 * - Functions that ran without being optimised go to a learner, so that the next run has them. V8 alone takes dozens of runs to
 *   find them hot, and never finishes a function that it compiles for longer than the program runs.
 * - When hardly anything ran that is not stored optimised, the artifact is final. It is looked at again when {@link looksAgain} says so.
 *
 * @param isLonger - whether the run was longer than all before, which a final artifact then notes
 * @param current - `undefined` if V8 has optimised nothing; then it also does not tell which functions ran
 */
export function decide(stored: Stored, current: Current | undefined, canLearn: boolean, isLonger = false): Decision {
  if (!current) return { ...NOTHING, learn: canLearn && stored.length === 0 };
  if (current.length < stored.length) return NOTHING;
  const grew = current.length >= stored.length * MIN_GROWTH;
  const { functions } = current;
  if (!functions) return { ...NOTHING, save: grew && !stored.final };
  const isComplete = functions.executed.size <= (functions.optimised.size + functions.executed.size) * MAX_MISSING;
  if (isComplete && stored.final && !grew && !isLonger) return NOTHING;
  if (isComplete || (stored.generation >= MAX_GENERATIONS && !stored.final)) {
    return { save: true, final: true, learn: false };
  }
  return { save: grew || canLearn, final: false, learn: canLearn };
}

/**
 * Whether a final artifact is looked at again at the end of a run: when the run was longer than all that were looked at, because it may
 * have run other functions, and now and then. Never where all functions are optimised.
 *
 * @param cpuTime - milliseconds that the process has used since it has the module
 * @param chance - a random number from 0 to 1
 */
export function looksAgain(stored: Stored, cpuTime: number, chance: number): boolean {
  return !stored.final || (!stored.isFull && (isLongest(stored, cpuTime) || chance < LOOKS));
}

/** Whether a run of so many milliseconds was longer than all that were looked at. */
export function isLongest({ observedFor }: Stored, cpuTime: number): boolean {
  return cpuTime > LONGER * observedFor + UNNOTICED_CPU;
}

/** Two runs of one program differ by less. */
const LONGER = 1.3;
/** In milliseconds. A few functions more in a short run make no difference. */
const UNNOTICED_CPU = 5;
/** The share of runs. A look takes 1 to 15 ms at the exit. */
const LOOKS = 1 / 16;

/**
 * Decides about a module whose restored code was dropped in this run. V8's code is stored even when it is less than what is stored: the
 * learner makes the rest again, of everything that ran in this run or before.
 *
 * @param toLearn - these functions; `undefined` when that is unknown
 */
export function decideRetiered(
  current: Current | undefined,
  toLearn: ReadonlySet<number> | undefined,
  canLearn: boolean,
): Decision {
  if (!current || !toLearn || !canLearn) return NOTHING;
  return { save: true, final: toLearn.size === 0, learn: toLearn.size > 0 };
}

const NOTHING: Decision = { save: false, final: false, learn: false };

/** Less growth is not worth the write: V8 finds a function or two to optimise in every run (docs/v8.md, "An artifact can shrink"). */
const MIN_GROWTH = 1.02;

/**
 * The share of the functions that ran which a final artifact may lack. Two runs of one program never run exactly the same
 * functions (timers, garbage collection, hash seeds).
 */
const MAX_MISSING = 0.02;

/**
 * After so many generations an artifact is final in any case. Otherwise a module that every run uses differently (an
 * interpreter, a database) would be learnt for ever.
 */
const MAX_GENERATIONS = 12;

/** What a hit cost, and what is known of the module. */
export interface Load {
  /** Milliseconds from the call to the restored module: hash, read, check, deserialise. */
  readonly duration: number;
  /** Milliseconds of all processors that this process used for it. */
  readonly cpuTime: number;
  /** How often the system gave the processor to another process meanwhile. */
  readonly preemptions: number;
  /** Milliseconds that the thread has waited for a processor since it began. Called only where it matters. */
  readonly waited: () => number;
  readonly wireLength: number;
  readonly nativeLength: number;
}

/** Whether loading an artifact took no longer than V8 would have taken without it. On slow disks it does. */
export function isWorthLoading({ duration, cpuTime, preemptions, waited, ...module }: Load): boolean {
  const limit = UNNOTICED + SPIKE * durationWithout(module);
  if (duration <= limit) return true;
  // On a busy machine the disk is not to blame. Preemptions show that on every system, but not for a thread that was blocked and
  // then waited for a processor. (They are compared with the CPU time: the busier the machine, the longer everything takes.)
  return preemptions >= Math.max(MIN_PREEMPTIONS, cpuTime / PREEMPTED_EVERY) || duration - waited() <= limit;
}

/**
 * Estimates the milliseconds that V8 takes without an artifact: it decodes the wire bytes, and compiles every function that
 * runs with its baseline compiler, which are the functions that the artifact holds. It leaves out that baseline code runs
 * slower afterwards, which is most of what a warm cache saves a program that computes much.
 */
export function durationWithout({ wireLength, nativeLength }: Pick<Load, 'wireLength' | 'nativeLength'>): number {
  return wireLength * DECODING + nativeLength * BASELINE_COMPILING;
}

/** One load is measured, on a machine that may be busy, so it counts only when it takes far too long. */
const SPIKE = 3;
const UNNOTICED = 250;
/**
 * Milliseconds of CPU time. On a machine with three times as many programs as processors Linux takes a processor away every
 * 2 to 4; esbuild beside 40 busy programs lost it 44 times in 65 ms of CPU time, which took 6.4 s.
 */
const PREEMPTED_EVERY = 20;
/** Something else runs now and then on any machine, also while a load waits for its disk. */
const MIN_PREEMPTIONS = 5;

/**
 * Milliseconds per byte on a quiet machine of 2 cores: 33 ms for the 14 MB of esbuild (Node 26, docs/v8.md, "What deserialising costs"), and
 * 25 ms per MB of function bodies, of which the native code is 2.4 times as large (bench/programs, Node 26).
 */
const DECODING = 33 / 14e6;
const BASELINE_COMPILING = 25 / 2.4e6;

/** Minutes for which a module that was not worth loading is bypassed. Disks are slow for a while, and few modules are affected. */
const BYPASSED_FOR = 24 * 60;

/** Minutes since 1970 until which a module is bypassed that was not worth loading at this time, in milliseconds. */
export function bypassUntil(time: number): number {
  return Math.ceil(time / MINUTE) + BYPASSED_FOR;
}

/**
 * Whether V8 compiles this module without the cache for now, as its artifact says. A time further in the future than this
 * package ever sets comes from a wrong clock, and is ignored.
 *
 * @param artifact - with minutes since 1970
 * @param time - now, in milliseconds since 1970
 */
export function isBypassed({ bypassedUntil }: { readonly bypassedUntil: number }, time: number): boolean {
  const minutes = bypassedUntil - time / MINUTE;
  return minutes > 0 && minutes <= BYPASSED_AFTER_DEATHS + 1;
}
