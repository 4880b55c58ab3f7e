import util from 'node:util';

// Reads an argument as V8 reads it: through internal slots. A program's own `byteLength` is never called, nothing throws,
// and what V8 would not take as plain bytes is left to V8.

const { isView } = ArrayBuffer;
const { isArray } = Array;
const { apply, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;
const { includes } = Buffer.prototype;
const { bind, call } = Function.prototype;
const { isProxy } = util.types;

type Getter<T> = (object: unknown) => T;

/** The getter as a plain function. Bound, because that is the fastest way to call one: small modules pay only for this. */
function getter<T>(prototype: object, name: PropertyKey): Getter<T> {
  const { get } = getOwnPropertyDescriptor(prototype, name) as { get: () => T };
  return apply(bind, call, [get]);
}

const TypedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype);
const bufferOf = getter<ArrayBufferLike>(TypedArrayPrototype, 'buffer');
const byteOffsetOf = getter<number>(TypedArrayPrototype, 'byteOffset');
/** @throws {TypeError} for what is no typed array. */
export const byteLengthOf = getter<number>(TypedArrayPrototype, 'byteLength');
const arrayBufferLength = getter<number>(ArrayBuffer.prototype, 'byteLength');

/**
 * A view of the bytes behind a BufferSource of at least `minLength` bytes. `undefined` for anything else, among it shared
 * memory: another thread could change it between our reading and V8's.
 */
export function wireBytesOf(source: unknown, minLength: number): Uint8Array | undefined {
  if (source === null || typeof source !== 'object') return undefined;
  try {
    if (!isView(source)) {
      return arrayBufferLength(source) < minLength ? undefined : new Uint8Array(source as ArrayBuffer);
    }
    const byteLength = byteLengthOf(source);
    if (byteLength < minLength) return undefined;
    const buffer = bufferOf(source);
    arrayBufferLength(buffer);
    return new Uint8Array(buffer, byteOffsetOf(source), byteLength);
  } catch {
    return undefined; // Not a BufferSource, a DataView (some V8s refuse it), shared, detached, or out of bounds.
  }
}

/**
 * Whether the module is the same with these compile options as without. They are about imports from certain modules, and
 * the name of a module that is imported from stands in the wire bytes. Node's own loader gives such options for every
 * `import './a.wasm'`. Only a plain object with plain values is looked into; anything else is left to V8.
 */
export function haveNoEffect(options: unknown, wireBytes: Uint8Array): boolean {
  if (options === undefined) return true;
  const values = plainValues(options, Object.prototype);
  if (!values) return false;
  const names: unknown[] = [];
  for (const [key, value] of values) {
    if (key === 'importedStringConstants') {
      names.push(value);
    } else if (key === 'builtins') {
      const builtins = !isProxy(value) && isArray(value) ? plainValues(value, Array.prototype) : undefined;
      if (!builtins) return false;
      for (const [index, name] of builtins) {
        if (index !== 'length') names.push(typeof name === 'string' ? `wasm:${name}` : undefined);
      }
    } else {
      return false;
    }
  }
  const bytes = Buffer.from(wireBytes.buffer, wireBytes.byteOffset, wireBytes.byteLength);
  return names.every((name) => typeof name === 'string' && name !== '' && apply(includes, bytes, [name]) === false);
}

/** The own properties of a plain object, without calling anything of the program's. */
function plainValues(object: unknown, prototype: object): [PropertyKey, unknown][] | undefined {
  if (object === null || typeof object !== 'object' || isProxy(object)) return undefined;
  const found = getPrototypeOf(object);
  if (found !== prototype && found !== null) return undefined;
  if (found === Object.prototype && ('builtins' in found || 'importedStringConstants' in found)) return undefined;
  const values: [PropertyKey, unknown][] = [];
  for (const key of ownKeys(object)) {
    const descriptor = getOwnPropertyDescriptor(object, key) as PropertyDescriptor;
    if (!('value' in descriptor) || typeof descriptor.value === 'symbol') return undefined;
    values.push([key, descriptor.value]);
  }
  return values;
}
