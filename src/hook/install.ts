import type { Hook, Lookup } from './hook.js';
import { isEmptyOptions, wireBytesOf } from './wire-bytes-of.js';

// Captured: programs patch these objects. (The globals themselves are captured by the bundle.)
const { apply, construct } = Reflect;
const { defineProperty, getOwnPropertyDescriptor } = Object;
const { captureStackTrace } = Error;
const promiseThen = Promise.prototype.then;

type AnyFunction = (...args: unknown[]) => unknown;
type Namespace = typeof WebAssembly & Record<string, AnyFunction>;

/**
 * Replaces the functions of `WebAssembly` through which programs compile. The replacements are proxies: name, length,
 * prototype, static methods and every call that is not handled are those of the original.
 *
 * @throws {TypeError} when `WebAssembly` is frozen; nothing is replaced then.
 */
export function install(namespace: typeof WebAssembly, hook: Hook): void {
  const target = namespace as Namespace;

  const lookUp = (source: unknown, options: unknown): Lookup | undefined => {
    if (options !== undefined && !isEmptyOptions(options)) return undefined;
    const wireBytes = wireBytesOf(source, hook.minModuleSize);
    return wireBytes && hook.lookUp(wireBytes);
  };

  const Module: typeof WebAssembly.Module = new Proxy(namespace.Module, { construct: constructModule });

  function constructModule(
    original: typeof WebAssembly.Module,
    args: unknown[],
    newTarget: unknown,
  ): WebAssembly.Module {
    // A subclass's prototype is V8's business: left alone.
    if (newTarget !== Module) return construct(original, args, newTarget as typeof WebAssembly.Module);
    const lookup = lookUp(args[0], args[1]);
    if (lookup?.module) return lookup.module;
    try {
      const module = construct(original, args as [BufferSource]);
      if (lookup) hook.learn(lookup, module);
      return module;
    } catch (error) {
      // V8's own error gets the stack that it would have without this frame. With options it may be the program's error.
      if (args[1] === undefined) captureStackTrace(error as Error, constructModule);
      throw error;
    }
  }

  const compile = new Proxy(target.compile as unknown as AnyFunction, {
    apply(original, thisArgument, args) {
      const lookup = lookUp(args[0], args[1]);
      if (!lookup) return apply(original, thisArgument, args);
      const { module } = lookup;
      if (module) return later((resolve) => resolve(module));
      return learning(apply(original, thisArgument, args), (compiled) => hook.learn(lookup, compiled as never));
    },
  });

  const instantiate = new Proxy(target.instantiate as unknown as AnyFunction, {
    apply(original, thisArgument, args) {
      const imports = args[1];
      const isValid =
        imports === undefined || (imports !== null && typeof imports === 'object') || typeof imports === 'function';
      const lookup = isValid ? lookUp(args[0], args[2]) : undefined;
      if (!lookup) return apply(original, thisArgument, args);
      const { module } = lookup;
      if (module) {
        return later((resolve, reject) => {
          const instantiated = apply(original, thisArgument, [module, imports]);
          apply(promiseThen, instantiated, [(instance: unknown) => resolve({ module, instance }), reject]);
        });
      }
      return learning(apply(original, thisArgument, args), (result) =>
        hook.learn(lookup, (result as WebAssembly.WebAssemblyInstantiatedSource).module),
      );
    },
  });

  replace(target, { Module, compile, instantiate });
  replace(namespace.Module.prototype as never, { constructor: Module });
}

function replace(owner: Record<string, unknown>, replacements: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(replacements)) {
    const descriptor = getOwnPropertyDescriptor(owner, name);
    if (descriptor) defineProperty(owner, name, { ...descriptor, value });
  }
}

/** A promise of V8's own kind that settles in a later task, as V8's do: never within the caller's microtasks. */
function later(
  settle: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      settle(resolve, reject);
    });
  });
}

/**
 * Looks at what a promise is fulfilled with. The program gets the derived promise: if a handler were added to the original,
 * a rejection that the program does not handle would go unreported, or be reported twice.
 */
function learning(promise: unknown, learn: (value: unknown) => void): unknown {
  return apply(promiseThen, promise as Promise<unknown>, [
    (value: unknown) => {
      learn(value);
      return value;
    },
  ]);
}
