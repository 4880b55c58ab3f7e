// The options argument of the compiling functions: what is read from it, in which order, and what it changes.
import { bytesOf, mainBytes, sizes } from '../modules.mjs';
import { cross, listing, outcome, show, tag } from '../observe.mjs';
import { patch, restore } from '../patch.mjs';
import { allWays, waysBySize } from '../ways.mjs';

const throws = () => {
  throw new Error('a getter of the options');
};
const recorded = (log, object) =>
  new Proxy(object, {
    get: (target, key) => (log.push(`get ${String(key)}`), target[key]),
    has: (target, key) => (log.push(`has ${String(key)}`), key in target),
    ownKeys: (target) => (log.push('ownKeys'), Reflect.ownKeys(target)),
    getOwnPropertyDescriptor: (target, key) => (
      log.push(`descriptor ${String(key)}`), Reflect.getOwnPropertyDescriptor(target, key)
    ),
  });

/** Each is made anew; the getters in it write to `log` when they are read. */
const options = {
  undefined: () => undefined,
  null: () => null,
  'empty object': () => ({}),
  'null-prototype object': () => Object.create(null),
  number: () => 1,
  string: () => 'js-string',
  boolean: () => true,
  bigint: () => 1n,
  symbol: () => Symbol('options'),
  array: () => ['js-string'],
  function: () => () => {},
  'unknown option': () => ({ optimise: true }),
  'no builtins': () => ({ builtins: [] }),
  'js-string': () => ({ builtins: ['js-string'] }),
  'js-string twice': () => ({ builtins: ['js-string', 'js-string'] }),
  'unknown builtin': () => ({ builtins: ['unknown'] }),
  'js-string and unknown': () => ({ builtins: ['unknown', 'js-string'] }),
  'builtins undefined': () => ({ builtins: undefined }),
  'builtins null': () => ({ builtins: null }),
  'builtins a string': () => ({ builtins: 'js-string' }),
  'builtins a number': () => ({ builtins: 3 }),
  'builtins of symbols': () => ({ builtins: [Symbol('js-string')] }),
  'builtins of objects': (log) => ({ builtins: [{ toString: () => (log.push('toString'), 'js-string') }] }),
  'builtins of throwing objects': () => ({ builtins: [{ toString: throws }] }),
  'builtins a set': () => ({ builtins: new Set(['js-string']) }),
  'builtins a generator': (log) => ({
    builtins: (function* () {
      log.push('next');
      yield 'js-string';
      log.push('end');
    })(),
  }),
  'builtins array-like': (log) => ({
    builtins: {
      get length() {
        log.push('length');
        return 1;
      },
      get 0() {
        log.push('0');
        return 'js-string';
      },
    },
  }),
  'builtins throwing length': () => ({
    builtins: {
      get length() {
        return throws();
      },
    },
  }),
  'builtins with a hole': () => ({ builtins: [, 'js-string'] }),
  'throwing builtins': () => ({
    get builtins() {
      return throws();
    },
  }),
  'string constants': () => ({ importedStringConstants: 'str' }),
  'string constants of another name': () => ({ importedStringConstants: 'other' }),
  'string constants undefined': () => ({ importedStringConstants: undefined }),
  'string constants null': () => ({ importedStringConstants: null }),
  'string constants a number': () => ({ importedStringConstants: 5 }),
  'string constants a symbol': () => ({ importedStringConstants: Symbol('str') }),
  'string constants an object': (log) => ({
    importedStringConstants: { toString: () => (log.push('toString'), 'str') },
  }),
  'throwing string constants': () => ({
    get importedStringConstants() {
      return throws();
    },
  }),
  'both options': () => ({ builtins: ['js-string'], importedStringConstants: 'str' }),
  'both, read in order': (log) => ({
    get importedStringConstants() {
      log.push('importedStringConstants');
      return 'str';
    },
    get builtins() {
      log.push('builtins');
      return ['js-string'];
    },
  }),
  inherited: () => Object.create({ builtins: ['js-string'], importedStringConstants: 'str' }),
  frozen: () => Object.freeze({ builtins: Object.freeze(['js-string']), importedStringConstants: 'str' }),
  'proxy of empty': (log) => recorded(log, {}),
  'proxy of both': (log) => recorded(log, { builtins: ['js-string'], importedStringConstants: 'str' }),
  'proxy of builtins array': (log) => ({ builtins: recorded(log, ['js-string']) }),
  'throwing proxy': () => new Proxy({}, { get: throws, has: throws, ownKeys: throws }),
};

