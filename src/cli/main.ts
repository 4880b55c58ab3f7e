#!/usr/bin/env node
import util from 'node:util';
import { CommanderError } from 'commander';
import { ExitCode, InterruptedError, UsageError } from './exit-codes.js';
import { createProgram } from './program.js';
import { colorsFor } from './terminal/output.js';

// Whoever reads less than all of it, as `head` does, has what they want.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

try {
  await createProgram().parseAsync();
} catch (error) {
  if (error instanceof InterruptedError) process.kill(process.pid, error.signal);
  else process.exitCode = report(error);
}

function report(error: unknown): ExitCode {
  // It has printed what it has to say.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  const { red } = colorsFor(process.stderr);
  const isUsage = error instanceof UsageError;
  // The stack is for whoever looks for a mistake of ours.
  if (!isUsage && util.debuglog('wasm-cache').enabled) console.error(error);
  console.error(`${red('error:')} ${error instanceof Error ? error.message : String(error)}`);
  return isUsage ? ExitCode.usage : ExitCode.failed;
}
