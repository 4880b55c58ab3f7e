import fs from 'node:fs';
import path from 'node:path';

// Captured: programs patch fs.
const { lstatSync, statSync } = fs;
const { now } = Date;

/** Each sweep touches this file. */
export const MARK = 'swept';
/** Milliseconds between two sweeps that only the time asks for. */
const INTERVAL = 3_600_000;

/**
 * Whether the folder was not swept for an hour, or, before its first sweep, is older than that. A time in the future is of a clock
 * that was wrong, then or now.
 */
export function isSweepDue(directory: string): boolean {
  const mark = lstatSync(path.join(directory, MARK), { throwIfNoEntry: false });
  return Math.abs(now() - (mark?.mtimeMs ?? statSync(directory).birthtimeMs)) > INTERVAL;
}
