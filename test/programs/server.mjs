// Works like work.mjs, prints that it is done, and keeps running.
import { everythingModule, warmUp } from '../../.test-build/support/everything.js';
import { V8Engine } from '../../dist/index.js';

const wireBytes = everythingModule(70_000);
const module = new WebAssembly.Module(wireBytes);
await warmUp(new V8Engine(), module, wireBytes);
setInterval(() => module, 1000);
console.log('ready');
