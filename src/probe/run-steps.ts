import childProcess from 'node:child_process';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { learnerEnvironment, v8Options } from '../learning/start-learner.js';
import { packageRoot } from '../package-root.js';

/** The steps in order; see steps.ts. */
export const STEP_NAMES = ['open', 'save', 'load', 'trap', 'collect', 'worker', 'refuse', 'flags'] as const;
export type StepName = (typeof STEP_NAMES)[number];

/** The result of one step. */
export interface ProbedStep {
  name: StepName;
  milliseconds: number;
  /** Why V8 cannot be used; `undefined` if the step succeeded. */
  failure?: string | undefined;
}

export interface RunStepsOptions {
  /** Path of the node binary. Default: this process's. */
  node?: string | undefined;
  /** The program that runs a step, and its arguments before the step's name. */
  program?: readonly string[] | undefined;
  /** Milliseconds that each step may take. */
  timeout?: number | undefined;
  signal?: AbortSignal | undefined;
}

const PROGRAM = [path.join(packageRoot, 'dist/probe/step-process.js')];
/** The longest step takes two seconds; at the lowest priority, on a busy machine, it takes many times that. */
const TIMEOUT = 60_000;
/** Changes V8's flag hash in every known version. */
const OTHER_FLAG = '--stack-trace-limit=11';
/** Signals of a process that crashed. Any other signal came from outside, and says nothing about V8. */
const CRASH_SIGNALS = new Set(['SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGFPE', 'SIGSYS']);

/**
 * Runs the steps, until one fails.
 *
 * @throws when a process cannot be started or is killed from outside; the signal's reason.
 */
export async function runSteps({
  node = process.execPath,
  program = PROGRAM,
  timeout = TIMEOUT,
  signal,
}: RunStepsOptions = {}): Promise<ProbedStep[]> {
  const steps: ProbedStep[] = [];
  let saved = '';
  for (const name of STEP_NAMES) {
    signal?.throwIfAborted();
    const start = performance.now();
    const options = [...v8Options(), ...(name === 'flags' ? [OTHER_FLAG] : [])];
    const { answer, failure } = await run(node, [...options, ...program, name], saved, timeout, signal);
    steps.push({ name, milliseconds: performance.now() - start, failure });
    if (failure !== undefined) break;
    saved ||= answer;
  }
  return steps;
}

async function run(
  node: string,
  args: string[],
  input: string,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<{ answer: string; failure: string | undefined }> {
  const child = childProcess.spawn(node, args, {
    env: learnerEnvironment(undefined),
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
    timeout,
    killSignal: 'SIGKILL',
    signal,
  });
  const ended = new Promise<void>((resolve, reject) => child.once('close', () => resolve()).once('error', reject));
  child.stdin?.on('error', () => {}); // The process ended before it read its input.
  child.stdin?.end(input);
  const [, said, answer] = await Promise.all([ended, text(child.stderr as Readable), text(child.stdio[3] as Readable)]);
  const { exitCode, signalCode, killed } = child;
  if (exitCode === 0) return { answer, failure: undefined };
  if (killed) return { answer, failure: `it took longer than ${timeout / 1000} s` };
  if (signalCode && !CRASH_SIGNALS.has(signalCode))
    throw new Error(`The process that tries V8 was killed with ${signalCode}`);
  const lines = said.split('\n').filter((line) => /\w/.test(line));
  const reason = (lines.find((line) => /check failed|error: /i.test(line)) ?? lines[0] ?? '').replace(/^# /, '').trim();
  return { answer, failure: signalCode ? `it crashed with ${signalCode}${reason && ` (${reason})`}` : reason };
}
