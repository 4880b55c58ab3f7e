// V8 26 answers a refusal by compiling in the background; the program must live through that.

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
    // Refused, as it should be.
  }
  await new Promise((resolve) => setTimeout(resolve, 10));
}
console.log('alive', sum(3));
