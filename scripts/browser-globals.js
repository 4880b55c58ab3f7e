// What the browser build has in the place of Node's globals: esbuild puts these where they are mentioned. Only what the parts
// that it shares with the library use.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

const builtins = { 'node:crypto': { hash: (_algorithm, bytes) => bytesToHex(sha256(bytes)) } };

export const process = {
  getBuiltinModule(name) {
    if (name in builtins) return builtins[name];
    throw new Error(`A browser has no ${name}`);
  },
  emitWarning: (message, { code }) => console.warn(`${code}: ${message}`),
};

export const setImmediate = (callback) => setTimeout(callback, 0);
