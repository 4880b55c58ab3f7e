// Globals, listeners, environment and flags of the process. The hook must leave no traces there.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import v8 from 'node:v8';
import { bytesOf, mainBytes, sizes } from '../modules.mjs';
import { cross, ending, nextTurn, property, show } from '../observe.mjs';
import { patch, restore } from '../patch.mjs';
import { allWays } from '../ways.mjs';

const require = createRequire(import.meta.url);
const builtins = ['fs', 'path', 'os', 'crypto', 'v8', 'module', 'worker_threads', 'timers', 'util', 'zlib'];

/** What the checks look at in the process. */
const aspects = {
  'Object.keys(globalThis)': () => Object.keys(globalThis),
  'own keys of globalThis': () => Reflect.ownKeys(globalThis).map(String),
  'own symbols of globalThis': () => Object.getOwnPropertySymbols(globalThis).map(String),
  'own keys of process': () => Reflect.ownKeys(process).map(String),
  'process.eventNames()': () => process.eventNames().map(String),
  listeners: () => process.eventNames().map((name) => [String(name), process.listenerCount(name)]),
  'process.getMaxListeners()': () => process.getMaxListeners(),
  'exit listeners': () => [process.listeners('exit').length, process.rawListeners('exit').length],
  'signal listeners': () => ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'].map((name) => process.listenerCount(name)),
  'uncaughtException listeners': () => process.listenerCount('uncaughtException'),
  'own members of process.emit and reallyExit': () =>
    ['emit', 'exit', 'reallyExit', 'on'].map((name) => [
      typeof process[name],
      process[name].name,
      process[name].length,
      Object.hasOwn(process, name),
    ]),
  'environment names': () =>
    Object.keys(process.env)
      .filter((name) => !/^(WASM_CACHE_|CONFORMANCE_)/.test(name))
      .sort(),
  'process.exitCode': () => show(process.exitCode),
  'process.title and argv0': () => [process.title === 'node', process.argv.length > 1],
  umask: () => process.umask(),
  'working directory is there': () => fs.existsSync(process.cwd()),
  'cachedDataVersionTag (V8 flags)': () => v8.cachedDataVersionTag(),
  'natives syntax is off': () => {
    try {
      return typeof new Function('return %IsSmi(1)')();
    } catch (error) {
      return error.name;
    }
  },
  uncaughtExceptionCaptureCallback: () => process.hasUncaughtExceptionCaptureCallback(),
  'active resources': () =>
    process
      .getActiveResourcesInfo()
      .filter((name) => !/Timeout|Immediate/.test(name))
      .sort(),
  'keys of the built-in prototypes': () =>
    [Object, Function, Array, Promise, Uint8Array, ArrayBuffer, Error, Map, WeakMap].map((type) => [
      type.name,
      Reflect.ownKeys(type).length,
      Reflect.ownKeys(type.prototype).length,
    ]),
  'keys of built-in modules': () => builtins.map((name) => [name, Object.keys(require(`node:${name}`)).length]),
  'patched built-in modules': () =>
    ['readFileSync', 'writeFileSync', 'promises', 'open'].map((name) => property(fs, name)),
  'Response and fetch': () => [
    Reflect.ownKeys(Response.prototype).map(String),
    fetch.name,
    fetch.length,
    property(globalThis, 'fetch'),
  ],
  'Error configuration': () => [Error.stackTraceLimit, property(Error, 'prepareStackTrace')],
  'require.extensions': () => Object.keys(require.extensions),
};

/** The warnings during `run`. They are kept away from stderr, which is compared as a whole. */
async function warningsOf(run) {
  const warnings = [];
  patch(process, 'emitWarning', {
    value: ({ name, type, count }) => warnings.push([name, String(type), count]),
  });
  await run();
  restore();
  return warnings;
}

export default [
  ...Object.entries(aspects).map(([name, look]) => ({ name, run: async () => look() })),
  // The same again after every way has made modules.
  ...cross(Object.entries(aspects), ['big']).map(([[name, look], size]) => ({
    name: `${name}, after all ways, ${size}`,
    async run() {
      for (const way of allWays) await ending(() => way.call(mainBytes(size)));
      return look();
    },
  })),
  ...cross(
    ['exit', 'beforeExit', 'SIGTERM', 'unhandledRejection', 'uncaughtException', 'warning', 'message'],
    [9, 10, 11],
  ).map(([event, count]) => ({
    name: `${count} listeners for ${event}`,
    async run() {
      const listeners = Array.from({ length: count }, () => () => {});
      const before = process.listenerCount(event);
      const warnings = await warningsOf(() => {
        for (const listener of listeners) process.on(event, listener);
      });
      const during = process.listenerCount(event);
      for (const listener of listeners) process.off(event, listener);
      return [before, during, process.listenerCount(event), warnings];
    },
  })),
  ...['exit', 'beforeExit', 'SIGINT'].map((event) => ({
    name: `removeAllListeners(${event}) does no harm`,
    async run() {
      const before = process.rawListeners(event);
      process.removeAllListeners(event);
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytesOf('rich', 'big')));
      const seen = [process.listenerCount(event), exports.add(1, 2)];
      // Put them back: the cache may need them, and later runs should be served from it.
      for (const listener of before) process.on(event, listener);
      return seen;
    },
  })),
  ...cross(allWays, ['big']).map(([way, size]) => ({
    name: `no warnings from many calls, ${way.name}, ${size}`,
    run: () =>
      warningsOf(async () => {
        for (let i = 0; i < 12; i++) await ending(() => way.call(mainBytes(size)));
      }),
  })),
  ...cross(allWays, sizes).map(([way, size]) => ({
    name: `nothing keeps the process alive, ${way.name}, ${size}`,
    async run() {
      await ending(() => way.call(mainBytes(size)));
      await nextTurn();
      return process.getActiveResourcesInfo().sort();
    },
  })),
];
