// V8 in Node 26 refuses native code and then compiles in the background. The program must survive that.

import { V8Engine } from '../../dist/index.js';
import { instantiate, sumModule } from '../../dist/testing/modules.js';

const engine = new V8Engine();
const { sum } = instantiate(new WebAssembly.Module(sumModule({ offset: 3 })));
for (let round = 0; round < 20; round++) sum(20_000_000);
for (let round = 0; round < 20; round++) {
  try {
    engine.deserialize(new Uint8Array(322), sumModule({ offset: 100 + round, padding: 100_000 }));
    console.log('accepted');
  } catch {
    // Expected.
  }
  await new Promise((resolve) => setTimeout(resolve, 10));
}
console.log('alive', sum(3));
