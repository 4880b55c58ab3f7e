#!/usr/bin/env node
import util from 'node:util';
import { CommanderError } from 'commander';
import { ExitCode, InterruptedError, UsageError } from './exit-codes.js';
import { createProgram } from './program.js';
import { colorsFor, printLine } from './terminal/output.js';

// A reader such as `head` may stop early. That is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

// Node prints warnings as they are, and ours name files. With --no-warnings it does not listen.
if (process.listenerCount('warning') > 0) process.removeAllListeners('warning').on('warning', showWarning);

try {
  await createProgram().parseAsync();
} catch (error) {
  if (error instanceof InterruptedError) process.kill(process.pid, error.signal);
  else process.exitCode = report(error);
}

function showWarning({ name, message }: Error): void {
  if (name === 'DeprecationWarning' && process.noDeprecation) return;
  printLine(process.stderr, message, undefined, colorsFor(process.stderr).yellow('warning: '));
}

function report(error: unknown): ExitCode {
  // Commander has printed its message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  const { red } = colorsFor(process.stderr);
  const isUsage = error instanceof UsageError;
  // The stack helps to find a mistake in this package.
  if (!isUsage && util.debuglog('wasm-cache').enabled) console.error(error);
  printLine(process.stderr, error instanceof Error ? error.message : String(error), undefined, red('error: '));
  return isUsage ? ExitCode.usage : ExitCode.failed;
}
