// Modules that are copied or sent away: structuredClone, MessageChannel, workers, v8.serialize.
import { once } from 'node:events';
import v8 from 'node:v8';
import vm from 'node:vm';
import { BroadcastChannel, MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { mainBytes, sizes } from '../modules.mjs';
import { cross, outcome, show, tag, useModule } from '../observe.mjs';
import { moduleWays } from '../ways.mjs';

const moduleOf = (result) => (result instanceof WebAssembly.Module ? result : result.module);

/** Ways to copy a value. */
const copies = {
  structuredClone: (value) => structuredClone(value),
  receiveMessageOnPort(value) {
    const { port1, port2 } = new MessageChannel();
    try {
      port1.postMessage(value);
      return receiveMessageOnPort(port2).message;
    } finally {
      port1.close();
    }
  },
  async MessageChannel(value) {
    const { port1, port2 } = new MessageChannel();
    try {
      const received = once(port2, 'message');
      port1.postMessage(value);
      return (await received)[0];
    } finally {
      port1.close();
    }
  },
};
const containers = {
  alone: (module) => module,
  'in an object': (module) => ({ module }),
  twice: (module) => [module, module],
  'in a map': (module) => new Map([['module', module]]),
  'with expandos': (module) => Object.assign(module, { expando: 1 }),
  frozen: (module) => Object.freeze(module),
  'with another prototype': (module) => Object.setPrototypeOf(module, null),
};
const find = (value) =>
  value instanceof Map
    ? value.get('module')
    : Array.isArray(value)
      ? value[0]
      : tag(value) === '[object Object]' && 'module' in value
        ? value.module
        : value;

async function inWorker(code, value, receive = async (worker) => (await once(worker, 'message'))[0]) {
  const worker = new Worker(code, { eval: true, workerData: value });
  try {
    return await receive(worker);
  } finally {
    await worker.terminate();
  }
}

// The program of a worker, which gets the bytes or the module and answers with data that fits into JSON.
const prelude = `
  const { workerData, parentPort } = require('node:worker_threads');
  const { bytes, module } = workerData;
  const use = (m) => new WebAssembly.Instance(m).exports.add(20, 22);
  const answer = (run) => Promise.resolve().then(run).then(
    (value) => parentPort.postMessage(value),
    (error) => parentPort.postMessage(error.name + ': ' + error.message),
  );
`;
const workers = {
  'compiles by all ways': `answer(async () => [
    use(new WebAssembly.Module(bytes)),
    use(await WebAssembly.compile(bytes)),
    (await WebAssembly.instantiate(bytes)).instance.exports.add(1, 2),
    use(await WebAssembly.compileStreaming(new Response(bytes, { headers: { 'content-type': 'application/wasm' } }))),
    WebAssembly.validate(bytes),
  ])`,
  'uses the module it gets': `answer(() => [
    module instanceof WebAssembly.Module,
    Object.getPrototypeOf(module) === WebAssembly.Module.prototype,
    Reflect.ownKeys(module).length,
    use(module),
  ])`,
  'sends its module back': `parentPort.postMessage(new WebAssembly.Module(bytes))`,
  'looks at the functions and the process': `answer(() => ['Module', 'compile', 'instantiate', 'compileStreaming', 'instantiateStreaming'].map((name) =>
    [name, String(WebAssembly[name]), WebAssembly[name].length, Reflect.ownKeys(WebAssembly[name]).map(String)])
    .concat([process.eventNames().map(String), Reflect.ownKeys(globalThis).length]))`,
  'gets an error': `answer(() => new WebAssembly.Module(bytes.subarray(1)))`,
  'freezes WebAssembly first': `
    Object.freeze(WebAssembly);
    for (const key of Reflect.ownKeys(WebAssembly)) {
      if (typeof WebAssembly[key] === 'function') { Object.freeze(WebAssembly[key]); Object.freeze(WebAssembly[key].prototype ?? {}); }
    }
    answer(async () => [
      Object.isFrozen(WebAssembly),
      use(new WebAssembly.Module(bytes)),
      (await WebAssembly.instantiate(bytes)).instance.exports.add(1, 2),
    ])`,
  'freezes the built-ins first': `
    for (const object of [Object, Array, Promise, Reflect, Uint8Array, ArrayBuffer, Map, WeakMap, Function]) {
      if (object.prototype) Object.freeze(object.prototype);
      Object.freeze(object);
    }
    answer(async () => [use(new WebAssembly.Module(bytes)), use(await WebAssembly.compile(bytes))])`,
  'has lost its globals': `
    const { Module } = WebAssembly;
    for (const key of ['Buffer', 'process', 'Uint8Array', 'ArrayBuffer', 'Promise', 'Map', 'Object', 'Reflect', 'Symbol']) delete globalThis[key];
    parentPort.postMessage(use(new Module(bytes)))`,
  'ends while it compiles': `
    for (let i = 0; i < 4; i++) WebAssembly.compile(bytes);
    parentPort.postMessage('leaving');
    process.exit(0)`,
};

export default [
  ...cross(Object.entries(copies), moduleWays, sizes).map(([[kind, copy], way, size]) => ({
    name: `${kind} of a module from ${way.name}, ${size}`,
    async run() {
      const module = moduleOf(await way.call(mainBytes(size)));
      const received = await copy(module);
      return [received === module, useModule(received), useModule(module)];
    },
  })),
  ...cross(Object.entries(copies), Object.entries(containers), sizes).map(([[kind, copy], [held, hold], size]) => ({
    name: `${kind} of a module ${held}, ${size}`,
    async run() {
      const value = hold(new WebAssembly.Module(mainBytes(size)));
      return outcome(
        () => copy(value),
        (received) => [Array.isArray(received) && received[0] === received[1], useModule(find(received))],
      );
    },
  })),
  ...cross(
    [
      'Instance',
      'exported function',
      'subclass',
      'proxy of a module',
      'object of the prototype',
      'module in the transfer list',
    ],
    sizes,
  ).map(([kind, size]) => ({
    name: `structuredClone of ${kind}, ${size}`,
    async run() {
      const module = new WebAssembly.Module(mainBytes(size));
      const values = {
        Instance: () => new WebAssembly.Instance(module),
        'exported function': () => new WebAssembly.Instance(module).exports.add,
        subclass: () =>
          new (class Sub extends WebAssembly.Module {
            field = 1;
          })(mainBytes(size)),
        'proxy of a module': () => new Proxy(module, {}),
        'object of the prototype': () => Object.create(WebAssembly.Module.prototype),
        'module in the transfer list': () => module,
      };
      const options = kind === 'module in the transfer list' ? { transfer: [module] } : undefined;
      return outcome(
        () => structuredClone(values[kind](), options),
        (value) => [tag(value), Reflect.ownKeys(value).map(String)],
      );
    },
  })),
  ...sizes.map((size) => ({
    name: `a copy of a copy, ${size}`,
    async run() {
      const first = new WebAssembly.Module(mainBytes(size));
      return useModule(structuredClone(structuredClone(first)));
    },
  })),
  ...sizes.map((size) => ({
    name: `compiled again after the copy, ${size}`,
    async run() {
      const copy = structuredClone(new WebAssembly.Module(mainBytes(size)));
      copy.expando = 1;
      const again = await WebAssembly.compile(mainBytes(size));
      return [again === copy, 'expando' in again, useModule(again)];
    },
  })),
  ...sizes.map((size) => ({
    name: `v8.serialize of a module, ${size}`,
    run: () => outcome(() => v8.serialize(new WebAssembly.Module(mainBytes(size))), tag),
  })),
  ...sizes.map((size) => ({
    name: `BroadcastChannel, ${size}`,
    async run() {
      const [from, to] = [new BroadcastChannel('conformance'), new BroadcastChannel('conformance')];
      try {
        const received = new Promise((resolve) => {
          to.onmessage = ({ data }) => resolve(data);
          to.onmessageerror = () => resolve('messageerror');
        });
        from.postMessage(new WebAssembly.Module(mainBytes(size)));
        const data = await received;
        return typeof data === 'string' ? data : useModule(data);
      } finally {
        from.close();
        to.close();
      }
    },
  })),
  // A worker starts slowly, so the small module is used only where it matters.
  ...cross(Object.entries(workers), sizes)
    .filter(([[kind], size]) => size === 'big' || kind === 'uses the module it gets')
    .map(([[kind, code], size]) => ({
      name: `a worker ${kind}, ${size}`,
      async run() {
        const module = new WebAssembly.Module(mainBytes(size));
        const message = await inWorker(prelude + code, { bytes: mainBytes(size), module });
        return tag(message) === '[object WebAssembly.Module]' ? useModule(message) : show(message);
      },
    })),
  ...['big'].map((size) => ({
    name: `two workers at once, ${size}`,
    async run() {
      const data = { bytes: mainBytes(size), module: new WebAssembly.Module(mainBytes(size)) };
      const code = `${prelude} answer(async () => [use(module), use(await WebAssembly.compile(bytes))])`;
      return Promise.all(Array.from({ length: 2 }, () => inWorker(code, data)));
    },
  })),
  ...cross(['new', 'compile', 'instantiate'], sizes).map(([kind, size]) => ({
    name: `WebAssembly of another realm, ${kind}, ${size}`,
    async run() {
      const context = vm.createContext({ bytes: mainBytes(size) });
      const code = {
        new: 'new WebAssembly.Module(bytes)',
        compile: 'WebAssembly.compile(bytes)',
        instantiate: 'WebAssembly.instantiate(bytes).then(({ module }) => module)',
      };
      const module = await vm.runInContext(code[kind], context);
      return [
        module instanceof WebAssembly.Module,
        tag(module),
        WebAssembly.Module.exports(module).length,
        new WebAssembly.Instance(module).exports.add(2, 3),
        vm.runInContext('String(WebAssembly.Module)', context),
      ];
    },
  })),
];
