// Compiles a module over the hook's size threshold and runs it until it is hot, without this package. Prints one line: what it computed, and how
// an access out of bounds ends.
import { sumModule } from '../../dist/testing/modules.js';

const MARK = 'RESULT '; // A flag of V8 may print more.

if (typeof WebAssembly === 'undefined') {
  console.log(`${MARK}no WebAssembly`);
} else {
  const module = new WebAssembly.Module(sumModule({ offset: 5, padding: 70_000 }));
  const { sum, peek } = new WebAssembly.Instance(module).exports;
  let total = 0;
  for (let round = 0; round < 60; round++) total = sum(200_000); // twice what makes every version of V8 optimise it
  await new Promise((resolve) => setTimeout(resolve, 50)); // V8 optimises in a thread.
  let trap;
  try {
    peek(70_000);
  } catch (error) {
    trap = `${error.name}: ${error.message}`;
  }
  console.log(`${MARK}${total} ${sum(1000)} ${trap}`);
  process.on('exit', () => module); // Keeps the module alive, because garbage is not saved.
}
