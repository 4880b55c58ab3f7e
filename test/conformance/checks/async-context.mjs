// AsyncLocalStorage and async_hooks around the async ways.
import { AsyncLocalStorage, AsyncResource, executionAsyncId, triggerAsyncId } from 'node:async_hooks';
import { bytesOf, hostedImports, mainBytes, sizes } from '../modules.mjs';
import { cross, ending, nextTurn } from '../observe.mjs';
import { asyncWays, instanceWays, wasmResponse } from '../ways.mjs';

const storage = new AsyncLocalStorage();
const asyncInstanceWays = instanceWays.slice(1);
const calls = {
  ...Object.fromEntries(asyncWays.map((way) => [`${way.name}(valid)`, (size) => way.call(mainBytes(size))])),
  ...Object.fromEntries(
    asyncWays.map((way) => [`${way.name}(invalid)`, (size) => way.call(mainBytes(size).fill(1, 0, 1))]),
  ),
  'compile(text)': () => WebAssembly.compile('text'),
  'instantiate(module)': (size) => WebAssembly.instantiate(new WebAssembly.Module(mainBytes(size))),
  'compileStreaming(promise)': (size) =>
    WebAssembly.compileStreaming(nextTurn().then(() => wasmResponse(mainBytes(size)))),
};

export default [
  ...cross(Object.entries(calls), sizes).map(([[name, call], size]) => ({
    name: `store after await, ${name}, ${size}`,
    run: () =>
      storage.run('outer', async () => {
        const seen = [];
        const promise = storage.run('call', () => call(size));
        seen.push(storage.getStore());
        await ending(() => promise);
        seen.push(storage.getStore());
        await nextTurn();
        return [...seen, storage.getStore()];
      }),
  })),
  ...cross(Object.entries(calls), sizes).map(([[name, call], size]) => ({
    name: `store in callbacks, ${name}, ${size}`,
    async run() {
      const seen = [];
      const note = (where) => () => seen.push([where, storage.getStore()]);
      const promise = storage.run('call', () => call(size));
      const inner = storage.run('then', () => promise.then(note('then'), note('then')));
      const last = storage.run('finally', () => promise.finally(note('finally')).catch(note('catch')));
      await Promise.all([inner, last]);
      return [...seen, storage.getStore()].map((entry) => entry ?? 'none');
    },
  })),
  ...cross(Object.entries(calls), sizes).map(([[name, call], size]) => ({
    name: `store of concurrent calls, ${name}, ${size}`,
    run: () =>
      Promise.all(
        Array.from({ length: 4 }, (_, i) =>
          storage.run(i, async () => {
            await ending(() => call(size));
            return storage.getStore();
          }),
        ),
      ),
  })),
  ...cross(Object.entries(calls), sizes).map(([[name, call], size]) => ({
    name: `AsyncResource, ${name}, ${size}`,
    async run() {
      const resource = new AsyncResource('conformance');
      const during = resource.runInAsyncScope(() => {
        const id = executionAsyncId();
        const done = ending(() => call(size));
        return [
          id === resource.asyncId(),
          executionAsyncId() === id,
          triggerAsyncId() === resource.triggerAsyncId(),
          done,
        ];
      });
      const done = during.pop();
      await done;
      return during;
    },
  })),
  // Read where the engine runs them: an import getter, a start function, an imported function.
  ...cross(asyncInstanceWays, sizes).map(([way, size]) => ({
    name: `store in an import getter, ${way.name}, ${size}`,
    async run() {
      const source = await way.prepare(bytesOf('hosted', size));
      const imports = hostedImports();
      const seen = new Set();
      const given = {
        get env() {
          seen.add(storage.getStore() ?? 'none');
          return imports.env;
        },
        other: imports.other,
      };
      await storage.run('call', () => way.call(source, given));
      return [...seen];
    },
  })),
  ...cross(asyncInstanceWays, sizes).map(([way, size]) => ({
    name: `store in the start function, ${way.name}, ${size}`,
    async run() {
      const source = await way.prepare(bytesOf('startsHost', size));
      let seen;
      const f = () => {
        seen = storage.getStore() ?? 'none';
      };
      await storage.run('call', () => way.call(source, { env: { f } }));
      return seen;
    },
  })),
  ...cross(Object.entries(calls), ['big']).map(([[name, call], size]) => ({
    name: `enterWith stays, ${name}, ${size}`,
    run: () =>
      storage.run('outer', async () => {
        storage.enterWith('entered');
        await ending(() => call(size));
        return storage.getStore();
      }),
  })),
];
