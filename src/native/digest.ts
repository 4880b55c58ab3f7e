import { ModuleHash } from '../module-hash.js';
import { loadAddon } from './addon.js';

// What node:zlib and node:crypto compute. The addon does it where it can: loading those two takes 5 and 8 ms (Node 26), which every
// program with a large module would pay.

const { getBuiltinModule } = process;

/** zlib's CRC-32. It finds accidents, at 2 to 6 GB/s; only a signature finds intent. */
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
