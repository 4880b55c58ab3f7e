// Compiles one module over the hook's size threshold, gets it hot, and prints what it saw. Arguments: the way in
// (Module, compile, instantiate), then "short" to leave V8 no time to optimise.

import { optimise, sumModule } from '../../.test-build/support/modules.js';
import { V8Engine } from '../../dist/index.js';

const [way = 'Module', length] = process.argv.slice(2);
const wireBytes = sumModule({ offset: 5, padding: 70_000 });
const engine = new V8Engine();
const ways = {
  Module: () => new WebAssembly.Module(wireBytes),
  compile: () => WebAssembly.compile(wireBytes),
  instantiate: async () => (await WebAssembly.instantiate(wireBytes, {})).module,
};
const module = await ways[way]();
const restored = engine.canSerialize && engine.serialize(module) !== undefined;
if (engine.canSerialize && length !== 'short') await optimise(module, (each) => engine.serialize(each));
const { sum, peek } = new WebAssembly.Instance(module).exports;
let trap;
try {
  peek(70_000);
} catch (error) {
  trap = `${error.name}: ${error.message}`;
}
console.log(JSON.stringify({ restored, sum: sum(1000), trap, unsupported: engine.unsupportedReason }));
