// The parts of an instance, as in the JavaScript interface's chapters on instances, memories, tables, globals, exported
// functions, tags and exceptions: identity, descriptors, conversions and errors.
import { bytesOf, hostedImports, sizes } from '../modules.mjs';
import { cross, properties, property, show, tag } from '../observe.mjs';
import { moduleWays, waysBySize } from '../ways.mjs';

const instanceFrom = async (way, name, size) => {
  const result = await way.call(bytesOf(name, size));
  return new WebAssembly.Instance(result.module ?? result);
};

const attempt = (run) => {
  try {
    return show(run());
  } catch (error) {
    return error instanceof WebAssembly.Exception ? 'exception' : show(error);
  }
};

/** The values that are compared for an instance `i` of the rich module with the exports `e`. */
const looks = {
  'the instance': (_e, i) => [
    tag(i),
    properties(i),
    Object.isExtensible(i),
    Object.getPrototypeOf(i) === WebAssembly.Instance.prototype,
    i.exports === i.exports,
    attempt(() => {
      i.exports = 1;
    }),
    property(WebAssembly.Instance.prototype, 'exports'),
    attempt(() => Object.getOwnPropertyDescriptor(WebAssembly.Instance.prototype, 'exports').get.call({})),
  ],
  'the exports object': (e) => [
    properties(e),
    Object.getPrototypeOf(e),
    Object.isFrozen(e),
    Object.isSealed(e),
    Object.isExtensible(e),
    Symbol.toStringTag in e,
    'absent' in e,
  ],
  'changing the exports object': (e) => [
    attempt(() => (e.add = 1)),
    attempt(() => (e.other = 1)),
    attempt(() => delete e.add),
    attempt(() => Object.setPrototypeOf(e, {})),
    attempt(() => Object.defineProperty(e, 'add', { value: 1 })),
    Reflect.set(e, 'add', 1),
  ],
  'the order of exports': (e) => [
    Object.keys(e),
    Reflect.ownKeys(e).length,
    JSON.stringify(Object.entries(e).map(String)),
  ],
  'an exported function': (e) => [
    properties(e.add),
    Object.getPrototypeOf(e.add) === Function.prototype,
    String(e.add),
    tag(e.add),
    typeof e.add,
    'prototype' in e.add,
    Object.isExtensible(e.add),
    attempt(() => new e.add(1, 2)),
    attempt(() => Reflect.construct(Object, [], e.add)),
    attempt(() => class extends e.add {}),
    attempt(() => 1 instanceof e.add),
  ],
  'identity of exports': (e) => [
    e.add === e.addAgain,
    e.table.get(0) === e.seven,
    e.table.get(1) === e.add,
    e.table === e.table,
    e.memory === e.memory,
  ],
  'names and lengths of functions': (e) =>
    Object.entries(e)
      .filter(([, value]) => typeof value === 'function')
      .map(([name, value]) => [name, value.name, value.length]),
  'expandos on a function': (e) => {
    e.add.extra = 7;
    return [e.addAgain.extra, e.table.get(1).extra, Object.keys(e.add)];
  },
  'the memory': (e) => [
    tag(e.memory),
    properties(e.memory),
    e.memory.constructor === WebAssembly.Memory,
    e.memory.buffer === e.memory.buffer,
    tag(e.memory.buffer),
    Object.isFrozen(e.memory.buffer),
    e.memory.buffer.byteLength,
    e.memory.buffer.resizable,
    e.memory.buffer.maxByteLength,
    properties(e.memory.buffer),
  ],
  'growing the memory': (e) => {
    const before = e.memory.buffer;
    const view = new Uint8Array(before);
    const results = [e.memory.grow(1), before.byteLength, view.length, e.memory.buffer === before];
    return [
      ...results,
      e.memory.buffer.byteLength,
      attempt(() => e.memory.grow(9)),
      e.memory.grow(0),
      e.grow(1),
      e.grow(1),
    ];
  },
  'growing by what is no number': (e) =>
    [undefined, null, -1, 2 ** 32, NaN, '0', 1n, Symbol('x'), {}].map((by) => attempt(() => e.memory.grow(by))),
  'the buffer cannot be taken away': (e) => [
    attempt(() => structuredClone(e.memory.buffer, { transfer: [e.memory.buffer] })),
    attempt(() => e.memory.buffer.transfer?.()),
    e.memory.buffer.byteLength,
    attempt(() => structuredClone(e.memory)),
  ],
  'what code writes, views see': (e) => {
    const words = new Int32Array(e.memory.buffer);
    e.store(64, 123);
    words[17] = 77;
    return [words[16], e.load(68), new TextDecoder().decode(new Uint8Array(e.memory.buffer, 16, 5))];
  },
  'the table': (e) => [
    tag(e.table),
    properties(e.table),
    e.table.length,
    [0, 1, 2].map((index) => show(e.table.get(index))),
    [3, -1, 2 ** 32, 1.5, NaN, '1', undefined, null, 1n].map((index) => attempt(() => e.table.get(index))),
    attempt(() => e.table.grow(1)),
    attempt(() => e.table.grow(0)),
  ],
  'setting slots': (e) => [
    ...[undefined, null, 1, () => {}, {}, Math.max, e.sqrt].map((value) => attempt(() => e.table.set(2, value))),
    attempt(() => e.table.set(3, null)),
    attempt(() => e.table.set()),
    attempt(() => e.table.set(0)),
    show(e.table.get(0)),
    attempt(() => e.indirect(2)),
  ],
  'the globals': (e) => [
    tag(e.counter),
    properties(e.counter),
    e.counter.value,
    e.answer.value,
    e.counter.valueOf(),
    `${e.counter}`,
    e.counter + 1,
    attempt(() => (e.answer.value = 1)),
    attempt(() => WebAssembly.Global.prototype.valueOf.call({})),
  ],
  'setting a global': (e) =>
    [5, 1.9, 2 ** 32 + 3, '6', null, true, 1n, Symbol('x'), undefined].map((value) =>
      attempt(() => {
        e.counter.value = value;
        return [e.counter.value, e.next()];
      }),
    ),
  'the tag and its exceptions': (e) => {
    let caught;
    try {
      e.raise(42);
    } catch (error) {
      caught = error;
    }
    const own = new WebAssembly.Exception(e.tag, [7]);
    return [
      tag(e.tag),
      properties(e.tag),
      tag(caught),
      caught instanceof WebAssembly.Exception,
      caught instanceof Error,
      caught.is(e.tag),
      caught.getArg(e.tag, 0),
      attempt(() => caught.getArg(e.tag, 1)),
      attempt(() => caught.getArg({}, 0)),
      attempt(() => caught.is(new WebAssembly.Tag({ parameters: ['i32'] }))),
      own.is(e.tag) && own.getArg(e.tag, 0),
      properties(own).map((line) => line.slice(0, 9)),
      attempt(() => new WebAssembly.Exception(e.tag, [])),
      attempt(() => new WebAssembly.Exception(e.tag, ['8']).getArg(e.tag, 0)),
      attempt(() => new WebAssembly.Exception({}, [])),
    ];
  },
  'results of several values': (e) => [tag(e.swap(1, 2)), e.swap(1, 2), e.swap(1, 2) === e.swap(1, 2)],
  'references are kept as they are': (e) => {
    const object = {};
    return [e.same(object) === object, e.same(), e.same(null), e.same(e.add) === e.add, tag(e.same(Symbol.iterator))];
  },
  'conversion of arguments, in order': (e) => {
    const log = [];
    const number = (name) => ({
      valueOf() {
        log.push(name);
        return 1;
      },
    });
    return [e.add(number('first'), number('second')), attempt(() => e.add(number('third'), 1n)), log];
  },
  'calls in calls': (e) => e.add({ valueOf: () => e.fib({ valueOf: () => e.add(2, 3) }) }, 1),
  'a second instance shares nothing': (e, _i, other) => {
    e.store(64, 1);
    e.counter.value = 5;
    e.table.set(0, null);
    return [
      other.exports.load(64),
      other.exports.counter.value,
      attempt(() => other.exports.indirect(0)),
      other.exports.add === e.add,
      other.exports.memory === e.memory,
    ];
  },
};

