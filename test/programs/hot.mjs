// Compiles one module over the hook's size threshold, gets it hot, and prints what it saw. Arguments: the way in (a key of
// `ways`), then how to go on: "short" leaves V8 no time to optimise, "exit" ends by process.exit, "throw" by an error.
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
  // The worker is this program again, under the hook that it inherits.
  const worker = new Worker(new URL(import.meta.url), { argv: ['Module', then] });
  worker.on('error', (error) => console.error(error));
} else {
  const module = await ways[way]();
  process.on('exit', () => module); // What is garbage by then is not saved.
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
