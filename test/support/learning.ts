import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { filesIn, runProgram } from './processes.js';

/** The id of the engine in processes without any options, which is what the tests' programs and learners are. */
export function engineIdOfPrograms(): string {
  return runProgram('engine-id.mjs').stdout.trim();
}

/** What is in a folder, to see that nothing changed. */
export function snapshot(directory: string): Record<string, string> {
  if (!existsSync(directory)) return {};
  return Object.fromEntries(
    filesIn(directory).map((file) => [
      path.relative(directory, file),
      `${statSync(file).mtimeMs} ${readFileSync(file).toString('base64')}`,
    ]),
  );
}

/** Waits until it is true, and no longer. */
export async function until(what: string, isTrue: () => boolean, seconds = 30): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!isTrue()) {
    assert.ok(Date.now() < end, `${what}: not within ${seconds} seconds`);
    await setTimeout(10);
  }
}
