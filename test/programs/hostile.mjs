// Does what memory file systems, sandboxes and polyfills do to globals and builtins.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { V8Engine } from '../../dist/index.js';
import { optimise, sumModule } from '../../dist/testing/modules.js';

const print = fs.writeSync;
const wireBytes = sumModule({ padding: 70_000 });
const engine = new V8Engine();
if (!engine.canSerialize) throw new Error(engine.unsupportedReason);

for (const name of Object.keys(fs)) {
  if (name.endsWith('Sync') && typeof fs[name] === 'function') {
    fs[name] = () => {
      throw new Error(`fs.${name} is patched`);
    };
  }
}
syncBuiltinESMExports();
for (const name of Object.keys(process.env)) delete process.env[name];
process.execArgv = [];
process.execPath = '/nowhere';
process.chdir('/');
const realPromise = Promise;
globalThis.Promise = class Replaced extends realPromise {};
for (const name of ['setImmediate', 'Buffer', 'performance', 'Uint8Array', 'WeakRef', 'eval']) delete globalThis[name];
Reflect.apply = Reflect.construct = () => {
  throw new Error('Reflect is patched');
};

const module = new WebAssembly.Module(wireBytes);
const restored = engine.serialize(module) !== undefined;
await optimise(module, (each) => engine.serialize(each));
print(1, JSON.stringify({ restored }));
