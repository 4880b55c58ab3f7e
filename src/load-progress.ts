import type { Engine, LoadProgress, StepFinished, StepOutcomes, StepStarted } from './module-cache.js';
import { type Procedure, resultOf, runAsync, runSync } from './sync-or-async.js';

/** Receives the progress of a load. */
export type OnProgress = ((progress: LoadProgress) => void) | undefined;

/** What is known of a step before it begins. */
type StepDetails<Step extends keyof StepOutcomes> = Omit<Extract<StepStarted, { step: Step }>, 'state'> & {
  step: Step;
};

/**
 * Reports the start of a step.
 *
 * @returns a function that reports its end
 */
export function startStep<Step extends keyof StepOutcomes>(
  onProgress: OnProgress,
  details: StepDetails<Step>,
): (outcome: StepOutcomes[Step], error?: unknown) => void {
  if (!onProgress) return () => {};
  onProgress({ state: 'started', ...details } as StepStarted);
  // Not captured at import: Node creates this object when it is first mentioned, which takes 1 ms, and the hook never needs it.
  const { performance } = globalThis;
  const start = performance.now();
  return (outcome, error) => {
    const duration = performance.now() - start;
    onProgress({ state: 'finished', ...details, outcome, duration, error } as StepFinished);
  };
}

/** Compiles, and reports it as a step. */
export function* compiling(
  onProgress: OnProgress,
  compile: () => WebAssembly.Module | Promise<WebAssembly.Module>,
): Procedure<WebAssembly.Module> {
  const finish = startStep(onProgress, { step: 'compile', coverage: undefined });
  let module: WebAssembly.Module;
  try {
    module = yield* resultOf(compile());
  } catch (error) {
    finish('failed', error);
    throw error;
  }
  finish('compiled');
  return module;
}

export function compile(engine: Engine, wireBytes: Uint8Array, onProgress: OnProgress): Promise<WebAssembly.Module> {
  return runAsync(compiling(onProgress, () => engine.compile(wireBytes)));
}

export function compileSync(engine: Engine, wireBytes: Uint8Array, onProgress: OnProgress): WebAssembly.Module {
  return runSync(compiling(onProgress, () => engine.compileSync(wireBytes)));
}
