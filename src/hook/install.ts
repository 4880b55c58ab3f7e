import async_hooks from 'node:async_hooks';
import util from 'node:util';
import type { Hook, LaterLookup, Lookup } from './hook.js';
import { receive, replay } from './response.js';
import { byteLengthOf, haveNoEffect, wireBytesOf } from './wire-bytes-of.js';

// Captured: programs patch these objects. (The globals themselves are captured by the bundle.)
const { apply, construct, ownKeys } = Reflect;
const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, setPrototypeOf } = Object;
const { captureStackTrace } = Error;
const { isView } = ArrayBuffer;
const { isNativeError } = util.types;
const { startsWith } = String.prototype;
const { bind } = Function.prototype;
const functionToString = Function.prototype.toString;

type AnyFunction = (...args: unknown[]) => unknown;
type ModuleConstructor = typeof WebAssembly.Module;
type Source = WebAssembly.WebAssemblyInstantiatedSource;
type Originals = Record<'compile' | 'instantiate' | 'compileStreaming' | 'instantiateStreaming', AnyFunction>;
type Settle = (value: unknown) => void;

/**
 * Replaces the functions of `WebAssembly` through which programs compile. What the hook does not serve goes to the original
 * with the arguments as they came.
 *
 * @throws {TypeError} when `WebAssembly` is frozen; nothing is replaced then.
 */
export function install(namespace: typeof WebAssembly, hook: Hook): void {
  const { Module: OriginalModule } = namespace;
  const { compile, instantiate, compileStreaming, instantiateStreaming } = namespace as never as Record<
    string,
    AnyFunction
  >;
  const original = { compile, instantiate, compileStreaming, instantiateStreaming } as Originals;

  const { minModuleSize } = hook;
  const runOutside = outsideOfCallers();
  const lookUpBy = <T>(look: (wireBytes: Uint8Array) => T, source: unknown, options: unknown): T | undefined => {
    const wireBytes = wireBytesOf(source, minModuleSize);
    if (!wireBytes) return undefined;
    try {
      return haveNoEffect(options, wireBytes) ? look(wireBytes) : undefined;
    } catch {
      return undefined; // The program broke something that the look itself needs.
    }
  };
  const lookUp = (source: unknown, options: unknown) =>
    lookUpBy((wireBytes) => hook.lookUp(wireBytes), source, options);

  /** For what gives a promise: what is served by then is V8's, or comes from the store. */
  const lookUpThen = (
    source: unknown,
    options: unknown,
    serve: (lookup: Lookup | undefined, source: unknown) => unknown,
    caller?: string,
  ): unknown => {
    const found = lookUpBy((wireBytes) => hook.lookUpLater(wireBytes, caller), source, options);
    if (!isLater(found)) return serve(found, source);
    return afterLookUp(found, serve);
  };

  // A derived class, because it reads nothing of `new.target`, and a proxy only for the call without `new`: a `construct`
  // trap would double what a small module pays, and so would a function for its check.
  // biome-ignore-start lint/correctness/noConstructorReturn: the object is V8's, or a clone of one.
  class HookedModule extends null {
    // A bound function leaves `instanceof` to what it is bound to.
    static [Symbol.hasInstance](value: unknown): boolean {
      return value instanceof OriginalModule;
    }

    constructor(source: BufferSource, options: unknown) {
      if (new.target !== entry) return constructSubclass(source, options, new.target);
      let isSmall = false;
      try {
        isSmall = isView(source) && byteLengthOf(source) < minModuleSize;
      } catch {
        // A DataView.
      }
      const lookup = isSmall ? undefined : lookUp(source, options);
      if (lookup?.module) return lookup.module;
      try {
        // Options without effect are left out: V8 would write them into the native code and then refuse it.
        const module = lookup ? new OriginalModule(source) : new OriginalModule(source, options as never);
        if (lookup) hook.learn(lookup, module);
        return module;
      } catch (error) {
        throw withoutFrames(error, HookedModule);
      }
    }
  }
  // biome-ignore-end lint/correctness/noConstructorReturn: see above
  const entry = new Proxy(HookedModule as never as ModuleConstructor, { apply: call });
  const Module = disguise(entry, OriginalModule);

  /** A subclass's prototype is V8's business: left alone. */
  function constructSubclass(source: BufferSource, options: unknown, newTarget: unknown): WebAssembly.Module {
    try {
      return construct(OriginalModule, [source, options as never], newTarget as never);
    } catch (error) {
      throw withoutFrames(error, HookedModule);
    }
  }

  function call(_target: unknown, self: unknown, args: unknown[]): unknown {
    try {
      return apply(OriginalModule as never, self, args);
    } catch (error) {
      throw withoutFrames(error, call);
    }
  }

  // Methods, because these are no constructors and have no prototype, like the originals.
  const replacements = {
    compile(...args: unknown[]): unknown {
      const [given, ...others] = args;
      return lookUpThen(given, others[0], (lookup, source) => {
        if (!lookup) return apply(original.compile, namespace, args.length > 0 ? [source, ...others] : args);
        const { module } = lookup;
        if (module) return later((resolve) => resolve(module));
        return learning(apply(original.compile, namespace, [source]), (compiled) => {
          hook.learn(lookup, compiled as WebAssembly.Module);
        });
      });
    },

    instantiate(...args: unknown[]): unknown {
      const [given, imports, ...others] = args;
      if (!isImports(imports)) return apply(original.instantiate, namespace, args);
      return lookUpThen(given, others[0], (lookup, source) => {
        if (!lookup) {
          return apply(original.instantiate, namespace, args.length > 0 ? [source, ...args.slice(1)] : args);
        }
        const { module } = lookup;
        if (module) {
          return later(async (resolve, reject) => {
            try {
              const instance = await runOutside(() => apply(original.instantiate, namespace, [module, imports]));
              resolve({ module, instance });
            } catch (error) {
              // V8 links in a task of its own, where no function stands on the stack.
              reject(withoutFrames(error, bind));
            }
          });
        }
        return learning(apply(original.instantiate, namespace, [source, imports]), (result) => {
          hook.learn(lookup, (result as Source).module);
        });
      });
    },

    compileStreaming(...args: unknown[]): unknown {
      return streaming(
        original.compileStreaming,
        args,
        args[1] === undefined,
        (result) => result as WebAssembly.Module,
      );
    },

    instantiateStreaming(...args: unknown[]): unknown {
      const isServable = isImports(args[1]) && args[2] === undefined;
      return streaming(original.instantiateStreaming, args, isServable, (result) => (result as Source).module);
    },
  };

  /**
   * The hash of a body is known when all of it is there. V8 then gets a Response that repeats what was received, also after
   * a hit: it finds the restored code among its live modules, and every other effect of the call is its own.
   */
  function streaming(
    call: AnyFunction,
    [source, ...others]: unknown[],
    isServable: boolean,
    moduleOf: (result: unknown) => WebAssembly.Module,
  ): unknown {
    if (!isServable || typeof source !== 'object' || source === null)
      return apply(call, namespace, [source, ...others]);
    let lookup: Lookup | undefined;
    const caller = hook.caller();
    const repeat = async () => {
      const response = await source;
      const received = await receive(response);
      if (!received) return response;
      if (received.wireBytes) await lookUpThen(received.wireBytes, undefined, (found) => (lookup = found), caller);
      return replay(received);
    };
    return learning(apply(call, namespace, [repeat(), ...others]), (result) => {
      if (lookup) hook.learn(lookup, moduleOf(result));
    });
  }

  replace(namespace, 'Module', Module);
  replace(OriginalModule.prototype, 'constructor', Module);
  for (const [name, replacement] of Object.entries(replacements)) {
    const replaced = original[name as keyof typeof replacements];
    if (replaced) replace(namespace, name, disguise(replacement, replaced));
  }

  // A bound function's source has no name: "function () { [native code] }".
  const { toString: showOriginal } = {
    toString(this: unknown): string {
      return apply(functionToString, apply(getShown, shown, [this as object]) ?? this, []);
    },
  };
  shown.set(showOriginal, functionToString);
  replace(Function.prototype, 'toString', showOriginal);
}

