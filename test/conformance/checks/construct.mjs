// WebAssembly.Module as a constructor: new.target in all its forms, subclasses, and calls without `new`.
import { inherits, inspect } from 'node:util';
import vm from 'node:vm';
import { hostedImports, mainBytes, sizes } from '../modules.mjs';
import { cross, outcome, show, tag, useModule } from '../observe.mjs';

const realm = vm.createContext();
const foreign = (code) => vm.runInContext(code, realm);
const withPrototype = (prototype) => {
  const target = function Target() {};
  target.prototype = prototype;
  return target;
};
const throws = () => {
  throw new Error('a getter of newTarget');
};
/** A constructor whose `prototype` is read through a proxy, since the own property cannot be an accessor. */
const reading = (read) => new Proxy(() => {}, { get: (target, key) => (key === 'prototype' ? read() : target[key]) });

const newTargets = {
  Module: () => WebAssembly.Module,
  'a function': () => withPrototype({ mine: true }),
  'prototype null': () => withPrototype(null),
  'prototype undefined': () => withPrototype(undefined),
  'prototype is a number': () => withPrototype(1),
  'prototype is a string': () => withPrototype('x'),
  'prototype is a function': () => withPrototype(() => {}),
  'prototype is a proxy': () => withPrototype(new Proxy({}, {})),
  'prototype is Array.prototype': () => withPrototype(Array.prototype),
  'prototype getter throws': () => reading(throws),
  'bound function': () => (() => {}).bind(),
  'bound Module': () => WebAssembly.Module.bind(null),
  'bound subclass': () => class extends WebAssembly.Module {}.bind(null),
  'proxy of Module': () => new Proxy(WebAssembly.Module, {}),
  'proxy of a function': () => new Proxy(withPrototype({ mine: 1 }), {}),
  'revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable(() => {}, {});
    revoke();
    return proxy;
  },
  Object: () => Object,
  Array: () => Array,
  Promise: () => Promise,
  Uint8Array: () => Uint8Array,
  Error: () => Error,
  Instance: () => WebAssembly.Instance,
  subclass: () => class Sub extends WebAssembly.Module {},
  'class extends null': () => class extends null {},
  'Module of another realm': () => foreign('WebAssembly.Module'),
  'function of another realm': () => foreign('(function () {})'),
  'function of another realm, prototype null': () =>
    foreign('(() => { const f = function () {}; f.prototype = null; return f; })()'),
  'bound function of another realm': () => foreign('(function () {}).bind()'),
  'arrow function': () => () => {},
  method: () => ({ method() {} }).method,
  'async function': () => async () => {},
  'generator function': () => function* () {},
  'built-in that is no constructor': () => Math.max,
  compile: () => WebAssembly.compile,
  'plain object': () => ({}),
  undefined: () => undefined,
  symbol: () => Symbol('newTarget'),
};

const prototypeOf = (object, newTarget) => {
  const prototype = Object.getPrototypeOf(object);
  if (prototype === WebAssembly.Module.prototype) return 'Module.prototype';
  if (prototype === foreign('WebAssembly.Module.prototype')) return 'Module.prototype of the other realm';
  if (prototype === Object.prototype) return 'Object.prototype';
  if (prototype === foreign('Object.prototype')) return 'Object.prototype of the other realm';
  return prototype === newTarget?.prototype ? 'newTarget.prototype' : 'another';
};
const describe = (newTarget) => (module) => [
  prototypeOf(module, newTarget),
  useModule(module),
  module instanceof WebAssembly.Module,
];

const sources = {
  valid: mainBytes,
  invalid: (size) => mainBytes(size).fill(1, 0, 1),
  empty: () => new Uint8Array(0),
  'not a buffer': () => 'bytes',
};

const logged = (bytes) => {
  const log = [];
  const handler = Object.fromEntries(
    Reflect.ownKeys(Reflect)
      .filter((trap) => typeof trap === 'string')
      .map((trap) => [
        trap,
        (...args) => (
          log.push(`${trap} ${typeof args[1] === 'object' ? '' : String(args[1])}`), Reflect[trap](...args)
        ),
      ]),
  );
  return outcome(
    () => Reflect.construct(WebAssembly.Module, [bytes], new Proxy(WebAssembly.Module, handler)),
    () => 'a module',
  ).then((seen) => ({ ...seen, log }));
};

