// Encrypts and signs.
import sodium from 'libsodium-wrappers-sumo';
import { printResult } from './result.mjs';

await sodium.ready;
const { publicKey, privateKey } = sodium.crypto_sign_seed_keypair(new Uint8Array(32).fill(1));
const message = new Uint8Array(200_000).map((_, i) => i % 251);
const signature = sodium.crypto_sign_detached(message, privateKey);
if (!sodium.crypto_sign_verify_detached(signature, message, publicKey)) throw new Error('The signature is wrong');
const box = sodium.crypto_secretbox_easy(message, new Uint8Array(24), new Uint8Array(32).fill(2));
const hash = sodium.crypto_pwhash(
  32,
  'secret',
  new Uint8Array(16).fill(3),
  2,
  2 ** 23,
  sodium.crypto_pwhash_ALG_ARGON2ID13,
);
printResult([...signature, ...box.slice(0, 1000), ...hash]);
