import childProcess from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import util from 'node:util';
import { InterruptedError, UsageError } from '../exit-codes.js';
import { ENDING_SIGNALS } from './cleanup.js';

export interface RunCommandOptions {
  env: NodeJS.ProcessEnv;
  /** A private folder for what the command prints. */
  folder: string;
  /** Milliseconds after which the command is ended, if it has not ended by itself. */
  stopAfter?: number | undefined;
}

/** How a command ended. */
export interface CommandRun {
  milliseconds: number;
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  /** Whether it was ended because `stopAfter` had passed. */
  isStopped: boolean;
  /** What it wrote to standard output. */
  output: Buffer;
  /** The last lines that it wrote to standard output and standard error. */
  lastLines: string;
}

/** Milliseconds between SIGTERM and SIGKILL. */
const GRACE = 10_000;
const SHOWN_LINES = 20;

const SCRIPT = /\.[cm]?[jt]s$/;

/** The command that the user means: a script, which need not be executable, is one for the node that runs this command. */
export function commandOf(args: string[]): string[] {
  const [file = ''] = args;
  const isScript = SCRIPT.test(file) && fs.statSync(file, { throwIfNoEntry: false })?.isFile() === true;
  return isScript ? [process.execPath, ...args] : args;
}

/**
 * Runs a command to its end and keeps what it prints. A signal that asks this process to end is passed on to the command.
 *
 * @throws {UsageError} when there is no such command.
 * @throws {InterruptedError} when this process was asked to end, after the command has ended.
 */
export async function runCommand(
  [program = '', ...args]: string[],
  { env, folder, stopAfter }: RunCommandOptions,
): Promise<CommandRun> {
  const [output, errors] = ['stdout', 'stderr'].map((name) => path.join(folder, name)) as [string, string];
  const [outputFile, errorsFile] = [fs.openSync(output, 'w', 0o600), fs.openSync(errors, 'w', 0o600)];
  // In a process group of its own, so that its children are ended with it. Such a group cannot read from the terminal.
  const isGroup = stopAfter !== undefined && process.platform !== 'win32';
  const start = performance.now();
  const child = childProcess.spawn(program, args, {
    env,
    detached: isGroup,
    stdio: [isGroup ? 'ignore' : 'inherit', outputFile, errorsFile],
  });
  let isStopped = false;
  let received: NodeJS.Signals | undefined;
  const kill = (signal: NodeJS.Signals) => {
    try {
      if (isGroup && child.pid !== undefined) process.kill(-child.pid, signal);
      else child.kill(signal);
    } catch {
      // It has ended.
    }
  };
  const forward = (signal: NodeJS.Signals) => {
    received = signal;
    kill(signal);
  };
  const timers: NodeJS.Timeout[] = [];
  if (stopAfter !== undefined) {
    const stop = (signal: NodeJS.Signals) => {
      isStopped = true;
      kill(signal);
    };
    timers.push(setTimeout(() => stop('SIGTERM'), stopAfter));
    timers.push(setTimeout(() => stop('SIGKILL'), stopAfter + GRACE));
  }
  for (const signal of ENDING_SIGNALS) process.on(signal, forward);
  try {
    const { exitCode, signal } = await endOf(child, program);
    const milliseconds = performance.now() - start;
    if (isGroup && isStopped && child.pid !== undefined) await waitForGroup(child.pid);
    if (received) throw new InterruptedError(received);
    const written = fs.readFileSync(output);
    const lastLines = [written, fs.readFileSync(errors)].map(lastLinesOf).filter(Boolean).join('\n');
    return { milliseconds, exitCode, signal, isStopped, output: written, lastLines };
  } finally {
    for (const timer of timers) clearTimeout(timer);
    for (const signal of ENDING_SIGNALS) process.off(signal, forward);
    for (const file of [outputFile, errorsFile]) fs.closeSync(file);
  }
}

/** Waits for the end of a command. @throws {UsageError} when there is no such command. */
export function endOf(
  child: childProcess.ChildProcess,
  program: string,
): Promise<Pick<CommandRun, 'exitCode' | 'signal'>> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(whyNotStarted(program, error)));
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
  });
}

/** Children of the command may outlive it, and still be saving. */
async function waitForGroup(group: number): Promise<void> {
  const send = (signal: NodeJS.Signals | 0) => {
    try {
      return process.kill(-group, signal);
    } catch {
      return false;
    }
  };
  const end = performance.now() + GRACE;
  while (send(0) && performance.now() < end) await sleep(20);
  send('SIGKILL');
}

/** How a run failed, in words; `undefined` when it went well. */
export function failureOf({ exitCode, signal, isStopped }: CommandRun): string | undefined {
  if (isStopped || exitCode === 0) return undefined;
  return exitCode === null ? `was ended by ${signal}` : `ended with exit code ${exitCode}`;
}

/** @throws {Error} when the run failed, with what it printed last. */
export function checkRun(command: string, run: CommandRun, consequence: string): void {
  const failure = failureOf(run);
  if (failure === undefined) return;
  const printed = run.lastLines === '' ? '' : `; it printed:\n${run.lastLines}`;
  throw new Error(`${command} ${failure}${consequence}${printed}`);
}

function whyNotStarted(program: string, error: Error): Error {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return new UsageError(`There is no command ${program}: give one as you would in a shell`);
  if (code === 'EACCES') return new UsageError(`${program} is not a program that may be run`);
  return error;
}

/** Without colours. */
function lastLinesOf(bytes: Buffer): string {
  const lines = util.stripVTControlCharacters(bytes.toString('utf8')).trimEnd().split('\n');
  return lines.slice(-SHOWN_LINES).join('\n');
}