const look = (result) => {
  if (typeof result === 'boolean') return result;
  if (tag(result) === '[object Object]')
    return { instance: Object.keys(result.instance.exports), ...listing(result.module) };
  const { exports } = tryInstance(result);
  return { ...listing(result), size: exports?.size?.('four'), hello: exports?.hello?.() };
};
const tryInstance = (module) => {
  try {
    return new WebAssembly.Instance(module, { 'wasm:js-string': { length: () => -1 }, str: { hello: 'imported' } });
  } catch (error) {
    return { exports: { hello: () => show(error) } };
  }
};

/** The ways of the suite pass no imports, but this module may need some. */
const imports = () => ({ 'wasm:js-string': { length: () => -1 }, str: { hello: 'imported' } });
const callWith = {
  instantiate: (bytes, value) => WebAssembly.instantiate(bytes, imports(), value),
  instantiateStreaming: (bytes, value) =>
    WebAssembly.instantiateStreaming(
      new Response(bytes, { headers: { 'content-type': 'application/wasm' } }),
      imports(),
      value,
    ),
};

export default [
  ...cross(Object.entries(options), waysBySize(allWays)).map(([[kind, make], [way, size]]) => ({
    name: `${kind}, ${way.name}, ${size}`,
    async run() {
      const log = [];
      const call = callWith[way.name] ?? way.call;
      const seen = await outcome(() => call(bytesOf('strings', size), make(log)), look);
      return { ...seen, log };
    },
  })),

  // Which error comes first: that of the options or that of the bytes?
  ...cross(['throwing builtins', 'string', 'both, read in order'], ['invalid', 'not a buffer'], allWays, sizes).map(
    ([kind, source, way, size]) => ({
      name: `${kind} with ${source}, ${way.name}, ${size}`,
      async run() {
        const log = [];
        const bytes = source === 'invalid' ? mainBytes(size).fill(1, 0, 1) : 'bytes';
        const seen = await outcome(() => way.call(bytes, options[kind](log)), tag);
        return { ...seen, log };
      },
    }),
  ),

  // The cache must not mix up the same bytes with different options.
  ...cross(allWays.slice(0, -1), sizes).map(([way, size]) => ({
    name: `with, without and with options again, ${way.name}, ${size}`,
    async run() {
      const call = callWith[way.name] ?? way.call;
      const seen = [];
      for (const value of [
        { builtins: ['js-string'] },
        undefined,
        { importedStringConstants: 'str' },
        {},
        { builtins: ['js-string'] },
      ]) {
        seen.push(await outcome(() => call(bytesOf('strings', size), value), look));
      }
      return seen;
    },
  })),

  ...cross(['builtins', 'importedStringConstants'], allWays.slice(0, 3), [true, false], sizes).map(
    ([key, way, given, size]) => ({
      name: `Object.prototype.${key} and ${given ? 'empty options' : 'no options'}, ${way.name}, ${size}`,
      async run() {
        const call = callWith[way.name] ?? way.call;
        const bytes = bytesOf('strings', size);
        patch(Object.prototype, key, { value: key === 'builtins' ? ['js-string'] : 'str' });
        let result;
        try {
          result = given ? call(bytes, {}) : call(bytes);
        } finally {
          restore();
        }
        return outcome(() => result, look);
      },
    }),
  ),

  // Position: the second argument of instantiate(bytes) is the imports, the third the options.
  ...cross(['instantiate(bytes)', 'instantiate(module)'], sizes).map(([form, size]) => ({
    name: `options are the third argument, ${form}, ${size}`,
    async run() {
      const source = bytesOf('strings', size);
      const first = form === 'instantiate(bytes)' ? source : new WebAssembly.Module(source);
      const log = [];
      const make = () => recorded(log, { builtins: ['js-string'], importedStringConstants: 'str' });
      return [
        await outcome(() => WebAssembly.instantiate(first, make()), tag),
        await outcome(() => WebAssembly.instantiate(first, {}, make()), tag),
        await outcome(() => WebAssembly.instantiate(first, undefined, make()), tag),
        log,
      ];
    },
  })),
];
