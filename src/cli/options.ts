import { parseDuration, parseSize } from '../settings/kinds.js';
import { UsageError } from './exit-codes.js';

/** Bytes, at least 1. Needs a unit: a user who writes 500 hardly means bytes, and `prune` does not ask. @throws {UsageError} */
export function sizeOption(name: string, text: string): number {
  const size = /[a-z]\s*$/i.test(text) ? parseSize(text) : undefined;
  if (!size) throw new UsageError(`${name} must be a size with its unit, such as 500MiB or 2GiB, not '${text}'`);
  return size;
}

/** Milliseconds, at least 1. Needs a unit: a user who writes 30 hardly means milliseconds. @throws {UsageError} */
export function durationOption(name: string, text: string): number {
  const duration = /[a-z]\s*$/i.test(text) ? parseDuration(text) : undefined;
  if (!duration) throw new UsageError(`${name} must be a time with its unit, such as 30d, 12h or 90m, not '${text}'`);
  return duration;
}

/** A whole number. @throws {UsageError} */
export function countOption(name: string, text: string, minimum: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= minimum && Number.isSafeInteger(value)) return value;
  throw new UsageError(`${name} must be a whole number from ${minimum}, not '${text}'`);
}
