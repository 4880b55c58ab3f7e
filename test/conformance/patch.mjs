// Patches globals and puts them back. It works while the globals are patched.
const { getOwnPropertyDescriptor, setPrototypeOf } = Object;
const { defineProperty, deleteProperty } = Reflect;

let last; // a linked list: arrays have a patchable prototype

/** Defines a property until the end of the check. Attributes that are not given stay as they were, or are true for a new property. */
export function patch(object, key, descriptor) {
  const before = getOwnPropertyDescriptor(object, key);
  if (before) setPrototypeOf(before, null); // `Object.prototype.get` must not leak into it
  last = { object, key, before, next: last };
  const enumerable = before?.enumerable ?? false;
  const patched = { __proto__: null, configurable: true, enumerable, ...descriptor };
  if ('value' in patched && !('writable' in patched)) patched.writable = true;
  if (!defineProperty(object, key, patched)) throw new Error(`cannot patch ${String(key)}`);
}

export function remove(object, key) {
  const before = getOwnPropertyDescriptor(object, key);
  if (before) setPrototypeOf(before, null);
  last = { object, key, before, next: last };
  return deleteProperty(object, key);
}

export function restore() {
  for (; last; last = last.next) {
    if (last.before)
      defineProperty(last.object, last.key, last.before); // in place: keeps the order of keys
    else deleteProperty(last.object, last.key);
  }
}
