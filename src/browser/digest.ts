import { ModuleHash } from '../module-hash.js';

/**
 * Hashes in another thread if the page is a secure context (https or localhost). Other pages have no `crypto.subtle`: they hash in this
 * thread, at a tenth of the speed.
 */
export async function sha256(wireBytes: Uint8Array<ArrayBuffer>): Promise<ModuleHash> {
  const { subtle } = globalThis.crypto;
  if (!subtle) return ModuleHash.sha256(wireBytes);
  return ModuleHash.fromBytes(new Uint8Array(await subtle.digest('SHA-256', wireBytes)));
}
