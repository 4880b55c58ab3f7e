// The results of the calls: their shape and identity, and that two results never share state.
import { inspect, types } from 'node:util';
import { bytesOf, hostedImports, mainBytes, sizes } from '../modules.mjs';
import { cross, properties, show, tag, useInstance, useModule } from '../observe.mjs';
import { bufferWays, moduleWays, waysBySize } from '../ways.mjs';

const moduleOf = (result) => (result instanceof WebAssembly.Module ? result : result.module);
const make = async (way, size) => moduleOf(await way.call(mainBytes(size)));

/** What the checks look at in a module. */
const aspects = {
  'own properties': (module) => properties(module),
  prototype: (module) => [
    Object.getPrototypeOf(module) === WebAssembly.Module.prototype,
    module.constructor === WebAssembly.Module,
    module instanceof WebAssembly.Module,
    module instanceof Object,
  ],
  tag: (module) => [tag(module), String(module), `${module}`, module[Symbol.toStringTag]],
  inspect: (module) => [
    inspect(module),
    inspect(module, { showHidden: true, showProxy: true }),
    inspect({ module }, { depth: 0 }),
    inspect([module], { compact: false }),
  ],
  JSON: (module) => [JSON.stringify(module), JSON.stringify({ module })],
  'kind by util.types': (module) => [
    types.isExternal(module),
    types.isProxy(module),
    types.isModuleNamespaceObject(module),
  ],
  extensible: (module) => [Object.isExtensible(module), Object.isFrozen(module), Object.isSealed(module)],
  enumeration: (module) => {
    const keys = [];
    for (const key in module) keys.push(key);
    return [keys, Object.entries(module), { ...module }];
  },
  comparison: (module) => [module === module, module == `${module}`, Number.isNaN(+module), module + ''],
  'weak references': (module) => [new WeakRef(module).deref() === module, new WeakMap([[module, 1]]).get(module)],
  freezing: (module) => [Object.isFrozen(Object.freeze(module)), useModule(module).exported],
  'changing the prototype': (module) => {
    Object.setPrototypeOf(module, null);
    return [tag(module), Object.keys(WebAssembly.Module.prototype.constructor.exports(module)).length];
  },
};

const shapes = {
  'of instantiate': (bytes) => WebAssembly.instantiate(bytes),
  'of instantiateStreaming': (bytes) =>
    WebAssembly.instantiateStreaming(new Response(bytes, { headers: { 'content-type': 'application/wasm' } })),
};

export default [
  ...cross(Object.entries(aspects), waysBySize(moduleWays)).map(([[aspect, look], [way, size]]) => ({
    name: `module from ${way.name}: ${aspect}, ${size}`,
    run: async () => look(await make(way, size)),
  })),

  ...cross(Object.entries(shapes), sizes).map(([[kind, call], size]) => ({
    name: `result ${kind}, ${size}`,
    async run() {
      const result = await call(mainBytes(size));
      return [
        properties(result),
        Object.getPrototypeOf(result) === Object.prototype,
        Object.isExtensible(result),
        result.instance instanceof WebAssembly.Instance,
        result.module instanceof WebAssembly.Module,
        inspect(result, { depth: 1, breakLength: 80 }),
        useInstance(result.instance),
      ];
    },
  })),

  ...cross(moduleWays, waysBySize(moduleWays)).map(([first, [second, size]]) => ({
    name: `same bytes twice, ${first.name} then ${second.name}, ${size}`,
    async run() {
      const one = await make(first, size);
      one.expando = 1;
      Object.setPrototypeOf(one, { changed: true });
      Object.freeze(one);
      const two = await make(second, size);
      return [one === two, 'expando' in two, Object.isFrozen(two), useModule(two)];
    },
  })),

  ...cross(bufferWays, sizes).map(([way, size]) => ({
    name: `many at once, ${way.name}, ${size}`,
    async run() {
      const bytes = mainBytes(size);
      const modules = (await Promise.all(Array.from({ length: 8 }, () => way.call(bytes)))).map(moduleOf);
      return [new Set(modules).size, new Set(modules.map((module) => JSON.stringify(useModule(module)))).size];
    },
  })),

  ...sizes.map((size) => ({
    name: `all ways at once on the same bytes, ${size}`,
    async run() {
      const bytes = mainBytes(size);
      const modules = (await Promise.all([...moduleWays, ...moduleWays].map((way) => way.call(bytes)))).map(moduleOf);
      return [new Set(modules).size, modules.map((module) => useModule(module).exported)];
    },
  })),

  ...sizes.map((size) => ({
    name: `two instances of one module share no state, ${size}`,
    async run() {
      const module = new WebAssembly.Module(bytesOf('rich', size));
      const instances = [new WebAssembly.Instance(module), await WebAssembly.instantiate(module)];
      const [one, two] = instances.map((instance) => instance.exports);
      one.next();
      one.store(0, 99);
      one.grow(1);
      return [
        [one.next(), two.next(), one.counter.value, two.counter.value],
        [one.load(0), two.load(0), one.memory.buffer.byteLength, two.memory.buffer.byteLength],
        [one.add === two.add, one.add === one.add, one.add === one.addAgain, one.memory === two.memory],
        one.table.get(0) === one.seven,
      ];
    },
  })),

  ...sizes.map((size) => ({
    name: `exports object and functions, ${size}`,
    async run() {
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytesOf('rich', size)));
      return [
        Object.getPrototypeOf(exports),
        Object.isFrozen(exports),
        properties(exports),
        properties(exports.add),
        String(exports.add),
        inspect(exports.add),
        Object.getPrototypeOf(exports.add) === Function.prototype,
      ];
    },
  })),

  ...sizes.map((size) => ({
    name: `imported function comes back as itself, ${size}`,
    async run() {
      const inner = new WebAssembly.Instance(new WebAssembly.Module(bytesOf('rich', size))).exports.fib;
      const imports = hostedImports();
      imports.env.f = inner;
      const { instance } = await WebAssembly.instantiate(bytesOf('hosted', size), imports);
      return [
        instance.exports.f === inner,
        instance.exports.memory === imports.env.memory,
        show(instance.exports.call(10)),
      ];
    },
  })),
];
