// Preloaded before the hook: lets functions of fs fail for what is in the cache folder. FAULTS is JSON: function -> error code, or
// [error code, how many calls fail]. A writeSync that fails has written half.
import fs from 'node:fs';
import path from 'node:path';

const directory = path.resolve(process.env.WASM_CACHE_DIR);
const descriptors = new Set();
const isOurs = (argument) =>
  typeof argument === 'number' ? descriptors.has(argument) : String(argument).startsWith(directory);

const { openSync, closeSync, writeSync } = fs;
fs.openSync = (file, ...rest) => {
  const descriptor = openSync(file, ...rest);
  if (isOurs(file)) descriptors.add(descriptor);
  return descriptor;
};
fs.closeSync = (descriptor) => {
  descriptors.delete(descriptor);
  return closeSync(descriptor);
};

for (const [name, fault] of Object.entries(JSON.parse(process.env.FAULTS))) {
  const [code, times = Infinity] = [fault].flat();
  const original = fs[name];
  let calls = 0;
  fs[name] = (...args) => {
    if (!isOurs(args[0]) || calls++ >= times) return original(...args);
    if (name === 'writeSync') writeSync(args[0], args[1].subarray(0, args[1].length / 2));
    if (name === 'closeSync') original(...args);
    throw Object.assign(new Error(`${code}: injected, ${name}`), { code });
  };
}
