import util from 'node:util';

// Reads an argument as V8 reads it: through internal slots. It never calls a program's own `byteLength`, never throws, and leaves
// to V8 what V8 does not take as plain bytes.

const { isView } = ArrayBuffer;
const { isArray } = Array;
const { apply, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;
const { includes } = Buffer.prototype;
const { bind, call } = Function.prototype;
const { isProxy } = util.types;

type Getter<T> = (object: unknown) => T;

/** The getter as a plain function. A bound function is the fastest to call, and its call is all that small modules pay. */
function getter<T>(prototype: object, name: PropertyKey): Getter<T> {
  const { get } = getOwnPropertyDescriptor(prototype, name) as { get: () => T };
  return apply(bind, call, [get]);
}

const TypedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype);
const bufferOf = getter<ArrayBufferLike>(TypedArrayPrototype, 'buffer');
const byteOffsetOf = getter<number>(TypedArrayPrototype, 'byteOffset');
/** @throws {TypeError} for anything but a typed array. */
export const byteLengthOf = getter<number>(TypedArrayPrototype, 'byteLength');
const arrayBufferLength = getter<number>(ArrayBuffer.prototype, 'byteLength');

/**
 * A view of the bytes of a BufferSource of at least `minLength` bytes. `undefined` for anything else. That includes shared memory,
 * which another thread could change between our reading and V8's.
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
 * Whether the module is the same with and without these compile options. The options affect imports from modules of certain
 * names, and such a name is in the wire bytes when the module has such an import. Node's own loader gives options for every
 * `import './a.wasm'`. Only a plain object with plain values is examined. Anything else is left to V8.
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

/** The own properties of a plain object. Calls no code of the program. */
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
