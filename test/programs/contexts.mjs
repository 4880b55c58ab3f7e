// What a program sees of WebAssembly in contexts of node:vm, as JSON: with and without the hook it must be the same. The argument is a way to
// make contexts; without one the functions of node:vm themselves are looked at.
import vm, * as names from 'node:vm';
import { sumModule } from '../../dist/testing/modules.js';

const bytes = sumModule({ padding: 70_000 });
const seen = [];
const see = (what, value) => seen.push([what, value]);
const attempt = (call) => {
  try {
    return String(call());
  } catch (error) {
    return `${error.name}: ${error.message} (${error.code}) ${error instanceof Error}`;
  }
};

/** Runs in the context. Returns what it sees, with promises for the asynchronous part. */
const LOOK = `(() => {
  const seen = [];
  const see = (what, value) => seen.push([what, typeof value === 'function' ? String(value) : value]);
  const caught = (call) => {
    try {
      return ['returned', String(call())];
    } catch (error) {
      return [error instanceof Error, error instanceof WebAssembly.CompileError, error instanceof TypeError, error.message,
        String(error.stack).split('\\n').length];
    }
  };
  for (const owner of [WebAssembly, WebAssembly.Module, WebAssembly.Module.prototype, WebAssembly.compile ?? {}]) {
    for (const key of Reflect.ownKeys(owner)) {
      const { value, get, ...rest } = Reflect.getOwnPropertyDescriptor(owner, key);
      see(String(key), [typeof value, typeof get, JSON.stringify(rest), value?.name, value?.length, typeof value === 'function' && String(value)]);
    }
  }
  see('toString', [String(Function.prototype.toString), Function.prototype.toString.name, Function.prototype.toString.length]);
  see('prototypes', [WebAssembly.Module, WebAssembly.compile].map((each) => Object.getPrototypeOf(each) === Function.prototype));
  const module = new WebAssembly.Module(bytes);
  const facts = (module) => [module instanceof WebAssembly.Module, Object.getPrototypeOf(module) === WebAssembly.Module.prototype,
    module.constructor === WebAssembly.Module, String(module), Reflect.ownKeys(module).length, WebAssembly.Module.exports(module).length,
    Object.isExtensible(module)];
  see('module', facts(module));
  const instance = new WebAssembly.Instance(module);
  see('instance', [instance instanceof WebAssembly.Instance, instance.exports.sum(10), instance.exports.sum instanceof Function]);
  see('again', facts(new WebAssembly.Module(bytes)));
  see('of no module', caught(() => new WebAssembly.Module(Uint8Array.of(1, 2, 3))));
  see('of nothing', caught(() => new WebAssembly.Module()));
  see('without new', caught(() => WebAssembly.Module(bytes)));
  see('subclass', (() => { class Sub extends WebAssembly.Module {} const m = new Sub(bytes); return [m instanceof Sub, ...facts(m).slice(3)]; })());
  const compiled = WebAssembly.compile(bytes);
  const instantiated = WebAssembly.instantiate(bytes);
  see('promises', [compiled instanceof Promise, instantiated instanceof Promise, Object.getPrototypeOf(compiled) === Promise.prototype]);
  const later = Promise.all([
    compiled.then(facts),
    instantiated.then((result) => [Object.getPrototypeOf(result) === Object.prototype, Object.keys(result).join(), ...facts(result.module),
      result.instance instanceof WebAssembly.Instance, result.instance.exports.sum(10)]),
    WebAssembly.compile(Uint8Array.of(1)).catch((error) => [error instanceof WebAssembly.CompileError, error.message]),
    WebAssembly.instantiate(bytes, 5).catch((error) => [error instanceof TypeError, error.message]),
  ]).then((all) => [...seen, ...all]);
  return { later, module, Module: WebAssembly.Module };
})()`;

