import { Signer } from '../artifact/signature.js';

/** @throws {TypeError} when there is neither a secret nor `allowUnsigned`. */
export function signerOf(secret: string | readonly string[] | undefined, allowUnsigned = false): Signer | undefined {
  if (secret !== undefined) return new Signer([secret].flat() as string[]);
  if (allowUnsigned) return undefined;
  throw new TypeError(
    'Whoever can write to the bundle could run code here: give the option secret, or allowUnsigned: true',
  );
}

/** @throws {TypeError} */
export function oneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (allowed.includes(value as string)) return;
  throw new TypeError(`The option ${name} must be one of ${allowed.join(', ')}, not ${JSON.stringify(value)}`);
}

/** @throws {TypeError} */
export function fromOne(numbers: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (typeof value === 'number' && value >= 1) continue;
    throw new TypeError(`The option ${name} must be a number from 1, not ${String(value)}`);
  }
}
