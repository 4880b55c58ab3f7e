import { BYPASSED_AFTER_DEATHS } from '../caches/crash-guard.js';

// Captured: programs replace globals.
const { now } = Date;
const MINUTE = 60_000;

/** What there is of a module in the cache folder, as far as this process knows. */
export interface Stored {
  /** Bytes of native code; 0 when nothing is stored. */
  readonly length: number;
  readonly generation: number;
  readonly final: boolean;
}

/** What V8 has of it now. */
export interface Current {
  /** Bytes of native code. */
  readonly length: number;
  /** Functions with optimised code, and those that ran without it; `undefined` when that cannot be told. */
  readonly functions: { readonly optimised: ReadonlySet<number>; readonly executed: ReadonlySet<number> } | undefined;
}

export interface Decision {
  /** Whether to store the current code. */
  readonly save: boolean;
  /** Whether to store it as final: later runs then do no work at their exit. */
  readonly final: boolean;
  /** Whether what ran should be optimised in a process of its own. */
  readonly learn: boolean;
}

/**
 * What is saved, when. Pure: the hook asks at exit, and when a program that does not end has gone quiet.
 *
 * - What V8 optimised in this run is stored when it is more than what was stored; less (after a deoptimisation, or under a
 *   debugger) never replaces more.
 * - What ran and is not optimised goes to a learner, so that the next run has it: V8 alone takes dozens of runs to find
 *   these functions hot, and never finishes those that it needs longer for than the program runs.
 * - When hardly anything ran that is not stored optimised, the artifact is final.
 *
 * @param current - `undefined` when V8 has optimised nothing, and then tells nothing
 */
export function decide(stored: Stored, current: Current | undefined, canLearn: boolean): Decision {
  if (stored.final) return NOTHING;
  if (!current) return { ...NOTHING, learn: canLearn && stored.length === 0 };
  if (current.length < stored.length) return NOTHING;
  const grew = current.length >= stored.length * MIN_GROWTH;
  const { functions } = current;
  if (!functions) return { ...NOTHING, save: grew };
  const isComplete = functions.executed.size <= (functions.optimised.size + functions.executed.size) * MAX_MISSING;
  if (isComplete || stored.generation >= MAX_GENERATIONS) return { save: true, final: true, learn: false };
  return { save: grew || canLearn, final: false, learn: canLearn };
}

const NOTHING: Decision = { save: false, final: false, learn: false };

/**
 * Growth below which saving again is not worth the write: V8 keeps finding a function or two to optimise for as long as a
 * program is run (docs/v8.md, "An artifact can shrink").
 */
const MIN_GROWTH = 1.02;

/**
 * The part of the functions that ran which may be missing from a final artifact. Two runs of one program never run exactly
 * the same functions (timers, garbage collection, hash seeds).
 */
const MAX_MISSING = 0.02;

/**
 * Generations after which an artifact is final in any case: a module that is used differently in every run (an interpreter, a
 * database) would otherwise be learnt for ever.
 */
const MAX_GENERATIONS = 12;

/** What a hit took, and what is known of the module. */
export interface Load {
  /** Milliseconds from the call to the restored module: hash, read, check, deserialise. */
  readonly duration: number;
  /** Milliseconds of all processors that this process used for it. */
  readonly cpuTime: number;
  /** How often the system gave the processor to somebody else meanwhile. */
  readonly preemptions: number;
  /** Milliseconds that the thread has waited for a processor since it began; asked only where it matters. */
  readonly waited: () => number;
  readonly wireLength: number;
  readonly nativeLength: number;
}

/** Whether loading an artifact took longer than V8 would have taken without it; that happens on slow disks. */
export function paid({ duration, cpuTime, preemptions, waited, ...module }: Load): boolean {
  const limit = UNNOTICED + SPIKE * durationWithout(module);
  if (duration <= limit) return true;
  // Where the machine was too busy, its disk is not to blame. Preemptions tell so on every system, but not of a thread that was blocked
  // and then waited for a processor. (They are compared with the work: the busier the machine, the longer it takes.)
  return preemptions >= Math.max(MIN_PREEMPTIONS, cpuTime / PREEMPTED_EVERY) || duration - waited() <= limit;
}

/**
 * An estimate, in milliseconds, of what V8 takes without an artifact: it decodes the wire bytes, and compiles every function that
 * runs with its baseline compiler, which an artifact holds all of. What the slower code of the latter costs afterwards is not
 * counted, which is most of what a warm cache gains a program that computes much.
 */
export function durationWithout({ wireLength, nativeLength }: Pick<Load, 'wireLength' | 'nativeLength'>): number {
  return wireLength * DECODING + nativeLength * BASELINE_COMPILING;
}

/** A single load is measured, on a machine that may be busy: it counts only when it is far too long. */
const SPIKE = 3;
const UNNOTICED = 250;
/**
 * Milliseconds of work. On a machine with three times as many programs as processors Linux takes a processor away every 2 to 4; esbuild
 * beside 40 busy programs lost it 44 times in 65 ms of work, which took 6.4 s.
 */
const PREEMPTED_EVERY = 20;
/** On any machine something else runs now and then, also while a load waits for its disk. */
const MIN_PREEMPTIONS = 5;

/**
 * Milliseconds per byte, on a quiet machine of 2 cores: 33 ms for the 14 MB of esbuild (Node 26, docs/v8.md, "What deserialising costs"), and
 * 25 ms per MB of function bodies, of which the native code is 2.4 times as large (bench/programs, Node 26).
 */
const DECODING = 33 / 14e6;
const BASELINE_COMPILING = 25 / 2.4e6;

/** How long a module is left alone then: disks are slow for a while, and modules are small in number. */
export const BYPASS_MINUTES = 24 * 60;

/**
 * Whether an artifact says that its module is to be left to V8 for now. A note that reaches further than any does is of a clock that was
 * wrong, and not waited for.
 *
 * @param artifact - with its minutes since 1970
 */
export function isBypassed({ bypassedUntil }: { readonly bypassedUntil: number }): boolean {
  const minutes = bypassedUntil - now() / MINUTE;
  return minutes > 0 && minutes <= BYPASSED_AFTER_DEATHS + 1;
}
