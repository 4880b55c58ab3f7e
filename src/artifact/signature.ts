import { hmacSha256 } from '../native/digest.js';

export const SIGNATURE_LENGTH = 32;

/** The least length of a secret, so that it is hard to guess. 16 random bytes as hexadecimal digits or base64 are longer. */
const MIN_LENGTH = 16;

/** Signs with HMAC-SHA-256. Several secrets let a fleet change its secret without a gap: the first one signs, all are accepted. */
export class Signer {
  readonly #secrets: readonly string[];

  /** @throws {TypeError} when a secret is too short or has spaces in it, without showing it. */
  constructor(secrets: readonly string[]) {
    if (secrets.length === 0) throw new TypeError('The list of secrets is empty');
    for (const [index, secret] of secrets.entries()) {
      const which = secrets.length === 1 ? 'The secret' : `Secret ${index + 1}`;
      if (typeof secret !== 'string') throw new TypeError(`${which} must be text, not ${typeof secret}`);
      if (/\s/.test(secret)) throw new TypeError(`${which} has spaces in it`);
      const { length } = Buffer.from(secret);
      if (length < MIN_LENGTH) throw new TypeError(`${which} must have at least ${MIN_LENGTH} bytes, not ${length}`);
    }
    this.#secrets = [...secrets];
  }

  /** The secrets, for another process that signs. */
  get secrets(): readonly string[] {
    return this.#secrets;
  }

  /** Signs the parts. The signature covers the kind and the lengths of the parts, too. */
  sign(kind: string, parts: readonly Uint8Array[]): Uint8Array {
    return compute(this.#secrets[0] as string, kind, parts);
  }

  /** Whether one of the secrets made this signature, in constant time. */
  verify(kind: string, parts: readonly Uint8Array[], signature: Uint8Array): boolean {
    if (signature.length !== SIGNATURE_LENGTH) return false;
    const matches = this.#secrets.map((secret) => isEqual(compute(secret, kind, parts), signature));
    return matches.includes(true);
  }
}

/** Splits the text of `WASM_CACHE_SECRET` or its file at white space. */
export function parseSecrets(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}

function compute(secret: string, kind: string, parts: readonly Uint8Array[]): Uint8Array {
  const lengths = parts.map(({ length }) => length).join(' ');
  return hmacSha256(secret, [Buffer.from(`wasm-module-cache ${kind} ${lengths}\n`), ...parts]);
}

/** Compares in constant time. node:crypto has this, too, but takes 8 ms to load. */
function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length;
  for (const [index, byte] of one.entries()) difference |= byte ^ (other[index] as number);
  return difference === 0;
}