/** Subclasses; each function returns an instance made from `bytes`. */
const subclasses = {
  'own field': (bytes) =>
    new (class extends WebAssembly.Module {
      field = 1;
    })(bytes),
  'own fields that call': (bytes) =>
    new (class extends WebAssembly.Module {
      list = WebAssembly.Module.exports(this).length;
    })(bytes),
  'private field': (bytes) =>
    new (class extends WebAssembly.Module {
      #secret = 7;
      secret() {
        return this.#secret;
      }
      result = this.secret();
    })(bytes),
  'method and getter': (bytes) =>
    new (class extends WebAssembly.Module {
      get size() {
        return WebAssembly.Module.exports(this).length;
      }
      copy = [this.size];
    })(bytes),
  'constructor with super': (bytes) =>
    new (class extends WebAssembly.Module {
      constructor(source) {
        super(source);
        this.newTarget = new.target.name;
        this.bytes = source.length;
      }
    })(bytes),
  'this before super': (bytes) =>
    new (class extends WebAssembly.Module {
      constructor(source) {
        this.early = 1;
        super(source);
      }
    })(bytes),
  'super twice': (bytes) =>
    new (class extends WebAssembly.Module {
      constructor(source) {
        super(source);
        super(source);
      }
    })(bytes),
  'no super': (bytes) =>
    new (class extends WebAssembly.Module {
      constructor() {}
    })(bytes),
  'returns another object': (bytes) =>
    new (class extends WebAssembly.Module {
      constructor(source) {
        super(source);
        return WebAssembly.Module.prototype;
      }
    })(bytes),
  'default constructor with spread': (bytes) => new (class extends WebAssembly.Module {})(...[bytes, undefined, 3]),
  'of a subclass': (bytes) =>
    new (class extends class Middle extends WebAssembly.Module {
      middle = 1;
    } {
      top = 2;
    })(bytes),
  'own toStringTag': (bytes) =>
    new (class extends WebAssembly.Module {
      get [Symbol.toStringTag]() {
        return 'Mine';
      }
    })(bytes),
  'own Symbol.hasInstance': (bytes) =>
    new (class extends WebAssembly.Module {
      static [Symbol.hasInstance]() {
        return true;
      }
    })(bytes),
  'function and Reflect.construct': (bytes) => {
    function Old(source) {
      return Reflect.construct(WebAssembly.Module, [source], new.target);
    }
    Object.setPrototypeOf(Old.prototype, WebAssembly.Module.prototype);
    return new Old(bytes);
  },
  'util.inherits and call': (bytes) => {
    function Old(source) {
      WebAssembly.Module.call(this, source);
    }
    inherits(Old, WebAssembly.Module);
    return new Old(bytes);
  },
  'super replaced': (bytes) => {
    class Sub extends WebAssembly.Module {}
    Object.setPrototypeOf(
      Sub,
      class {
        constructor() {
          this.base = 'other';
        }
      },
    );
    return new Sub(bytes);
  },
};

const calls = {
  'no this': (bytes) => (0, WebAssembly.Module)(bytes),
  'as a method': (bytes) => WebAssembly.Module(bytes),
  'this is a module': (bytes) => WebAssembly.Module.call(new WebAssembly.Module(bytes), bytes),
  'this is an object of the prototype': (bytes) =>
    WebAssembly.Module.call(Object.create(WebAssembly.Module.prototype), bytes),
  'Reflect.apply': (bytes) => Reflect.apply(WebAssembly.Module, null, [bytes]),
  'no arguments': () => WebAssembly.Module(),
  'not a buffer': () => WebAssembly.Module(1),
  'optional call': (bytes) => WebAssembly.Module?.(bytes),
  bound: (bytes) => WebAssembly.Module.bind(null, bytes)(),
  'new without arguments': () => new WebAssembly.Module(),
  'new without parentheses': () => new WebAssembly.Module(),
  'new with a bound argument': (bytes) => new (WebAssembly.Module.bind(null, bytes))(),
  'new with many arguments': (bytes) => new WebAssembly.Module(bytes, undefined, 1, 2, 3),
  'Reflect.construct of two': (bytes) => Reflect.construct(WebAssembly.Module, [bytes]),
  'Reflect.construct, no list': () => Reflect.construct(WebAssembly.Module),
  'Reflect.construct, array-like': (bytes) => Reflect.construct(WebAssembly.Module, { length: 1, 0: bytes }),
  'Reflect.construct, list with a getter': () =>
    Reflect.construct(WebAssembly.Module, {
      length: 1,
      get 0() {
        throw new Error('argument getter');
      },
    }),
  'new through a proxy': (bytes) => new new Proxy(WebAssembly.Module, {})(bytes),
  'new through a proxy with a trap': (bytes) =>
    new new Proxy(WebAssembly.Module, { construct: (_, args) => ({ args: args.length }) })(bytes),
  'new through module.constructor': (bytes) => new new WebAssembly.Module(bytes).constructor(bytes),
};

