// Preloaded by retiering.mjs, behind the hook: drops the code of every module of the program again and again, at random moments, from the
// addon's thread.
import { writeSync } from 'node:fs';
import { loadAddon } from '../../dist/native/addon.js';

const { addon } = loadAddon();
const { Module, compile, instantiate } = WebAssembly;
const modules = [];

function watch(module) {
  modules.push(module);
  drop();
  return module;
}

/** The thread drops what it is told while the program goes on. */
function drop() {
  const module = modules[Math.floor(Math.random() * modules.length)];
  if (module) addon.retier(module);
}

WebAssembly.Module = new Proxy(Module, {
  construct: (target, args, newTarget) =>
    watch(Reflect.construct(target, args, newTarget === WebAssembly.Module ? target : newTarget)),
});
WebAssembly.compile = async (...args) => watch(await compile(...args));
WebAssembly.instantiate = async (...args) => {
  const result = await instantiate(...args);
  if (result.module) watch(result.module);
  return result;
};
const { Instance } = WebAssembly;
WebAssembly.Instance = new Proxy(Instance, {
  construct(target, args, newTarget) {
    drop();
    return Reflect.construct(target, args, newTarget === WebAssembly.Instance ? target : newTarget);
  },
});
setInterval(drop, 1).unref();
process.on('exit', () => {
  const drops = modules.reduce((sum, module) => sum + addon.retierings(module), 0);
  writeSync(2, `drops ${drops}\n`);
});
