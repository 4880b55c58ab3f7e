// Runs the first argument, the body of a function with `vm` and the `bytes` of a module. Optimises the module that it returns, and prints the
// statistics of the hook; with a second argument it only prints what it returns.
import vm from 'node:vm';
import { moduleCacheStats, V8Engine } from '../../dist/index.js';
import { optimise, sumModule } from '../../dist/testing/modules.js';

const bytes = sumModule({ padding: 70_000 });
const AsyncFunction = (async () => {}).constructor;
const [program, prints] = process.argv.slice(2);
const result = await new AsyncFunction('vm', 'bytes', program)(vm, bytes);
if (prints) console.log(String(result));
else {
  const engine = new V8Engine();
  await optimise(result, (module) => engine.serialize(module));
  process.on('exit', () => result);
  console.log(JSON.stringify(moduleCacheStats()));
}
