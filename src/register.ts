// The hook's door: node --import wasm-module-cache/register app.js
// Whatever goes wrong here, the program must start.
import { debuglog } from 'node:util';
import { Hook } from './hook/hook.js';
import { install } from './hook/install.js';
import { readSettings } from './hook/settings.js';

// Shared by all copies of this package in one thread, so that only the first one is installed.
const mark = Symbol.for('wasm-module-cache.installed');

try {
  if (globalThis.WebAssembly !== undefined && !(mark in globalThis)) {
    const homeDirectory = () => process.env.HOME || process.getBuiltinModule('node:os').homedir();
    const settings = readSettings(process.env, process.platform, homeDirectory);
    for (const warning of settings.warnings) process.emitWarning(warning, { type: 'WasmCacheWarning' });
    if (settings.mode !== 'off') {
      install(globalThis.WebAssembly, new Hook(settings));
      Object.defineProperty(globalThis, mark, { value: true });
    }
  }
} catch (error) {
  debuglog('wasm-cache')('off: %o', error);
}
