// Runs a module over the hook's size threshold, and prints the result and what was optimised at the start.
// Arguments: "hot" runs some functions until V8 has optimised them, "cold" runs all of them a few times, too few for V8;
// then the names of globals to delete in the end.
import { everythingModule, observeEverything, warmUp } from '../../.test-build/support/everything.js';
import { readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';
import { V8Engine } from '../../dist/index.js';

const [how = 'hot', ...deleted] = process.argv.slice(2);
const engine = new V8Engine();
const wireBytes = everythingModule(70_000);
const module = new WebAssembly.Module(wireBytes);
// The engine is unsupported in some of the processes that run this program.
const nativeCode = engine.canSerialize ? engine.serialize(module) : undefined;
const restored = nativeCode ? readNativeCode(nativeCode, countFunctions(wireBytes)).optimised.size : 0;
if (how === 'hot' && engine.canSerialize) await warmUp(engine, module, wireBytes);
console.log(JSON.stringify({ restored, observed: observeEverything(module) }));
// Keeps the module alive until the exit, because garbage is not saved.
process.on('exit', () => module);
for (const name of deleted) delete globalThis[name];
