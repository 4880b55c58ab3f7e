// Runs a module until V8 has optimised it, or with the argument "cold" only once. Prints the result, and at its end the counters of the
// hook.
import { moduleCacheStats, V8Engine } from '../../dist/index.js';
import { instantiate, optimise, sumModule } from '../../dist/testing/modules.js';

const engine = new V8Engine();
const module = new WebAssembly.Module(sumModule({ padding: 70_000 }));
const restored = engine.serialize(module) !== undefined;
if (process.argv[2] !== 'cold') await optimise(module, (each) => engine.serialize(each));
const { sum } = instantiate(module);
process.on('exit', () => console.log(JSON.stringify({ sum: sum(1000), restored, ...moduleCacheStats() })));
