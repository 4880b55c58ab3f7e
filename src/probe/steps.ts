// The steps of the probe. Each runs in a process of its own: see step-process.ts.
import v8 from 'node:v8';
import vm from 'node:vm';
import { Worker } from 'node:worker_threads';
import { CacheError } from '../cache-error.js';
import { V8Engine } from '../engine/v8-engine.js';
import { ModuleHash } from '../module-hash.js';
import { exercise, instantiate, probeModule, resultsOf, TRAPS } from './module.js';
import type { StepName } from './run-steps.js';

/** The result of the step `save`, for the steps after it. */
interface Saved {
  engineId: string;
  /** In base64. */
  nativeCode: string;
  /** The module's results before it was optimised. */
  results: string[];
}

/** Rounds without growth after which the serialised code is complete. */
const QUIET_ROUNDS = 15;
const MAX_ROUNDS = 400;
const engine = new V8Engine();
const wireBytes = probeModule();
const KEY = ModuleHash.sha256(wireBytes);

type Step = (saved: Saved, tell: () => void) => unknown;

/** All steps after `save` get its result. */
export const STEPS: Record<StepName | 'inLoop', Step> = {
  /** Load the addon, find its symbols in this binary, open V8's doors. */
  open(): void {
    const { unsupportedReason } = engine;
    if (unsupportedReason !== undefined) throw new Error(unsupportedReason);
  },

  /** Compile, run until V8 has optimised, serialise. */
  async save(): Promise<Saved> {
    const id = engine.deterministicId;
    const module = engine.compileSync(wireBytes);
    expect('serialising what is not optimised', engine.serialize(module), undefined);
    const results = resultsOf(module);
    let nativeCode: Uint8Array | undefined;
    for (let round = 0, quiet = 0; quiet < QUIET_ROUNDS; round++) {
      if (round === MAX_ROUNDS) throw new Error(`V8's optimised code was not complete after ${MAX_ROUNDS} rounds`);
      exercise(module);
      await new Promise((resolve) => setTimeout(resolve, 10));
      const before = nativeCode?.length;
      nativeCode = engine.serialize(module);
      quiet = nativeCode !== undefined && nativeCode.length === before ? quiet + 1 : 0;
    }
    compare(module, results);
    expect("V8's version tag", engine.deterministicId, id);
    expect('the wire bytes', Buffer.compare(engine.wireBytes(module), wireBytes), 0);
    expect('hasWireBytes', engine.hasWireBytes(module, wireBytes), true);
    expect('the hash of another thread', String(engine.keyOf(engine.analyse(module))), String(KEY));
    return { engineId: id, nativeCode: Buffer.from(nativeCode as Uint8Array).toString('base64'), results };
  },

  /** Restore in every way, and call. */
  load(saved: Saved): void {
    const module = restore(saved);
    compare(module, saved.results);
    const again = engine.serialize(module);
    if (!again) throw new Error('the restored module has no optimised code');
    compare(engine.deserialize(again, wireBytes), saved.results);
    engine.receive(wireBytes).abandon();
    const received = engine.receive(wireBytes);
    expect('the hash', String(received.key), String(KEY));
    compare(received.finish(nativeCodeOf(saved)), saved.results);
    const clone = engine.clone(module);
    if (!clone) throw new Error('A module could not be cloned');
    compare(clone, saved.results);
    compare(structuredClone(module), saved.results);
    exercise(module);
    compare(module, saved.results);
  },

  /** The code has no bounds checks, so V8 must catch the signal. */
  trap(saved: Saved): void {
    const module = restore(saved);
    const exports = instantiate(module);
    for (let round = 0; round < 100; round++) {
      for (const [name, numbers, message] of TRAPS) {
        const what = `${name}(${numbers})`;
        try {
          exports[name]?.(...numbers);
        } catch (error) {
          if (message.test(String(error))) continue;
          throw new Error(`${what} threw ${error}`, { cause: error });
        }
        throw new Error(`${what} did not trap`);
      }
    }
    compare(module, saved.results);
  },

  /** Restore, drop and collect, many times. */
  collect(saved: Saved): void {
    const collectGarbage = garbageCollector();
    let kept: WebAssembly.Module[] = [];
    for (let round = 0; round < 100; round++) {
      const module = restore(saved);
      if (round % 3 === 0) kept.push(module);
      if (round % 20 === 0) kept = kept.slice(-2);
      if (round % 5 === 0) collectGarbage();
      compare(module, saved.results);
    }
    for (const module of kept) compare(module, saved.results);
  },

  /** Restore in threads that end by themselves or are terminated meanwhile, and in this thread at the same time. */
  async worker(saved: Saved): Promise<void> {
    for (let round = 0; round < 6; round++) {
      const isTerminated = round % 2 === 1;
      const worker = new Worker(new URL('step-process.js', import.meta.url), {
        argv: [isTerminated ? 'inLoop' : 'load'],
        workerData: saved,
      });
      const ended = new Promise<number>((resolve, reject) => worker.on('exit', resolve).on('error', reject));
      if (isTerminated) await new Promise((resolve) => worker.once('message', resolve).once('exit', resolve));
      compare(restore(saved), saved.results);
      if (isTerminated) await worker.terminate();
      else expect("a thread's exit code", await ended, 0);
    }
    compare(restore(saved), saved.results);
  },

  /** V8's own checks must refuse native code of another V8, or native code that is cut off. */
  refuse(saved: Saved): void {
    const nativeCode = nativeCodeOf(saved);
    for (const [what, offset] of Object.entries({ magic: 0, version: 4, features: 8, flags: 12 })) {
      const damaged = new Uint8Array(nativeCode);
      damaged[offset] = (damaged[offset] as number) ^ 1;
      expectRefusal(`native code with another number in its header (${what})`, damaged);
    }
    expectRefusal('three bytes', nativeCode.slice(0, 3));
    expectRefusal('zeros', new Uint8Array(nativeCode.length));
    compare(restore(saved), saved.results);
  },

  /** This process has another V8 flag than the process that saved. */
  flags(saved: Saved): void {
    if (engine.deterministicId === saved.engineId) return;
    expectRefusal('native code that was made under other flags', nativeCodeOf(saved));
  },

  /** Runs in a thread of the step `worker` until it is terminated. */
  inLoop(saved: Saved, tell: () => void): void {
    for (;;) {
      compare(restore(saved), saved.results);
      tell();
    }
  },
};

function nativeCodeOf({ nativeCode }: Saved): Uint8Array {
  return new Uint8Array(Buffer.from(nativeCode, 'base64'));
}

function restore(saved: Saved): WebAssembly.Module {
  expect('the engine of this process', engine.deterministicId, saved.engineId);
  return engine.deserialize(nativeCodeOf(saved), wireBytes);
}

function compare(module: WebAssembly.Module, expected: string[]): void {
  for (const [index, result] of resultsOf(module).entries()) expect('a result', result, expected[index]);
}

function expect(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`${what} was ${found}, expected ${expected}`);
}

function expectRefusal(what: string, nativeCode: Uint8Array): void {
  try {
    engine.deserialize(nativeCode, wireBytes);
  } catch (error) {
    if (CacheError.is(error, 'Deserialize')) return;
    throw error;
  }
  throw new Error(`V8 accepted ${what}`);
}

/** An option of the process would change V8's flag hash, so this sets the flag for a moment. */
function garbageCollector(): () => void {
  if (globalThis.gc) return () => globalThis.gc?.();
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc');
  v8.setFlagsFromString('--no-expose-gc');
  return collect;
}
