import childProcess from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { InterruptedError, UsageError } from '../exit-codes.js';
import { SIGNALS } from './interruption.js';

/** How a command is run. */
export interface RunCommandOptions {
  env: NodeJS.ProcessEnv;
  /** A private folder, for what it prints. */
  folder: string;
  /** Milliseconds after which it is ended, if it has not by itself. */
  stopAfter?: number | undefined;
}

/** What became of a command. */
export interface CommandRun {
  milliseconds: number;
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  /** Whether it was ended by us. */
  isStopped: boolean;
  /** What it wrote to standard output. */
  output: Buffer;
  /** The last lines that it wrote to standard output and standard error. */
  lastLines: string;
}

/** Milliseconds between the signal that asks a command to end and the one that ends it. */
const GRACE = 10_000;
const SHOWN_LINES = 20;

/**
 * Runs a command to its end, with what it prints kept aside. When this process is told to end meanwhile, the command is told so, too.
 *
 * @throws {UsageError} when there is no such command.
 * @throws {InterruptedError} when this process was told to end, and the command has.
 */
export async function runCommand(
  [program = '', ...args]: string[],
  { env, folder, stopAfter }: RunCommandOptions,
): Promise<CommandRun> {
  const [output, errors] = ['stdout', 'stderr'].map((name) => path.join(folder, name)) as [string, string];
  const [outputFile, errorsFile] = [fs.openSync(output, 'w', 0o600), fs.openSync(errors, 'w', 0o600)];
  // A group of its own, so that what it has started is ended with it; such a group cannot read from the terminal.
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
  for (const signal of SIGNALS) process.on(signal, forward);
  try {
    const [exitCode, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.on('error', (error) => reject(whyNotStarted(program, error)));
      child.on('exit', (...end) => resolve(end));
    });
    const milliseconds = performance.now() - start;
    if (isGroup && isStopped && child.pid !== undefined) await groupHasEnded(child.pid);
    if (received) throw new InterruptedError(received);
    const written = fs.readFileSync(output);
    const lastLines = [written, fs.readFileSync(errors)].map(lastLinesOf).filter(Boolean).join('\n');
    return { milliseconds, exitCode, signal, isStopped, output: written, lastLines };
  } finally {
    for (const timer of timers) clearTimeout(timer);
    for (const signal of SIGNALS) process.off(signal, forward);
    for (const file of [outputFile, errorsFile]) fs.closeSync(file);
  }
}

/** What a command has started need not end with it, and may still be saving what it has. */
async function groupHasEnded(group: number): Promise<void> {
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

/** Why a run is none to go by; `undefined` when it went well. */
export function failureOf({ exitCode, signal, isStopped }: CommandRun): string | undefined {
  if (isStopped || exitCode === 0) return undefined;
  return exitCode === null ? `was ended by ${signal}` : `ended with exit code ${exitCode}`;
}

/** In words, what the system says when a command is not there. */
export function whyNotStarted(program: string, error: Error): Error {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return new UsageError(`There is no command ${program}: give one as you would in a shell`);
  if (code === 'EACCES') return new UsageError(`${program} is not a program that may be run`);
  return error;
}

function lastLinesOf(bytes: Buffer): string {
  return bytes.toString('utf8').trimEnd().split('\n').slice(-SHOWN_LINES).join('\n');
}
