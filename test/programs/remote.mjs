// Compiles a module over the hook's size threshold by the way in that the first argument names, and uses it. Prints the result, the
// counters of the hook, and how long the call took. Further arguments: "hot" lets V8 optimise it, "changed" changes the bytes right
// after the call, "unawaited" does not wait for the module, "exit" and "throw" end the program right after the call, "busy" keeps the
// event loop busy after the call, until the folder has the artifact, "twice" makes two calls at once, "flags" changes V8's flags when everything was fetched.
import { readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { everythingModule, observeEverything, warmUp } from '../../.test-build/support/everything.js';
import { moduleCacheStats, V8Engine } from '../../dist/index.js';

const [way = 'Module', ...how] = process.argv.slice(2);
const wireBytes = everythingModule(70_000);
const engine = new V8Engine();
const turn = new Int32Array(new SharedArrayBuffer(4));
const isStored = () =>
  readdirSync(process.env.WASM_CACHE_DIR, { recursive: true }).some((file) => file.endsWith('.artifact'));
const response = () => new Response(wireBytes, { headers: { 'content-type': 'application/wasm' } });
const ways = {
  Module: () => new WebAssembly.Module(wireBytes),
  compile: () => WebAssembly.compile(wireBytes),
  instantiate: async () => (await WebAssembly.instantiate(wireBytes, imports)).module,
  compileStreaming: () => WebAssembly.compileStreaming(response()),
  instantiateStreaming: async () => (await WebAssembly.instantiateStreaming(response(), imports)).module,
};
const functions = WebAssembly.Module.imports(new WebAssembly.Module(everythingModule())).map(({ name }) => [
  name,
  (n) => n,
]);
const imports = { env: Object.fromEntries(functions) };

if (how.includes('flags')) {
  await setTimeout(1000);
  setFlagsFromString('--stack-size=900');
}

const start = performance.now();
const pending = ways[way]();
if (how.includes('twice')) await ways[way]();
if (how.includes('changed')) wireBytes.fill(0);
if (how.includes('busy')) while (performance.now() - start < 1500 || !isStored()) Atomics.wait(turn, 0, 0, 50);
if (how.includes('exit')) process.exit(0);
if (how.includes('throw')) throw new Error('on purpose');
if (!how.includes('unawaited')) {
  const module = await pending;
  const milliseconds = performance.now() - start;
  // The engine is unsupported in some of the processes that run this program.
  const restored = engine.canSerialize && engine.serialize(module) !== undefined;
  if (how.includes('hot') && engine.canSerialize) await warmUp(engine, module, everythingModule(70_000));
  const observed = observeEverything(module);
  process.on('exit', () => {
    const { threads } = globalThis; // set by a preload that counts threads
    console.log(
      JSON.stringify({ observed, restored, milliseconds, stats: moduleCacheStats(), threads, module: !!module }),
    );
  });
}
