// Preloaded before the hook. Below the folder FOLDED, names that differ only in case are the same name.
import fs from 'node:fs';
import path from 'node:path';

const folder = process.env.FOLDED + path.sep;
const fold = (argument) => {
  if (typeof argument !== 'string') return argument;
  // What is in an open folder is reached through the folder's descriptor.
  if (argument.startsWith('/proc/self/fd/')) return argument.toLowerCase();
  return argument.startsWith(folder) ? folder + argument.slice(folder.length).toLowerCase() : argument;
};

for (const functions of [fs, fs.promises]) {
  for (const [name, original] of Object.entries(functions)) {
    if (typeof original !== 'function' || /^[A-Z_]/.test(name)) continue;
    const folding = (...args) => original.apply(functions, args.map(fold));
    functions[name] = Object.assign(folding, original);
  }
}
