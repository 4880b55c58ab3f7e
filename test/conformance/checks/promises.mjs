// The promises of the async ways: their kind, when they settle, unhandled rejections, thenables in between.
import { inspect, types } from 'node:util';
import { bytesOf, mainBytes, sizes } from '../modules.mjs';
import { cross, ending, microtasksUntilSettled, nextTurn, outcome, show, tag, useResult } from '../observe.mjs';
import { patch, remove, restore } from '../patch.mjs';
import { asyncWays, streamingWays, wasmResponse } from '../ways.mjs';

const NativePromise = Promise;
const invalid = (size) => mainBytes(size).fill(1, 0, 1);

/** Async calls that return a promise, by how it ends. */
const calls = {
  ...Object.fromEntries(asyncWays.map((way) => [`${way.name}(valid)`, (size) => way.call(mainBytes(size))])),
  ...Object.fromEntries(asyncWays.map((way) => [`${way.name}(invalid)`, (size) => way.call(invalid(size))])),
  'compile(nothing)': () => WebAssembly.compile(),
  'compile(empty)': () => WebAssembly.compile(new Uint8Array(0)),
  'instantiate(nothing)': () => WebAssembly.instantiate(),
  'instantiate(empty)': () => WebAssembly.instantiate(new ArrayBuffer(0)),
  'instantiate(bytes, wrong imports)': (size) => WebAssembly.instantiate(mainBytes(size), 'imports'),
  'instantiate(bytes, missing imports)': (size) => WebAssembly.instantiate(bytesOf('hosted', size), {}),
  'instantiate(module)': (size) => WebAssembly.instantiate(new WebAssembly.Module(mainBytes(size))),
  'instantiate(module, missing imports)': (size) =>
    WebAssembly.instantiate(new WebAssembly.Module(bytesOf('hosted', size)), {}),
  'instantiate(module, trapping start)': (size) =>
    WebAssembly.instantiate(new WebAssembly.Module(bytesOf('startsTrap', size))),
  'instantiate(bytes, trapping start)': (size) => WebAssembly.instantiate(bytesOf('startsTrap', size)),
  'compileStreaming(nothing)': () => WebAssembly.compileStreaming(),
  'instantiateStreaming(nothing)': () => WebAssembly.instantiateStreaming(),
  'compileStreaming(wrong type)': (size) => WebAssembly.compileStreaming(new Response(mainBytes(size))),
  'compileStreaming(rejection)': () => WebAssembly.compileStreaming(NativePromise.reject(new Error('no response'))),
};
const quiet = (promise) => {
  promise.then(
    () => {},
    () => {},
  );
  return promise;
};

/** What happens between a call and the end of its promise, in order. */
async function order(call) {
  const log = [];
  process.nextTick(() => log.push('tick before'));
  NativePromise.resolve().then(() => log.push('microtask before'));
  const promise = call();
  log.push('returned');
  const done = promise.then(
    () => log.push('resolved'),
    () => log.push('rejected'),
  );
  process.nextTick(() => log.push('tick after'));
  NativePromise.resolve()
    .then(() => log.push('microtask after'))
    .then(() => log.push('second microtask after'));
  await done;
  process.nextTick(() => log.push('tick after the end'));
  NativePromise.resolve().then(() => log.push('microtask after the end'));
  await nextTurn();
  return log;
}

/** The events for a promise that is handled late or never. */
async function rejectionEvents(call, handle) {
  const log = [];
  let promise;
  const describe = (reason) => show(reason);
  const unhandled = (reason, which) => log.push(['unhandledRejection', which === promise, describe(reason)]);
  const handled = (which) => log.push(['rejectionHandled', which === promise]);
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', unhandled).on('rejectionHandled', handled);
  try {
    promise = call();
    const settled = settledQuietly(promise);
    if (handle === 'at once') promise.catch(() => log.push('caught'));
    await settled;
    await nextTurn();
    await nextTurn();
    if (handle === 'late') {
      promise.catch(() => log.push('caught late'));
      await nextTurn();
    }
  } finally {
    process.off('unhandledRejection', unhandled).off('rejectionHandled', handled);
    for (const listener of others) process.on('unhandledRejection', listener);
  }
  return log;
}
/** Waits without handling: `inspect` looks into a promise from outside. */
async function settledQuietly(promise) {
  while (inspect(promise).includes('<pending>')) await nextTurn(); // V8 compiles in the background, which takes long on a busy machine
}

