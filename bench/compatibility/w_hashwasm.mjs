// Hashes with many small modules.
import { argon2id, blake3, sha3, xxhash64 } from 'hash-wasm';
import { printResult } from './result.mjs';

const bytes = new Uint8Array(1e6).map((_, i) => i % 251);
const salt = new Uint8Array(16).fill(7);
const password = await argon2id({
  password: 'secret',
  salt,
  parallelism: 1,
  iterations: 2,
  memorySize: 4096,
  hashLength: 32,
});
printResult([await blake3(bytes), await sha3(bytes), await xxhash64(bytes), password]);
