// Calling the functions: odd `this`, too few and too many arguments, `new`, order of argument conversions.
import { bytesOf, hostedImports, main, mainBytes, sizes } from '../modules.mjs';
import { cross, outcome, show, tag, useResult } from '../observe.mjs';
import { wasmResponse } from '../ways.mjs';

/** The functions, each with a function that makes a valid first argument. */
const functions = {
  compile: (size) => mainBytes(size),
  instantiate: (size) => mainBytes(size),
  validate: (size) => mainBytes(size),
  compileStreaming: (size) => wasmResponse(mainBytes(size)),
  instantiateStreaming: (size) => wasmResponse(mainBytes(size)),
};
const receivers = {
  undefined: () => undefined,
  null: () => null,
  number: () => 1,
  object: () => ({}),
  globalThis: () => globalThis,
  Module: () => WebAssembly.Module,
  'throwing proxy': () =>
    new Proxy(
      {},
      {
        get: () => {
          throw new Error('this was looked at');
        },
      },
    ),
};
const forms = {
  'no arguments': (fn) => fn(),
  'one undefined': (fn) => fn(undefined),
  'undefined imports': (fn, source) => fn(source, undefined),
  'five arguments': (fn, source) => fn(source, undefined, undefined, 1, 2),
  'as a constructor': (fn, source) => new fn(source),
  'Reflect.construct': (fn, source) => Reflect.construct(fn, [source]),
  'Reflect.construct as newTarget': (fn) => Reflect.construct(Object, [], fn),
  bound: (fn, source) => fn.bind(null, source)(),
  detached: (fn, source) => (0, fn)(source),
  'from another object': (fn, source) => ({ fn }).fn(source),
  'as a tag': (fn) => fn`x`,
  'through a proxy': (fn, source) => new Proxy(fn, {})(source),
  'as a then callback': (fn, source) => Promise.resolve(source).then(fn),
};

/** Records every access to an object and to the objects that it returns. */
function recorder(log, name, target) {
  return new Proxy(target, {
    get(object, key) {
      log.push(`get ${name}.${String(key)}`);
      const value = object[key];
      return value && typeof value === 'object' && tag(value) === '[object Object]'
        ? recorder(log, `${name}.${String(key)}`, value)
        : value;
    },
    has: (object, key) => (log.push(`has ${name}.${String(key)}`), key in object),
    ownKeys: (object) => (log.push(`ownKeys ${name}`), Reflect.ownKeys(object)),
    getOwnPropertyDescriptor: (object, key) => (
      log.push(`descriptor ${name}.${String(key)}`), Reflect.getOwnPropertyDescriptor(object, key)
    ),
    getPrototypeOf: (object) => (log.push(`prototype ${name}`), Reflect.getPrototypeOf(object)),
  });
}

const instantiations = {
  'instantiate(bytes)': async (bytes) => bytes,
  'instantiate(module)': (bytes) => WebAssembly.compile(bytes),
  instantiateStreaming: async (bytes) => wasmResponse(bytes),
};
const instantiateAs = (form, source, ...rest) =>
  form === 'instantiateStreaming'
    ? WebAssembly.instantiateStreaming(source, ...rest)
    : WebAssembly.instantiate(source, ...rest);

export default [
  ...cross(Object.entries(functions), Object.entries(receivers), ['big']).map(
    ([[fn, source], [kind, receiver], size]) => ({
      name: `${fn} with this ${kind}, ${size}`,
      run: () => outcome(() => WebAssembly[fn].call(receiver(), source(size)), useResult),
    }),
  ),
  ...cross(Object.entries(functions), Object.entries(forms), sizes).map(([[fn, source], [kind, form], size]) => ({
    name: `${fn}, ${kind}, ${size}`,
    run: () =>
      outcome(
        () => form(WebAssembly[fn], source(size)),
        (value) => (fn === 'validate' ? show(value) : useResult(value)),
      ),
  })),

  ...cross(Object.keys(instantiations), sizes).map(([form, size]) => ({
    name: `when the imports are read, ${form}, ${size}`,
    async run() {
      const log = [];
      const source = await instantiations[form](bytesOf('hosted', size));
      const imports = recorder(log, 'imports', hostedImports());
      const promise = instantiateAs(form, source, imports);
      log.push('returned');
      Promise.resolve().then(() => log.push('microtask'));
      const seen = await outcome(() => promise, tag);
      return { ...seen, log };
    },
  })),
  ...cross(Object.keys(instantiations), ['magic', 'nothing'], sizes).map(([form, wrong, size]) => ({
    name: `imports of a call that fails, ${wrong}, ${form}, ${size}`,
    async run() {
      const log = [];
      const bytes = bytesOf('hosted', size);
      if (wrong === 'magic' && form !== 'instantiate(module)') bytes[0] = 1;
      const source = await instantiations[form](bytes);
      const imports = recorder(log, 'imports', wrong === 'magic' ? hostedImports() : {});
      const seen = await outcome(() => instantiateAs(form, source, imports), tag);
      return { ...seen, log };
    },
  })),
  ...cross(Object.keys(instantiations), sizes).map(([form, size]) => ({
    name: `calls of the start function, ${form}, ${size}`,
    async run() {
      const log = [];
      const source = await instantiations[form](bytesOf('startsHost', size));
      const promise = instantiateAs(form, source, { env: { f: (...args) => log.push(`start ${args.length}`) } });
      log.push('returned');
      await promise;
      log.push('settled');
      return log;
    },
  })),
  ...cross(['bytes', 'invalid bytes', 'nothing'], ['imports', 'wrong imports'], sizes).map(
    ([source, imports, size]) => ({
      name: `which of two errors, ${source} and ${imports}, ${size}`,
      async run() {
        const bytes = source === 'nothing' ? undefined : mainBytes(size);
        if (source === 'invalid bytes') bytes[0] = 1;
        const second = imports === 'imports' ? {} : 'imports';
        return [
          await outcome(() => WebAssembly.instantiate(bytes, second), tag),
          await outcome(() => WebAssembly.instantiateStreaming(bytes && wasmResponse(bytes), second), tag),
        ];
      },
    }),
  ),
  ...sizes.map((size) => ({
    name: `argument list with a getter is read once, ${size}`,
    async run() {
      const log = [];
      const list = {
        get length() {
          log.push('length');
          return 2;
        },
        get 0() {
          log.push('0');
          return mainBytes(size);
        },
        get 1() {
          log.push('1');
          return undefined;
        },
      };
      const results = [];
      for (const fn of ['compile', 'instantiate', 'validate']) {
        results.push(await outcome(() => Reflect.apply(WebAssembly[fn], null, list), tag));
      }
      return [results, log, main[size]];
    },
  })),
];