/** A `then` on what the promise is resolved with: a promise that is resolved with a thenable follows it. */
const thenables = {
  'returns another value': (log) =>
    function (resolve) {
      log.push(['then', tag(this), arguments.length]);
      resolve('replaced');
    },
  rejects: (log) =>
    function (_, reject) {
      log.push(['then', tag(this)]);
      reject(new RangeError('from then'));
    },
  throws: (log) =>
    function () {
      log.push(['then', tag(this)]);
      throw new RangeError('from then');
    },
  'is no function': () => 5,
};
const thenableHolders = {
  'Module.prototype': () => WebAssembly.Module.prototype,
  'Instance.prototype': () => WebAssembly.Instance.prototype,
  'Object.prototype': () => Object.prototype,
};

/** Changes of Promise itself, from the call until the promise settles. */
const promiseChanges = {
  'then replaced': (log) =>
    patch(NativePromise.prototype, 'then', {
      value() {
        log.push('then');
        throw new Error('patched then');
      },
    }),
  'then deleted': () => remove(NativePromise.prototype, 'then'),
  'catch and finally replaced': (log) => {
    patch(NativePromise.prototype, 'catch', { value: () => log.push('catch') });
    patch(NativePromise.prototype, 'finally', { value: () => log.push('finally') });
  },
  'constructor replaced': (log) =>
    patch(NativePromise.prototype, 'constructor', {
      get() {
        log.push('constructor');
        return class Other {};
      },
    }),
  'species replaced': (log) =>
    patch(NativePromise, Symbol.species, {
      get() {
        log.push('species');
        return NativePromise;
      },
    }),
  'resolve and reject replaced': (log) => {
    for (const key of ['resolve', 'reject', 'all', 'race', 'any'])
      patch(NativePromise, key, { value: () => log.push(key) });
  },
  'global replaced': (log) =>
    patch(globalThis, 'Promise', {
      value: class Fake {
        constructor() {
          log.push('new');
        }
      },
    }),
  'global deleted': () => remove(globalThis, 'Promise'),
  'global throws': () =>
    patch(globalThis, 'Promise', {
      get() {
        throw new Error('no Promise');
      },
    }),
};

/** Settles without using anything that may be patched: `await` reads `constructor`, so a reaction is added with the original then. */
const { then } = NativePromise.prototype;
const { apply } = Reflect;
const settled = (promise) =>
  new NativePromise((resolve) => {
    // Without prototype, or a patched Object.prototype.then would make them thenables.
    const value = (result) => resolve({ __proto__: null, value: [result] });
    apply(then, promise, [value, (error) => resolve({ __proto__: null, error })]);
  });

const rejecting = Object.entries(calls).filter(([name]) => !/valid\)$/.test(name) || name.includes('(invalid)'));