const WAYS = {
  createContext: () => vm.runInContext(LOOK, vm.createContext({ bytes })),
  namedImport: () =>
    vm.runInContext(LOOK, names.createContext({ bytes }, { name: 'other', codeGeneration: { strings: true } })),
  runInNewContext: () => vm.runInNewContext(LOOK, { bytes }, { contextName: 'other', filename: 'look.js' }),
  runInNewContextByName: () => vm.runInNewContext(LOOK, { bytes }, 'look.js'),
  script: () => new vm.Script(LOOK).runInNewContext({ bytes }, { contextCodeGeneration: { strings: false } }),
  ordinaryGlobal: () => {
    const context = vm.createContext(vm.constants?.DONT_CONTEXTIFY ?? {});
    context.bytes = bytes;
    return vm.runInContext(LOOK, context);
  },
  twice: () => vm.runInContext(LOOK, vm.createContext(vm.createContext({ bytes }))),
  proxy: () => {
    const traps = [];
    const sandbox = new Proxy(
      { bytes },
      {
        has(target, key) {
          traps.push(`has ${String(key)}`);
          return key in target;
        },
      },
    );
    const result = vm.runInContext(LOOK, vm.createContext(sandbox));
    see('traps', traps);
    return result;
  },
};

const way = process.argv[2];
if (way) {
  const { later, module, Module } = WAYS[way]();
  see('from outside', [
    module instanceof WebAssembly.Module,
    module instanceof Module,
    String(Module),
    Function.prototype.toString.call(Module),
  ]);
  for (const [index, each] of (await later).entries()) see(index, each);
} else {
  for (const [name, owner] of [
    ['createContext', vm],
    ['runInNewContext', vm],
    ['runInNewContext', vm.Script.prototype],
  ]) {
    const { value, ...rest } = Object.getOwnPropertyDescriptor(owner, name);
    see(name, [
      value.name,
      value.length,
      String(value),
      JSON.stringify(rest),
      Reflect.ownKeys(value).join(),
      names[name] === vm[name],
    ]);
    see('prototype', [typeof value.prototype, 'prototype' in value]);
  }
  const wasm = 'try { new WebAssembly.Module(bytes); 1 } catch (error) { error.name + error.message }';
  const getters = [];
  const withGetter = (name, value) => ({
    get [name]() {
      getters.push(name);
      return value;
    },
  });
  const forbidden = { codeGeneration: { wasm: false } };
  see(
    'forbidden',
    attempt(() => vm.runInContext(wasm, vm.createContext({ bytes }, forbidden))),
  );
  see(
    'forbidden',
    attempt(() => vm.runInNewContext(wasm, { bytes }, { contextCodeGeneration: { wasm: false } })),
  );
  see(
    'getters',
    attempt(() => vm.runInContext(wasm, vm.createContext({ bytes }, withGetter('codeGeneration', { wasm: false })))),
  );
  see(
    'getters',
    attempt(() => vm.runInNewContext(wasm, { bytes }, withGetter('contextCodeGeneration', { wasm: false }))),
  );
  see('getters', getters);
  see(
    'own',
    attempt(() => vm.runInNewContext('WebAssembly.Module', { WebAssembly: { Module: 5 } })),
  );
  see(
    'own getter',
    attempt(() => vm.runInNewContext('1', withGetter('WebAssembly', 1))),
  );
  see('getters', getters);
  for (const args of [
    [1],
    [null],
    ['x'],
    [{}, 1],
    [{}, { name: 1 }],
    [{}, { origin: 1 }],
    [{}, { codeGeneration: 1 }],
    [{}, { codeGeneration: { wasm: 1 } }],
    [{}, { microtaskMode: 'x' }],
    [Object.freeze({})],
    [() => {}],
  ]) {
    see(
      'createContext',
      attempt(() => typeof vm.createContext(...args)),
    );
    see(
      'runInNewContext',
      attempt(() => typeof vm.runInNewContext('this', ...args)),
    );
    see(
      'script',
      attempt(() => typeof new vm.Script('this').runInNewContext(...args)),
    );
  }
  for (const options of [
    { contextName: 1 },
    { contextOrigin: 1 },
    { contextCodeGeneration: 1 },
    { contextCodeGeneration: { wasm: 1 } },
    { microtaskMode: 1 },
  ]) {
    see(
      'runInNewContext',
      attempt(() => vm.runInNewContext('1', {}, options)),
    );
    see(
      'script',
      attempt(() => new vm.Script('1').runInNewContext({}, options)),
    );
  }
  see(
    'no script',
    attempt(() => vm.Script.prototype.runInNewContext.call({})),
  );
  see(
    'no code',
    attempt(() => vm.runInNewContext()),
  );
  see(
    'syntax',
    attempt(() => vm.runInNewContext('(', {})),
  );
  see(
    'isContext',
    attempt(() => {
      const object = {};
      return [vm.createContext(object) === object, vm.isContext(object), vm.createContext(object) === object];
    }),
  );
}
console.log(JSON.stringify(seen));
