// Compiles two modules, and does something to the cache folder. Arguments: when (before the "second" module or the "exit"), and what
// (the folder is "deleted", "recreated", or "replaced" by a file).
import fs from 'node:fs';
import { moduleCacheStats, V8Engine } from '../../dist/index.js';
import { instantiate, optimise, sumModule } from '../../dist/testing/modules.js';

const [moment, what] = process.argv.slice(2);
const directory = process.env.WASM_CACHE_DIR;
const engine = new V8Engine();

function happen(now) {
  if (now !== moment) return;
  fs.rmSync(directory, { recursive: true });
  if (what === 'recreated') fs.mkdirSync(directory, { mode: 0o700 });
  if (what === 'replaced') fs.writeFileSync(directory, 'text');
}

async function compile(offset) {
  const module = new WebAssembly.Module(sumModule({ offset, padding: 70_000 }));
  await optimise(module, (each) => engine.serialize(each));
  return module;
}

const modules = [await compile(0)];
happen('second');
modules.push(await compile(1));
happen('exit');
process.on('exit', () => {
  const sums = modules.map((module) => instantiate(module).sum(1000));
  console.log(JSON.stringify({ sums, ...moduleCacheStats() }));
});
