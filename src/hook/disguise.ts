import util from 'node:util';

// Captured: programs patch these objects.
const { apply, ownKeys } = Reflect;
const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, setPrototypeOf } = Object;
const { captureStackTrace } = Error;
const { isNativeError } = util.types;
const { startsWith } = String.prototype;
const { bind } = Function.prototype;
const functionToString = Function.prototype.toString;
const { get } = WeakMap.prototype;

type AnyFunction = (...args: unknown[]) => unknown;

/** The replacements of all contexts, each with the original whose source it shows. */
export const originals = new WeakMap<object, object>();

/**
 * A function that does what `replacement` does and looks like `original`. It is a bound function, because that shows no source,
 * prints as a function (a proxy does not on Node 26) and can have every own property of the original.
 */
export function disguise<T extends object>(replacement: object, original: T): T {
  return disguiseMethod(apply(bind, replacement as AnyFunction, [undefined]) as T, original);
}

/** As {@link disguise}, for a method, which needs its `this`: `disguised` itself gets the looks of the original. */
export function disguiseMethod<T extends object>(disguised: T, original: T): T {
  for (const key of ownKeys(original)) {
    defineProperty(disguised, key, getOwnPropertyDescriptor(original, key) as PropertyDescriptor);
  }
  originals.set(disguised, original);
  return setPrototypeOf(disguised, getPrototypeOf(original));
}

/** Makes `Function.prototype.toString` show the source of the original, because that of a bound function has no name. */
export function disguiseSources(): void {
  const { toString: showSource } = {
    toString(this: unknown): string {
      return apply(functionToString, apply(get, originals, [this as object]) ?? this, []);
    },
  };
  originals.set(showSource, functionToString);
  replace(Function.prototype, 'toString', showSource);
}

/** Gives a property another value and leaves its other attributes as they are. */
export function replace(owner: object, name: string, value: unknown): void {
  defineProperty(owner, name, { ...getOwnPropertyDescriptor(owner, name), value });
}

/**
 * Removes `from` and the functions that it called from the stack of an error that V8 made. Errors of the program keep theirs.
 */
export function withoutFrames(error: unknown, from: object): unknown {
  if (!isNativeError(error)) return error;
  const message = getOwnPropertyDescriptor(error, 'message')?.value;
  if (typeof message === 'string' && apply(startsWith, message, ['WebAssembly.'])) {
    captureStackTrace(error, from as AnyFunction);
  }
  return error;
}
