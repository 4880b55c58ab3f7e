// Imports in all their wrong forms and start functions that fail, for every way to an instance.
import { inspect } from 'node:util';
import vm from 'node:vm';
import { bytesOf, hostedImports, sizes } from '../modules.mjs';
import { cross, firstLine, outcome, properties, show, tag, useInstance } from '../observe.mjs';
import { instanceWays, waysBySize } from '../ways.mjs';

const throws = () => {
  throw new RangeError('an import getter');
};
const changed = (change) => () => {
  const imports = hostedImports();
  change(imports.env, imports);
  return imports;
};
const put = (key, value) => changed((env) => Object.defineProperty(env, key, { value: value(), enumerable: true }));
const memory = (initial, maximum) => () => new WebAssembly.Memory({ initial, maximum });
const global = (value, mutable) => () => new WebAssembly.Global({ value, mutable }, value === 'i64' ? 1n : 1);

/** The arguments after the source; an empty list passes none. */
const imports = {
  'right ones': () => [hostedImports()],
  'no argument': () => [],
  undefined: () => [undefined],
  null: () => [null],
  number: () => [1],
  string: () => ['env'],
  symbol: () => [Symbol('imports')],
  'empty object': () => [{}],
  'an array': () => [[]],
  'a function as object': () => [Object.assign(() => {}, hostedImports())],
  'a proxy': () => [new Proxy(hostedImports(), {})],
  'a throwing proxy': () => [new Proxy({}, { get: throws })],
  'null-prototype objects': () => [Object.assign(Object.create(null), hostedImports())],
  inherited: () => [Object.create(hostedImports())],
  frozen: () => [
    Object.freeze(Object.fromEntries(Object.entries(hostedImports()).map(([k, v]) => [k, Object.freeze(v)]))),
  ],
  'of another realm': () => [Object.assign(vm.runInNewContext('({})'), hostedImports())],
  'too many': () => [{ ...hostedImports(), more: { x: 1 } }, undefined, 1],
  'second module missing': changed((_, all) => delete all.other),
  'module is null': changed((_, all) => (all.env = null)),
  'module is a number': changed((_, all) => (all.env = 1)),
  'module is a function': changed((env, all) => (all.env = Object.assign(() => {}, env))),
  'module getter throws': changed((_, all) => Object.defineProperty(all, 'other', { get: throws })),
  'function missing': changed((env) => delete env.f),
  'function is an object': put('f', () => ({})),
  'function is a class': put('f', () => class {}),
  'function is bound': put('f', () => Math.abs.bind(null)),
  'function is a proxy': put('f', () => new Proxy((x) => x, {})),
  'function is async': put('f', () => async () => 1),
  'function getter throws': changed((env) => Object.defineProperty(env, 'f', { get: throws })),
  'function of wasm, same type': put(
    'f',
    () => new WebAssembly.Instance(new WebAssembly.Module(bytesOf('rich', 'small'))).exports.fib,
  ),
  'function of wasm, other type': put(
    'f',
    () => new WebAssembly.Instance(new WebAssembly.Module(bytesOf('rich', 'small'))).exports.add,
  ),
  'global missing': changed((env) => delete env.g),
  'global is a string': put('g', () => '1'),
  'global is a bigint': put('g', () => 1n),
  'global is NaN': put('g', () => NaN),
  'global object': put('g', global('i32', false)),
  'global object, mutable': put('g', global('i32', true)),
  'global object, other type': put('g', global('f64', false)),
  'global object, i64': put('g', global('i64', false)),
  'memory missing': changed((env) => delete env.memory),
  'memory is a buffer': put('memory', () => new ArrayBuffer(65_536)),
  'memory too small': put('memory', memory(0, 2)),
  'memory without maximum': put('memory', memory(1)),
  'memory with a bigger maximum': put('memory', memory(1, 3)),
  'memory shared': put('memory', () => new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true })),
  'table missing': changed((env) => delete env.table),
  'table is an array': put('table', () => []),
  'table too small': put('table', () => new WebAssembly.Table({ element: 'anyfunc', initial: 0 })),
  'table of externref': put('table', () => new WebAssembly.Table({ element: 'externref', initial: 1 })),
};
const asList = (value) => (Array.isArray(value) ? value : [value]);

const starts = {
  returns: () => () => 5,
  'throws an Error': () => () => {
    throw new RangeError('from the start function');
  },
  'throws a string': () => () => {
    throw 'text';
  },
  'throws undefined': () => () => {
    throw undefined;
  },
  'throws null': () => () => {
    throw null;
  },
  'throws a frozen object': () => () => {
    throw Object.freeze({ code: 1 });
  },
  'throws a CompileError': () => () => {
    throw new WebAssembly.CompileError('mine');
  },
  'throws a RuntimeError': () => () => {
    throw new WebAssembly.RuntimeError('mine');
  },
  'throws a promise': () => () => {
    throw Promise.resolve(1);
  },
  'overflows the stack': () =>
    function forever() {
      return forever() + 1;
    },
  'gives a rejected promise': () => () => {
    const promise = Promise.reject(new Error('ignored'));
    promise.catch(() => {});
    return promise;
  },
};

