// Compiles one module over the hook's size threshold, runs it until it is hot, and prints its observations. Arguments: the
// way in (a key of `ways`), then "short" (leaves V8 no time to optimise), "exit" (ends with process.exit) or "throw" (ends with an error).
import { Worker } from 'node:worker_threads';
import { V8Engine } from '../../dist/index.js';
import { optimise, sumModule } from '../../dist/testing/modules.js';

const [way = 'Module', then] = process.argv.slice(2);
const wireBytes = sumModule({ offset: 5, padding: 70_000 });
const engine = new V8Engine();
const response = () => new Response(wireBytes, { headers: { 'content-type': 'application/wasm' } });
const ways = {
  Module: () => new WebAssembly.Module(wireBytes),
  compile: () => WebAssembly.compile(wireBytes),
  instantiate: async () => (await WebAssembly.instantiate(wireBytes, {})).module,
  compileStreaming: () => WebAssembly.compileStreaming(response()),
  instantiateStreaming: async () => (await WebAssembly.instantiateStreaming(Promise.resolve(response()), {})).module,
  emptyOptions: () => new WebAssembly.Module(wireBytes, {}),
  optionsWithoutEffect: () => WebAssembly.compile(wireBytes, { builtins: ['js-string'] }),
};
if (way === 'worker') {
  // The worker runs this program again, with the hook that it inherits.
  const worker = new Worker(new URL(import.meta.url), { argv: ['Module', then] });
  worker.on('error', (error) => console.error(error));
} else {
  const module = await ways[way]();
  process.on('exit', () => module); // Keeps the module alive, because garbage is not saved.
  const restored = engine.canSerialize && engine.serialize(module) !== undefined;
  if (engine.canSerialize && then !== 'short') await optimise(module, (each) => engine.serialize(each));
  const { sum, peek } = new WebAssembly.Instance(module).exports;
  let trap;
  try {
    peek(70_000);
  } catch (error) {
    trap = `${error.name}: ${error.message}`;
  }
  console.log(JSON.stringify({ restored, sum: sum(1000), trap, unsupported: engine.unsupportedReason }));
  if (then === 'exit') process.exit(0);
  if (then === 'throw') throw new Error('on purpose');
}
