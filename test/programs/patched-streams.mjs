// Patches streams, so that V8 compiles other bytes than the hook received. Arguments: "patched" or "plain".

import { V8Engine } from '../../dist/index.js';
import { instantiate, optimise, sumModule } from '../../dist/testing/modules.js';

const engine = new V8Engine();
const headers = { 'content-type': 'application/wasm' };
const response = new Response(sumModule({ offset: 1, padding: 70_000 }), { headers });
if (process.argv[2] === 'patched') {
  const { prototype } = ReadableStreamDefaultController;
  const { enqueue } = prototype;
  prototype.enqueue = function (chunk) {
    const isModule = chunk instanceof Uint8Array && chunk.length > 70_000;
    return Reflect.apply(enqueue, this, [isModule ? sumModule({ offset: 2, padding: 70_000 }) : chunk]);
  };
}
const module = await WebAssembly.compileStreaming(response);
const restored = engine.serialize(module) !== undefined;
await optimise(module, (each) => engine.serialize(each));
console.log(JSON.stringify({ restored, sum: instantiate(module).sum(1) }));
process.on('exit', () => module); // Keeps the module alive, because garbage is not saved.
