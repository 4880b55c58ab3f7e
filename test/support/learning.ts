import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { filesIn, runProgram } from './processes.js';

/** The engine id in processes without any options, as the tests' programs and learners are. */
export function engineIdOfPrograms(): string {
  return runProgram('engine-id.mjs').stdout.trim();
}

/** The contents of a folder, to see whether they changed. */
export function snapshot(directory: string): Record<string, string> {
  if (!existsSync(directory)) return {};
  return Object.fromEntries(
    filesIn(directory).map((file) => [
      path.relative(directory, file),
      `${statSync(file).mtimeMs} ${readFileSync(file).toString('base64')}`,
    ]),
  );
}

/** Waits until the condition is true. */
export async function until(what: string, isTrue: () => boolean, seconds = 300): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!isTrue()) {
    assert.ok(Date.now() < end, `${what}: not within ${seconds} seconds`);
    await setTimeout(10);
  }
}
