import { ModuleHash } from '../module-hash.js';
import { loadAddon } from './addon.js';

// What node:zlib and node:crypto compute, taken from the addon where it is there: loading those two takes 5 and 8 ms
// (Node 26), which every program with a large module would pay. Here and not in the vocabulary, which imports nothing.

const { getBuiltinModule } = process;

/** CRC-32 as zlib has it: finds accidents, at 2 to 6 GB/s; a signature is what finds intent. */
export function crc32(bytes: Uint8Array): number {
  return loadAddon().addon?.crc32(bytes) ?? getBuiltinModule('node:zlib').crc32(bytes);
}

/** The same as `ModuleHash.sha256`. */
export function sha256(bytes: Uint8Array): ModuleHash {
  const digest = loadAddon().addon?.sha256(bytes);
  return digest ? ModuleHash.fromBytes(digest) : ModuleHash.sha256(bytes);
}

/** HMAC-SHA-256 of the parts, one after the other. */
export function hmacSha256(secret: string, parts: readonly Uint8Array[]): Uint8Array {
  const digest = loadAddon().addon?.hmacSha256(Buffer.from(secret), parts);
  if (digest) return digest;
  const hmac = getBuiltinModule('node:crypto').createHmac('sha256', secret);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}
