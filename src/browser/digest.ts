import { ModuleHash } from '../module-hash.js';

/**
 * SHA-256 in another thread, where the browser lets a page have it: in a secure context (https or localhost). Elsewhere in this one,
 * at a tenth of the speed.
 */
export async function sha256(wireBytes: Uint8Array<ArrayBuffer>): Promise<ModuleHash> {
  const { subtle } = globalThis.crypto;
  if (!subtle) return ModuleHash.sha256(wireBytes);
  return ModuleHash.fromBytes(new Uint8Array(await subtle.digest('SHA-256', wireBytes)));
}