/** Values passed instead of a module. */
const notModules = {
  undefined: () => undefined,
  'plain object': () => ({}),
  'object of the prototype': () => Object.create(WebAssembly.Module.prototype),
  bytes: (bytes) => bytes,
  'proxy of a module': (bytes) => new Proxy(new WebAssembly.Module(bytes), {}),
  'module with a changed prototype': (bytes) => Object.setPrototypeOf(new WebAssembly.Module(bytes), null),
  'module with lying properties': (bytes) =>
    Object.defineProperties(new WebAssembly.Module(bytes), { exports: { value: [] }, byteLength: { get: throws } }),
  'frozen module': (bytes) => Object.freeze(new WebAssembly.Module(bytes)),
  'module of another realm': (bytes) => new (vm.runInNewContext('WebAssembly.Module'))(bytes),
  'subclass instance': (bytes) => new (class extends WebAssembly.Module {})(bytes),
};

const lookAtInstance = (result) => {
  const instance = result.instance ?? result;
  return {
    result: tag(result),
    keys: Reflect.ownKeys(result),
    instance: [tag(instance), properties(instance), Object.getPrototypeOf(instance) === WebAssembly.Instance.prototype],
    exports: Object.keys(instance.exports),
    use: useInstance(instance),
    call: instance.exports.call && callOf(instance),
  };
};
const callOf = (instance) => {
  try {
    return show(instance.exports.call(3));
  } catch (error) {
    return show(error);
  }
};

export default [
  ...cross(Object.entries(imports), waysBySize(instanceWays)).map(([[kind, make], [way, size]]) => ({
    name: `imports ${kind}, ${way.name}, ${size}`,
    async run() {
      const source = await way.prepare(bytesOf('hosted', size));
      const list = asList(make());
      return outcome(() => way.call(source, ...list), lookAtInstance);
    },
  })),

  // A module without imports takes anything that is an object.
  ...cross(
    ['no argument', 'undefined', 'null', 'number', 'string', 'empty object', 'a throwing proxy'],
    instanceWays,
    sizes,
  ).map(([kind, way, size]) => ({
    name: `no imports needed, given ${kind}, ${way.name}, ${size}`,
    async run() {
      const source = await way.prepare(bytesOf('rich', size));
      const list = asList(imports[kind]());
      return outcome(
        () => way.call(source, ...list),
        (result) => useInstance(result.instance ?? result),
      );
    },
  })),

  ...cross(Object.entries(starts), waysBySize(instanceWays)).map(([[kind, make], [way, size]]) => ({
    name: `start function that ${kind}, ${way.name}, ${size}`,
    async run() {
      const source = await way.prepare(bytesOf('startsHost', size));
      return outcome(() => way.call(source, { env: { f: make() } }), lookAtInstance);
    },
  })),
  ...cross(instanceWays, sizes).map(([way, size]) => ({
    name: `start function that throws gives the very same object, ${way.name}, ${size}`,
    async run() {
      const source = await way.prepare(bytesOf('startsHost', size));
      const thrown = { mine: true };
      try {
        await way.call(source, {
          env: {
            f() {
              throw thrown;
            },
          },
        });
        return 'no error';
      } catch (error) {
        return error === thrown;
      }
    },
  })),
  ...cross(instanceWays, sizes).map(([way, size]) => ({
    name: `start function that traps, ${way.name}, ${size}`,
    async run() {
      const source = await way.prepare(bytesOf('startsTrap', size));
      try {
        await way.call(source);
        return 'no error';
      } catch (error) {
        return [show(error), firstLine(error.stack), error instanceof WebAssembly.RuntimeError, Reflect.ownKeys(error)];
      }
    },
  })),
  ...cross(instanceWays, sizes).map(([way, size]) => ({
    name: `arguments and this of an imported function, ${way.name}, ${size}`,
    async run() {
      const source = await way.prepare(bytesOf('hosted', size));
      const seen = [];
      const all = hostedImports();
      all.env.f = function (...args) {
        seen.push([show(this), show(args), new.target === undefined]);
        return { valueOf: () => (seen.push('valueOf'), 7.9) };
      };
      const result = await way.call(source, all);
      const { call } = (result.instance ?? result).exports;
      return [call(5), call('6'), call(), call(2 ** 32 + 1, 3), seen];
    },
  })),
  ...cross(instanceWays, sizes).map(([way, size]) => ({
    name: `instantiated twice from one source, ${way.name}, ${size}`,
    async run() {
      const source = await way.prepare(bytesOf('hosted', size));
      const first = await outcome(
        () => way.call(source, hostedImports()),
        (result) => inspect(result).length > 0,
      );
      return [first, await outcome(() => way.call(source, hostedImports()), tag)];
    },
  })),

  ...cross(Object.entries(notModules), ['Instance', 'instantiate'], sizes).map(([[kind, make], fn, size]) => ({
    name: `odd module: ${kind}, ${fn}, ${size}`,
    run() {
      const module = make(bytesOf('rich', size));
      return outcome(
        () => (fn === 'Instance' ? new WebAssembly.Instance(module) : WebAssembly.instantiate(module)),
        (result) => [tag(result), useInstance(result.instance ?? result)],
      );
    },
  })),
];
