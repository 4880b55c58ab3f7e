// Loads sql.js with loadModule, and prints the steps. Arguments: a cache folder, options of loadModule as JSON, and the time to begin
// at (milliseconds since 1970).
import { createRequire } from 'node:module';
import { setTimeout } from 'node:timers/promises';
import { FileSystemCache, HashedModuleData, inMemory, loadModule, V8Engine } from '../../dist/index.js';

const [directory, options = '{}', start = 0] = process.argv.slice(2);
const data = HashedModuleData.fromFileSync(createRequire(import.meta.url).resolve('sql.js/dist/sql-wasm.wasm'));
const engine = new V8Engine();
const cache = inMemory().withFallback(new FileSystemCache(directory));
await setTimeout(Math.max(0, Number(start) - Date.now()));
const { module, source, steps, duration } = await loadModule(data, { cache, engine, ...JSON.parse(options) });
const optimised = engine.serialize(module)?.length ?? 0;
const outcomes = steps.map(({ step, outcome, coverage }) => [step, coverage, outcome].filter(Boolean).join(' '));
console.log(
  JSON.stringify({ source, steps: outcomes, duration, optimised, exports: WebAssembly.Module.exports(module).length }),
);