const isModule = (value) =>
  tag(value) === '[object WebAssembly.Module]' && Object.getPrototypeOf(value) === WebAssembly.Module.prototype;

export default [
  ...cross(Object.entries(newTargets), Object.entries(sources), sizes)
    .filter(([, [source], size]) => source === 'valid' || (source === 'invalid') === (size === 'big'))
    .map(([[kind, make], [source, bytes], size]) => ({
      name: `newTarget ${kind}, ${source}, ${size}`,
      run() {
        const newTarget = make();
        return outcome(() => Reflect.construct(WebAssembly.Module, [bytes(size)], newTarget), describe(newTarget));
      },
    })),

  ...cross(Object.entries(sources), sizes).map(([[source, bytes], size]) => ({
    name: `what a newTarget proxy is asked, ${source}, ${size}`,
    run: () => logged(bytes(size)),
  })),

  ...cross(Object.entries(subclasses), sizes).map(([[kind, make], size]) => ({
    name: `subclass, ${kind}, ${size}`,
    run: () =>
      outcome(
        () => make(mainBytes(size)),
        (object) => [
          Reflect.ownKeys(object).map((key) => [String(key), show(object[key])]),
          tag(object),
          inspect(object),
          object instanceof WebAssembly.Module,
          object.constructor.name,
        ],
      ),
  })),

  ...cross(Object.entries(subclasses), sizes).map(([[kind, make], size]) => ({
    name: `subclass used by the API, ${kind}, ${size}`,
    async run() {
      const made = await outcome(
        () => make(mainBytes(size)),
        (object) => object,
      );
      const object = made.returned;
      if (!object) return made;
      return [
        await outcome(() => WebAssembly.Module.exports(object).length),
        await outcome(() => Object.keys(new WebAssembly.Instance(object).exports).length),
        await outcome(
          () => WebAssembly.instantiate(object),
          (instance) => instance instanceof WebAssembly.Instance,
        ),
        await outcome(
          () => structuredClone(object),
          (copy) => [isModule(copy), Reflect.ownKeys(copy).length],
        ),
      ];
    },
  })),

  ...sizes.map((size) => ({
    name: `statics of a subclass, ${size}`,
    async run() {
      class Sub extends WebAssembly.Module {
        static own = 1;
      }
      const module = new Sub(mainBytes(size));
      return [
        Sub.exports(module).length,
        Sub.imports === WebAssembly.Module.imports,
        Sub.length,
        Sub.name,
        Object.getPrototypeOf(Sub) === WebAssembly.Module,
        await outcome(() => Sub(mainBytes(size))),
        await outcome(() => Sub.compile),
      ];
    },
  })),

  ...cross(Object.entries(calls), sizes).map(([[kind, run], size]) => ({
    name: `call, ${kind}, ${size}`,
    run: () =>
      outcome(
        () => run(mainBytes(size)),
        (value) => (isModule(value) ? useModule(value) : show(value)),
      ),
  })),

  ...sizes.map((size) => ({
    name: `async ways never give a subclass, ${size}`,
    async run() {
      class Sub extends WebAssembly.Module {}
      const compiled = await WebAssembly.compile.call(Sub, mainBytes(size));
      const { module } = await WebAssembly.instantiate.call(Sub, mainBytes(size), hostedImports());
      return [compiled, module].map((value) => [isModule(value), value instanceof Sub]);
    },
  })),
];
