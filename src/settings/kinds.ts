import path from 'node:path';
import { parseSecrets, Signer } from '../artifact/signature.js';
import { parseRemoteUrl } from '../stores/remote-url.js';

/** A kind of value. Both functions return `undefined` for a wrong value, or throw what is wrong where nobody may see the value. */
export interface Kind<T> {
  /** Completes "must be" and "is not". */
  readonly expected: string;
  /** Reads a variable, which is not empty. */
  parse(text: string): T | undefined;
  /** Reads an option, which is not `undefined`. */
  accept(value: unknown): T | undefined;
}

const SIZES: Record<string, number> = {
  '': 1,
  B: 1,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
};
const DURATIONS: Record<string, number> = { '': 1, MS: 1, S: 1000, M: 60_000, H: 3_600_000, D: 86_400_000 };
const TOGGLES: Record<string, boolean> = {
  ...{ '1': true, true: true, yes: true, on: true },
  ...{ '0': false, false: false, no: false, off: false },
};

/** `512MiB` -> 536870912 bytes. `undefined` for what is not a size, and for one that is too large to count. */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, SIZES);
}

/** `1.5s` -> 1500 milliseconds. `undefined` for what is not a duration, and for one that is too large to count. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, DURATIONS);
}

function parseQuantity(text: string, units: Record<string, number>): number | undefined {
  // Trimmed first: two stretches of white space side by side in a pattern would take quadratic time.
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = units[match?.[2]?.toUpperCase() ?? 'none'];
  if (!match || unit === undefined) return undefined;
  const quantity = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(quantity) ? quantity : undefined;
}

/** `YES` -> true. `undefined` for what is neither a yes nor a no. */
export function parseToggle(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  return Object.hasOwn(TOGGLES, word) ? TOGGLES[word] : undefined;
}

export const toggle: Kind<boolean> = {
  expected: 'true or false (or 1, 0, yes, no, on, off)',
  parse: parseToggle,
  accept: (value) => (typeof value === 'boolean' ? value : undefined),
};

export function choice<T extends string>(...choices: T[]): Kind<T> {
  const accept = (value: unknown) => choices.find((each) => each === value);
  return { expected: `one of ${choices.join(', ')}`, parse: accept, accept };
}

export function size(min: number): Kind<number> {
  return quantity('a size such as 100000, 64KiB or 1MiB', parseSize, min, Infinity);
}

export function duration(min: number, max: number): Kind<number> {
  return quantity(`a time from ${min}ms to ${max / 1000}s, such as 250ms or 1s`, parseDuration, min, max);
}

function quantity(
  expected: string,
  parseText: (text: string) => number | undefined,
  min: number,
  max: number,
): Kind<number> {
  const accept = (value: unknown) => {
    const number = typeof value === 'string' ? parseText(value) : value;
    return typeof number === 'number' && number >= min && number <= max ? number : undefined;
  };
  return { expected, parse: accept, accept };
}

const acceptText = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);

export const text: Kind<string> = { expected: 'text', parse: acceptText, accept: acceptText };

const acceptPath = (value: unknown) => {
  const given = acceptText(value);
  return given && path.resolve(given);
};

export const filePath: Kind<string> = { expected: 'a path', parse: acceptPath, accept: acceptPath };

const acceptAbsolute = (value: unknown) => (path.isAbsolute(acceptText(value) ?? '') ? (value as string) : undefined);

export const absolutePath: Kind<string> = {
  expected: 'an absolute path',
  parse: acceptAbsolute,
  accept: acceptAbsolute,
};

function checkAddress(address: unknown): string {
  if (typeof address !== 'string') throw new TypeError(`an address must be text, not a ${typeof address}`);
  return parseRemoteUrl(address).url;
}

/** Never shown: an address may hold a password. */
export const address: Kind<string> = {
  expected: '`redis://`, `rediss://`, `s3://bucket/prefix`, `https://` or `file:///folder`',
  parse: checkAddress,
  accept: checkAddress,
};

function checkSecrets(secrets: string[]): string[] {
  new Signer(secrets); // It says what is wrong with them.
  return secrets;
}

/** Never shown. */
export const secrets: Kind<string[]> = {
  expected: 'at least 16 bytes without spaces; several secrets are separated by spaces or lines',
  parse: (given) => checkSecrets(parseSecrets(given)),
  accept: (value) => checkSecrets([value].flat() as string[]),
};
