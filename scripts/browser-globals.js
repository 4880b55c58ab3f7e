// Stand-ins for Node's globals in the browser build: esbuild inserts them where the code mentions a global. They have only what the
// code that the build shares with the library uses.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

const builtins = {
  'node:crypto': { hash: (_algorithm, bytes) => bytesToHex(sha256(bytes)) },
  'node:util': {
    inspect: (value) => (Object.getPrototypeOf(Object(value)) ? String(value) : 'an object without a prototype'),
  },
};

export const process = {
  getBuiltinModule(name) {
    if (name in builtins) return builtins[name];
    throw new Error(`A browser has no ${name}`);
  },
  emitWarning: (message, { code }) => console.warn(`${code}: ${message}`),
};

export const setImmediate = (callback) => setTimeout(callback, 0);
