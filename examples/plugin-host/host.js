// host.js [--plugins plugins] [--cache cache] [--time-limit 60000] [n]: loads every .wasm file of a folder and calls run(n).
// If a plugin cannot be used, the host prints why and goes on with the next one.
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { FileSystemCache, HashedModuleData, inMemory, loadModule, V8Engine } from 'wasm-module-cache';

// Strangers fill the folder of plugins, so the number of files and the bytes of each have a limit.
const MAX_PLUGINS = 100;
const MAX_PLUGIN_SIZE = 8 * 2 ** 20;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    plugins: { type: 'string', default: 'plugins' },
    cache: { type: 'string', default: 'cache' },
    'time-limit': { type: 'string', default: '60000' },
  },
});
const n = wholeNumber('n', positionals[0] ?? '100000');
const timeLimit = wholeNumber('--time-limit', values['time-limit']);

const engine = new V8Engine();
// Limits for live modules and for the folder of artifacts; over a limit the least recently used go.
const cache = inMemory({ maxModules: MAX_PLUGINS, maxBytes: 256 * 2 ** 20 }).withFallback(
  new FileSystemCache(values.cache, { maxSize: 512 * 2 ** 20, maxFiles: 1000, maxArtifactSize: 32 * 2 ** 20 }),
);

const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => stopped.abort(new Error(`stopped by ${signal}`)));
}

for (const name of await namesOfPlugins(values.plugins)) {
  try {
    const { module, source } = await load(name);
    const plugin = await instantiate(name, module);
    console.log(`${name}: from the ${source}; run(${n}) is ${plugin.run(n)}`);
  } catch (error) {
    console.error(`${name} is left out: ${error.message}`);
    process.exitCode = 1;
  }
}

async function namesOfPlugins(folder) {
  const files = await readdir(folder).catch(({ message }) => fail(`The folder of plugins cannot be read: ${message}`));
  const names = files.filter((file) => file.endsWith('.wasm')).sort();
  for (const name of names.splice(MAX_PLUGINS)) {
    console.error(`${name} is left out: only ${MAX_PLUGINS} plugins are loaded`);
    process.exitCode = 1;
  }
  return names;
}

async function load(name) {
  const file = path.join(values.plugins, name);
  const { size } = await stat(file);
  if (size > MAX_PLUGIN_SIZE) throw new Error(`it has ${size} bytes, the limit is ${MAX_PLUGIN_SIZE}`);
  return loadModule(await HashedModuleData.fromFile(file), {
    cache,
    engine,
    // A new plugin has never run, so a child process optimises all of it once, before it is used.
    coverage: 'full',
    signal: AbortSignal.any([stopped.signal, AbortSignal.timeout(timeLimit)]),
    onProgress: ({ step, state, outcome }) => {
      if (state === 'finished') console.error(`${name}: ${step}: ${outcome}`);
    },
  });
}

/** Plugins run in this thread, where nobody can stop them. Run plugins of strangers in a worker instead. */
async function instantiate(name, module) {
  const host = { log: (number) => console.error(`${name}: says ${number}`) };
  const foreign = WebAssembly.Module.imports(module).find((each) => each.module !== 'host' || !(each.name in host));
  if (foreign) throw new Error(`it needs ${foreign.module}.${foreign.name}, which this host does not have`);
  const { exports } = await WebAssembly.instantiate(module, { host });
  if (typeof exports.run !== 'function') throw new Error('it has no function "run"');
  return exports;
}

function wholeNumber(what, text) {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  fail(`${what} must be a whole number of at most nine digits, not ${text}`);
}

function fail(message) {
  console.error(message);
  process.exit(2);
}