export default [
  ...cross(Object.entries(calls), ['big']).map(([[name, call], size]) => ({
    name: `kind of promise, ${name}, ${size}`,
    async run() {
      const promise = quiet(call(size));
      return [
        Object.getPrototypeOf(promise) === NativePromise.prototype,
        promise.constructor === NativePromise,
        types.isPromise(promise),
        Reflect.ownKeys(promise).map(String),
        tag(promise),
        (await ending(() => promise)).how,
      ];
    },
  })),
  ...cross(Object.entries(calls), ['big']).map(([[name, call], size]) => ({
    name: `every call gives its own promise, ${name}, ${size}`,
    async run() {
      const promises = [quiet(call(size)), quiet(call(size))];
      const ends = await NativePromise.allSettled(promises);
      return [promises[0] === promises[1], ends[0].value === ends[1].value && ends[0].reason === ends[1].reason];
    },
  })),
  ...cross(Object.entries(calls), sizes).map(([[name, call], size]) => ({
    name: `microtasks until settled, ${name}, ${size}`,
    run: () => microtasksUntilSettled(call(size)),
  })),
  ...cross(Object.entries(calls), sizes).map(([[name, call], size]) => ({
    name: `order of events, ${name}, ${size}`,
    run: () => order(() => call(size)),
  })),
  ...cross(Object.entries(calls), ['big']).map(([[name, call], size]) => ({
    name: `pending right after the call, ${name}, ${size}`,
    async run() {
      const promise = quiet(call(size));
      const state = /<pending>|<rejected>/.exec(inspect(promise))?.[0] ?? 'resolved';
      await settled(promise);
      return state;
    },
  })),
  ...cross(rejecting, ['never', 'late', 'at once'], ['big']).map(([[name, call], handle, size]) => ({
    name: `rejection handled ${handle}, ${name}, ${size}`,
    run: () => rejectionEvents(() => call(size), handle),
  })),

  ...cross(Object.entries(thenableHolders), Object.entries(thenables), asyncWays.slice(0, 2), sizes).map(
    ([[holder, object], [kind, makeThen], way, size]) => ({
      name: `then on ${holder} that ${kind}, ${way.name}, ${size}`,
      async run() {
        const log = [];
        patch(object(), 'then', { value: makeThen(log) });
        const promise = way.call(mainBytes(size));
        const end = await settled(promise);
        restore();
        return [log, 'error' in end ? show(end.error) : show(end.value)];
      },
    }),
  ),
  ...cross(['Module.prototype', 'Object.prototype'], streamingWays, sizes).map(([holder, way, size]) => ({
    name: `then getter on ${holder} is read, ${way.name}, ${size}`,
    async run() {
      const log = [];
      const response = wasmResponse(mainBytes(size));
      patch(thenableHolders[holder](), 'then', {
        get() {
          if (/Module/.test(tag(this)) || this?.instance) log.push(tag(this));
          return undefined;
        },
      });
      const end = await settled(way.from(response));
      restore();
      return [log, Object.keys(end)];
    },
  })),

  ...cross(Object.entries(promiseChanges), asyncWays.slice(0, 2), ['valid', 'invalid'], sizes).map(
    ([[kind, change], way, bytes, size]) => ({
      name: `Promise: ${kind}, ${way.name}, ${bytes}, ${size}`,
      async run() {
        const log = [];
        const source = bytes === 'valid' ? mainBytes(size) : invalid(size);
        change(log);
        let promise;
        let end;
        try {
          promise = way.call(source);
          end = await settled(promise);
        } finally {
          restore();
        }
        return [log, types.isPromise(promise), end.error ? show(end.error) : useResult(end.value[0])];
      },
    }),
  ),

  ...cross(asyncWays, sizes).map(([way, size]) => ({
    name: `own then on the promise, ${way.name}, ${size}`,
    async run() {
      const promise = way.call(mainBytes(size));
      promise.then = (resolve) => resolve('hijacked');
      return outcome(
        () => NativePromise.resolve(promise),
        (value) => (value === 'hijacked' ? value : useResult(value)),
      );
    },
  })),
  ...cross(asyncWays, sizes).map(([way, size]) => ({
    name: `all, race, any, allSettled, ${way.name}, ${size}`,
    async run() {
      const make = () => way.call(mainBytes(size));
      return [
        (await NativePromise.all([make(), make()])).map(tag),
        tag(await NativePromise.race([make()])),
        tag(await NativePromise.any([way.call(invalid(size)), make()])),
        (await NativePromise.allSettled([make(), way.call(invalid(size))])).map(({ status }) => status),
      ];
    },
  })),
];
