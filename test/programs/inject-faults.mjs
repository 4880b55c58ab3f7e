// Preloaded before the hook. Makes functions of fs fail for files in the cache folder. FAULTS is JSON: function -> error code, or
// { code, times: how many calls fail, file: a part of the file's path, isDone: whether the call does its work before it fails }.
// The code "slow" only waits. A writeSync that fails has written half.
import fs from 'node:fs';
import path from 'node:path';

const directory = path.resolve(process.env.WASM_CACHE_DIR);
const files = new Map();
/** What is in an open folder is reached through the folder's descriptor. */
const fileOf = (argument) =>
  typeof argument === 'number'
    ? (files.get(argument) ?? '')
    : String(argument).replace(/^\/proc\/self\/fd\/(\d+)/, (all, descriptor) => files.get(Number(descriptor)) ?? all);

const { openSync, closeSync, writeSync } = fs;
fs.openSync = (file, ...rest) => {
  const descriptor = openSync(file, ...rest);
  files.set(descriptor, fileOf(file));
  return descriptor;
};
fs.closeSync = (descriptor) => {
  files.delete(descriptor);
  return closeSync(descriptor);
};

// The addon reads artifacts without fs, and leaves what it cannot read to fs: here everything.
const { dlopen } = process;
process.dlopen = (module, ...rest) => {
  dlopen(module, ...rest);
  delete module.exports.readArtifact;
};

const faults = Object.entries(JSON.parse(process.env.FAULTS));

// Whether a load counts as slow must not depend on how busy this machine is. With the fault "slow" the hook sees a process that was
// never preempted, otherwise one that always was.
const isSlow = faults.some(([, { code }]) => code === 'slow');
let looks = 0;
process.resourceUsage = () => ({ involuntaryContextSwitches: isSlow ? 0 : looks++ * 1e9 });

for (const [name, fault] of faults) {
  const { code, times, file, isDone } = {
    times: Infinity,
    file: '',
    isDone: name === 'closeSync',
    ...(typeof fault === 'string' ? { code: fault } : fault),
  };
  const original = fs[name];
  let calls = 0;
  fs[name] = (...args) => {
    const affected = fileOf(args[0]);
    if (!affected.startsWith(directory) || !affected.includes(file) || calls++ >= times) return original(...args);
    if (code === 'slow') {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500); // longer than the limit for a load
      return original(...args);
    }
    if (name === 'writeSync') writeSync(args[0], args[1].subarray(0, args[1].length / 2));
    if (isDone) original(...args);
    throw Object.assign(new Error(`${code}: injected, ${name}`), { code });
  };
}