/** The replacements, each with the original that it shows when it is asked for its source. */
const shown = new WeakMap<object, object>();
const { get: getShown } = WeakMap.prototype;

/**
 * A function that does what `replacement` does and shows what `original` shows. A bound function, because it shows no
 * source to V8 itself, prints as a function (a proxy does not on Node 26) and takes every own property of the original.
 */
function disguise<T extends object>(replacement: object, original: T): T {
  const disguised = apply(bind, replacement as AnyFunction, [undefined]) as T;
  for (const key of ownKeys(original)) {
    defineProperty(disguised, key, getOwnPropertyDescriptor(original, key) as PropertyDescriptor);
  }
  shown.set(disguised, original);
  return setPrototypeOf(disguised, getPrototypeOf(original));
}

function replace(owner: object, name: string, value: unknown): void {
  defineProperty(owner, name, { ...getOwnPropertyDescriptor(owner, name), value });
}

function isImports(imports: unknown): boolean {
  return imports === undefined || (typeof imports === 'object' && imports !== null) || typeof imports === 'function';
}

/**
 * Gives an error of V8's own the stack that it would have if `from` and what it called were not there. Errors of the
 * program keep theirs.
 */
function withoutFrames(error: unknown, from: object): unknown {
  if (!isNativeError(error)) return error;
  const message = getOwnPropertyDescriptor(error, 'message')?.value;
  if (typeof message === 'string' && apply(startsWith, message, ['WebAssembly.'])) {
    captureStackTrace(error, from as AnyFunction);
  }
  return error;
}

/**
 * Until V8 14 instantiate() runs the program's getters and start functions without the AsyncLocalStorage of its caller. This
 * calls a function so, whoever the caller is.
 */
function outsideOfCallers(): <T>(call: () => T) => T {
  if (Number.parseInt(process.versions.v8, 10) >= 14) return (call) => call();
  const resource = new async_hooks.AsyncResource('wasm-module-cache');
  const { runInAsyncScope } = resource;
  return (call) => apply(runInAsyncScope, resource, [call]);
}

function isLater(found: Lookup | Promise<LaterLookup> | undefined): found is Promise<LaterLookup> {
  return found !== undefined && !('engineId' in found);
}

async function afterLookUp(
  found: Promise<LaterLookup>,
  serve: (lookup: Lookup | undefined, source: unknown) => unknown,
): Promise<unknown> {
  const { lookup, wireBytes } = await found;
  return serve(lookup, wireBytes);
}

/**
 * A promise of V8's own kind that settles in a later task, as V8's do: never within the caller's microtasks. What `settle`
 * throws rejects it; thrown from the task it would end the program.
 */
function later(settle: (resolve: Settle, reject: Settle) => void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        settle(resolve, reject);
      } catch (error) {
        reject(error);
      }
    });
  });
}

/**
 * Looks at what a promise is fulfilled with. The program gets the derived promise: if a handler were added to the original,
 * a rejection that the program does not handle would go unreported, or be reported twice.
 */
async function learning(promise: unknown, learn: (value: unknown) => void): Promise<unknown> {
  const value = await promise;
  learn(value);
  return value;
}