const looksAtHosted = {
  'what is imported is exported again': ({ env }, e) => [
    e.f === env.f,
    typeof e.f,
    e.f.length,
    e.f.name,
    e.memory === env.memory,
    e.call(5),
  ],
  'an exported function as an import keeps its identity': ({ env, other }, e, build) => {
    const again = build({ env: { ...env, f: e.f }, other });
    return [again.exports.f === e.f, again.exports.call(5)];
  },
  'imports are read once': ({ env, other }, _e, build) => {
    const log = [];
    const reading = (name, object) =>
      new Proxy(object, {
        get(target, key) {
          log.push(`${name}.${String(key)}`);
          return target[key];
        },
      });
    build(reading('imports', { env: reading('env', env), other: reading('other', other) }));
    return log;
  },
  'a host function that changes later': (imports, e) => {
    imports.env.f = () => 1000;
    return e.call(5);
  },
  'what host functions are given': ({ env, other }, _e, build) => {
    const seen = [];
    const { call } = build({
      env: {
        ...env,
        f(...args) {
          seen.push([args.length, this === undefined, new.target === undefined]);
          return '12';
        },
      },
      other,
    }).exports;
    return [call(3), seen];
  },
  'what host functions return': ({ env, other }, _e, build) =>
    [undefined, null, 1.9, '7', 1n, Symbol('x'), {}, [3]].map((value) =>
      attempt(() => build({ env: { ...env, f: () => value }, other }).exports.call(1)),
    ),
  'errors pass through as they are': ({ env, other }, _e, build) => {
    const thrown = {};
    const { call } = build({
      env: {
        ...env,
        f() {
          throw thrown;
        },
      },
      other,
    }).exports;
    try {
      return call(1);
    } catch (error) {
      return error === thrown;
    }
  },
};

export default [
  ...cross(Object.entries(looks), waysBySize(moduleWays)).map(([[name, look], [way, size]]) => ({
    name: `${name}, ${way.name}, ${size}`,
    async run() {
      const [instance, other] = [await instanceFrom(way, 'rich', size), await instanceFrom(way, 'rich', size)];
      return look(instance.exports, instance, other);
    },
  })),
  ...cross(Object.entries(looksAtHosted), sizes).map(([[name, look], size]) => ({
    name: `${name}, ${size}`,
    run() {
      const module = new WebAssembly.Module(bytesOf('hosted', size));
      const imports = hostedImports();
      const build = (given) => new WebAssembly.Instance(module, given);
      return look(imports, build(imports).exports, build);
    },
  })),
];
