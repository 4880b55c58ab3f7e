import { Signer } from '../artifact/signature.js';
import { wrongOption } from '../wrong-option.js';

/** @throws {TypeError} when there is neither a secret nor `allowUnsigned`. */
export function signerOf(secret: string | readonly string[] | undefined, allowUnsigned = false): Signer | undefined {
  if (secret !== undefined) return new Signer([secret].flat() as string[]);
  if (allowUnsigned) return undefined;
  throw new TypeError(
    'Whoever can write to the bundle could run code here: give the option secret, or allowUnsigned: true',
  );
}

/** @throws {TypeError} */
export function checkOneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (!allowed.includes(value as string)) throw wrongOption(name, `one of ${allowed.join(', ')}`, value);
}

/** @throws {TypeError} */
export function checkNumbers(numbers: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (typeof value !== 'number' || !(value >= 1)) throw wrongOption(name, 'a number from 1', value);
  }
}
