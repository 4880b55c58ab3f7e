// The WebAssembly namespace object and its functions, looked at without calling them.
import { inspect, types } from 'node:util';
import { properties, property, show, tag } from '../observe.mjs';

const check = (name, run) => ({ name, run: async () => run() });
const names = Reflect.ownKeys(WebAssembly).filter((key) => typeof WebAssembly[key] === 'function');
const callables = [
  ...names.map((name) => [`WebAssembly.${name}`, WebAssembly[name]]),
  ...['exports', 'imports', 'customSections'].map((name) => [`WebAssembly.Module.${name}`, WebAssembly.Module[name]]),
];
const prototypes = names
  .filter((name) => WebAssembly[name].prototype)
  .map((name) => [name, WebAssembly[name].prototype]);

const attempt = (run) => {
  try {
    return show(run());
  } catch (error) {
    return show(error);
  }
};

/** Aspects of a function that a program can look at. */
const aspects = {
  'own properties': (fn) => properties(fn),
  'name and length': (fn) => [fn.name, fn.length],
  'String()': (fn) => String(fn),
  'Function.prototype.toString': (fn) => Function.prototype.toString.call(fn),
  'Object.prototype.toString': (fn) => tag(fn),
  'util.inspect': (fn) => inspect(fn),
  'util.inspect showing proxies and hidden': (fn) => inspect(fn, { showProxy: true, showHidden: true, depth: 0 }),
  'prototype chain': (fn) => [
    Object.getPrototypeOf(fn) === Function.prototype,
    fn instanceof Function,
    fn.constructor === Function,
    fn.toString === Function.prototype.toString,
  ],
  'is a constructor': (fn) => attempt(() => Reflect.construct(Object, [], fn) instanceof fn),
  'extends from it': (fn) => attempt(() => class extends fn {}.name),
  'what kind util.types says': (fn) => [types.isProxy(fn), types.isAsyncFunction(fn), types.isGeneratorFunction(fn)],
  'caller and arguments': (fn) => [attempt(() => fn.caller), attempt(() => fn.arguments)],
  'own prototype': (fn) => property(fn, 'prototype'),
  'extensible and sealed': (fn) => [Object.isExtensible(fn), Object.isSealed(fn), Object.isFrozen(fn)],
  'for-in and Object.keys': (fn) => {
    const seen = [];
    for (const key in fn) seen.push(key);
    return [seen, Object.keys(fn), JSON.stringify(Object.getOwnPropertyNames(fn))];
  },
};

export default [
  check('own keys in order', () => Reflect.ownKeys(WebAssembly).map(String)),
  check('Object.keys, entries, JSON', () => [
    Object.keys(WebAssembly),
    Object.entries(WebAssembly).length,
    JSON.stringify(WebAssembly),
  ]),
  check('tag and prototype', () => [
    tag(WebAssembly),
    WebAssembly[Symbol.toStringTag],
    String(WebAssembly),
    Object.getPrototypeOf(WebAssembly) === Object.prototype,
    Object.isExtensible(WebAssembly),
    Object.isFrozen(WebAssembly),
    types.isProxy(WebAssembly),
  ]),
  check('property of globalThis', () => property(globalThis, 'WebAssembly')),
  check('inspect', () => inspect(WebAssembly)),
  check('same function at every look', () => names.map((name) => WebAssembly[name] === WebAssembly[name])),
  check('instanceof ladder of the errors', () =>
    ['CompileError', 'LinkError', 'RuntimeError'].map((name) => [
      Object.getPrototypeOf(WebAssembly[name]) === Error,
      Object.getPrototypeOf(WebAssembly[name].prototype) === Error.prototype,
      String(new WebAssembly[name]('text')),
    ]),
  ),
  check('Module.prototype.constructor', () => WebAssembly.Module.prototype.constructor === WebAssembly.Module),
  check('Module.prototype cannot be replaced', () => {
    const before = WebAssembly.Module.prototype;
    const assigned = Reflect.set(WebAssembly.Module, 'prototype', {});
    return [assigned, WebAssembly.Module.prototype === before];
  }),
  check('writing to name and length', () =>
    names.map((name) => [Reflect.set(WebAssembly[name], 'name', 'x'), Reflect.set(WebAssembly[name], 'length', 9)]),
  ),
  ...Reflect.ownKeys(WebAssembly).map((key) => check(`descriptor of ${String(key)}`, () => property(WebAssembly, key))),
  ...callables.flatMap(([name, fn]) =>
    Object.entries(aspects).map(([aspect, look]) => check(`${name}: ${aspect}`, () => look(fn))),
  ),
  ...prototypes.map(([name, prototype]) =>
    check(`${name}.prototype`, () => [
      properties(prototype),
      tag(prototype),
      Object.getPrototypeOf(prototype) === Object.prototype,
      prototype.constructor === WebAssembly[name],
      inspect(prototype),
    ]),
  ),
];
