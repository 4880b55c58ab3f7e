import { InvalidArgumentError } from 'commander';
import { parseDuration, parseSize } from '../hook/settings.js';

/** @returns what reads a whole number of at least that */
export function atLeast(minimum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= minimum && Number.isSafeInteger(value)) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${minimum}.`);
  };
}

/** Milliseconds, of a time that is given with its unit: a number alone could be anything. */
export function duration(text: string): number {
  const value = /[a-z]/i.test(text) ? parseDuration(text) : undefined;
  if (value !== undefined && value > 0) return value;
  throw new InvalidArgumentError('It must be a time such as 500ms, 30s or 2m.');
}

export function size(text: string): number {
  const value = parseSize(text);
  if (value !== undefined && value > 0) return value;
  throw new InvalidArgumentError('It must be a size such as 512MiB or 2GiB.');
}

export function coverageAheadOfTime(text: string): 'full' {
  if (text === 'full') return text;
  const advice = text === 'hot' ? ' What is hot shows when it runs: wasm-cache train -- <command>.' : '';
  throw new InvalidArgumentError(`It must be full.${advice}`);
}
