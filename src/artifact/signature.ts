import { hmacSha256 } from '../native/digest.js';

export const SIGNATURE_LENGTH = 32;

/** A secret is as good as it is hard to guess: 16 random bytes, as hexadecimal digits or base64, are more than this. */
const MIN_LENGTH = 16;

/** Signs with HMAC-SHA-256. Several secrets let a fleet change its secret without a gap: the first one signs, all are accepted. */
export class Signer {
  readonly #secrets: readonly string[];

  /** @throws {TypeError} when a secret is too short or has spaces in it; without saying what it is. */
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

  /** For a process that is to sign, too. */
  get secrets(): readonly string[] {
    return this.#secrets;
  }

  /** The signature of what is signed, which is told apart by its kind and by where its parts end. */
  sign(kind: string, parts: readonly Uint8Array[]): Uint8Array {
    return compute(this.#secrets[0] as string, kind, parts);
  }

  /** Whether one of the secrets made this signature; takes as long whichever it was. */
  verify(kind: string, parts: readonly Uint8Array[], signature: Uint8Array): boolean {
    if (signature.length !== SIGNATURE_LENGTH) return false;
    const matches = this.#secrets.map((secret) => isEqual(compute(secret, kind, parts), signature));
    return matches.includes(true);
  }
}

/** What `WASM_CACHE_SECRET` or its file has, separated by white space. */
export function parseSecrets(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}

function compute(secret: string, kind: string, parts: readonly Uint8Array[]): Uint8Array {
  const lengths = parts.map(({ length }) => length).join(' ');
  return hmacSha256(secret, [Buffer.from(`wasm-module-cache ${kind} ${lengths}\n`), ...parts]);
}

/** Takes as long wherever they differ; node:crypto, which has this, too, takes 8 ms to load. */
function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length;
  for (const [index, byte] of one.entries()) difference |= byte ^ (other[index] as number);
  return difference === 0;
}
