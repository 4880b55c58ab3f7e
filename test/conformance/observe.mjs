// Turns the values that a program sees into JSON. Everything used here is captured at import, because checks patch the globals.
import { types } from 'node:util';

const { Promise, setImmediate } = globalThis;
const { getOwnPropertyDescriptor, getPrototypeOf, is, prototype: objectPrototype } = Object;
const { ownKeys } = Reflect;
const { isArray } = Array;
const text = String;
const mapArray = Function.prototype.call.bind(Array.prototype.map);
export const tag = Function.prototype.call.bind(objectPrototype.toString);
const { Module, Instance, CompileError, LinkError, RuntimeError } = WebAssembly;
const { imports: importsOf, exports: exportsOf } = Module;
const modulePrototype = Module.prototype;

const errorClasses = new Map(
  [
    ...[Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, DOMException],
    ...[CompileError, LinkError, RuntimeError],
  ].map((type) => [type.prototype, type.name]),
);
const classOf = errorClasses.get.bind(errorClasses);

/** The class by identity, so that one of another realm differs, the message and the code. */
export function showError(error) {
  const known = classOf(getPrototypeOf(error));
  const code = getOwnPropertyDescriptor(error, 'code')?.value;
  return `${known ?? `not-global ${error.name}`}: ${error.message}${code === undefined ? '' : ` [${text(code)}]`}`;
}

export function show(value) {
  switch (typeof value) {
    case 'undefined':
      return '<undefined>';
    case 'number':
      return Number.isFinite(value) && !is(value, -0) ? value : `<${is(value, -0) ? '-0' : value}>`;
    case 'bigint':
      return `${value}n`;
    case 'symbol':
      return text(value);
    case 'function':
      return `<function ${value.name}>`;
    case 'object':
      break;
    default:
      return value;
  }
  if (value === null) return null;
  if (types.isNativeError(value)) return showError(value);
  if (types.isPromise(value)) return '<promise>';
  if (types.isAnyArrayBuffer(value)) return `<${value.byteLength} bytes, ${fingerprint(value)}>`;
  if (isArray(value)) return mapArray(value, (item) => show(item));
  if (getPrototypeOf(value) !== objectPrototype && getPrototypeOf(value) !== null) return tag(value);
  const out = {};
  for (const key of ownKeys(value)) {
    const own = getOwnPropertyDescriptor(value, key);
    out[text(key)] = own.get || own.set ? '<accessor>' : show(own.value);
  }
  return out;
}

export function fingerprint(buffer) {
  const bytes = new Uint8Array(buffer);
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return (hash >>> 0).toString(16);
}

/** The outcome of `call()`: it threw, returned, or its promise was resolved or rejected. `look` describes the value. */
export async function outcome(call, look = show) {
  const end = await ending(call);
  return 'value' in end ? { [end.how]: await look(end.value) } : { [end.how]: show(end.error) };
}

/** Like `outcome`, but returns the value or error itself. */
export async function ending(call) {
  let value;
  try {
    value = call();
  } catch (error) {
    return { how: 'threw', error };
  }
  if (!types.isPromise(value)) return { how: 'returned', value };
  try {
    return { how: 'resolved', value: await value };
  } catch (error) {
    return { how: 'rejected', error };
  }
}

const flag = (descriptor, name, letter) => (descriptor[name] ? letter : '-');
export function property(object, key) {
  const descriptor = getOwnPropertyDescriptor(object, key);
  if (!descriptor) return 'absent';
  const flags = `${flag(descriptor, 'enumerable', 'e')}${flag(descriptor, 'configurable', 'c')}`;
  if ('value' in descriptor)
    return `${flag(descriptor, 'writable', 'w')}${flags} ${JSON.stringify(show(descriptor.value))}`;
  return `${flags} get ${show(descriptor.get)} set ${show(descriptor.set)}`;
}

/** Own keys in their order, each with its descriptor. */
export const properties = (object) => ownKeys(object).map((key) => `${text(key)}: ${property(object, key)}`);

export const listing = (module) => ({
  imports: importsOf(module).map(({ module: from, name, kind }) => `${from}.${name}: ${kind}`),
  exports: exportsOf(module).map(({ name, kind }) => `${name}: ${kind}`),
});

/** What a program can see of a module: its kind, its imports and exports, and that its code runs. */
export function useModule(module) {
  const seen = {
    tag: tag(module),
    prototype: getPrototypeOf(module) === modulePrototype,
    own: ownKeys(module).map(text),
    ...listing(module),
  };
  if (seen.imports.length === 0) seen.exported = useInstance(new Instance(module));
  return seen;
}

export function useInstance(instance) {
  const { add, loop } = instance.exports;
  return { add: add?.(20, 22), loop: loop?.(1000) };
}

/** Describes `{ module, instance }`. */
export const useBoth = (result) => ({
  keys: ownKeys(result).map(text),
  module: useModule(result.module),
  instance: useInstance(result.instance),
});

/** Describes the result of any of the ways. */
export const useResult = (result) =>
  typeof result !== 'object' ? show(result) : tag(result) === '[object Object]' ? useBoth(result) : useModule(result);

/** How many microtask turns a promise takes to settle; 'task' when it needs the event loop. */
export async function microtasksUntilSettled(promise) {
  let settled = false;
  const done = () => {
    settled = true;
  };
  promise.then(done, done);
  for (let turn = 0; turn < 30; turn++) {
    if (settled) return turn;
    await null;
  }
  await promise.then(done, done);
  return 'task';
}

export const firstLine = (stack) => text(stack).split('\n', 1)[0];

/** Frames inside WebAssembly code. They name functions and offsets, never files, so they must survive the cache. */
export const wasmFrames = (stack) => text(stack).match(/^ +at .*wasm:\/\/.*$/gm) ?? [];

export const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** All combinations: cross([1, 2], ['a', 'b']) is [[1, 'a'], [1, 'b'], [2, 'a'], [2, 'b']]. */
export const cross = (...lists) =>
  lists.reduce((rows, items) => rows.flatMap((row) => items.map((item) => [...row, item])), [[]]);
