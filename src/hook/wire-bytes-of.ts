// Reads an argument as V8 reads it: through internal slots. A program's own `byteLength` is never called, nothing throws,
// and what V8 would not take as plain bytes is left to V8.

const { isView } = ArrayBuffer;
const { apply, ownKeys, getPrototypeOf } = Reflect;
const { isProxy } = process.getBuiltinModule('node:util').types;

type Getter<T> = (object: unknown) => T;

function getter<T>(prototype: object, name: PropertyKey): Getter<T> {
  const { get } = Object.getOwnPropertyDescriptor(prototype, name) as { get: () => T };
  return (object) => apply(get, object, []);
}

const TypedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype);
const typedArrayName = getter<string | undefined>(TypedArrayPrototype, Symbol.toStringTag);
const typedArray = {
  buffer: getter<ArrayBufferLike>(TypedArrayPrototype, 'buffer'),
  byteOffset: getter<number>(TypedArrayPrototype, 'byteOffset'),
  byteLength: getter<number>(TypedArrayPrototype, 'byteLength'),
};
const dataView = {
  buffer: getter<ArrayBufferLike>(DataView.prototype, 'buffer'),
  byteOffset: getter<number>(DataView.prototype, 'byteOffset'),
  byteLength: getter<number>(DataView.prototype, 'byteLength'),
};
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
    const slots = typedArrayName(source) === undefined ? dataView : typedArray;
    const byteLength = slots.byteLength(source);
    if (byteLength < minLength) return undefined;
    const buffer = slots.buffer(source);
    arrayBufferLength(buffer);
    return new Uint8Array(buffer, slots.byteOffset(source), byteLength);
  } catch {
    return undefined; // Not a BufferSource, shared, detached, or out of bounds.
  }
}

/** Whether V8 would read no compile option from this: a plain object without properties. */
export function isEmptyOptions(options: unknown): boolean {
  if (options === null || typeof options !== 'object' || isProxy(options)) return false;
  const prototype = getPrototypeOf(options);
  if (prototype !== null && prototype !== Object.prototype) return false;
  return ownKeys(options).length === 0 && !('builtins' in options) && !('importedStringConstants' in options);
}
