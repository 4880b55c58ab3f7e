import { disguise, disguiseSources, replace, withoutFrames } from './disguise.js';
import type { LaterLookup, Lookup } from './lookup-result.js';
import type { OpenHook } from './open-hook.js';
import { receive, replay } from './response.js';
import { byteLengthOf, haveNoEffect, wireBytesOf } from './wire-bytes-of.js';

// Captured: programs patch these objects. (The globals themselves are captured by the bundle.)
const { apply, construct } = Reflect;
const { isView } = ArrayBuffer;
const { getPrototypeOf, setPrototypeOf } = Object;
const { bind } = Function.prototype;

type AnyFunction = (...args: unknown[]) => unknown;
type ModuleConstructor = typeof WebAssembly.Module;
type Source = WebAssembly.WebAssemblyInstantiatedSource;
type Originals = Record<'compile' | 'instantiate' | 'compileStreaming' | 'instantiateStreaming', AnyFunction>;
type Settle = (value: unknown) => void;

/**
 * Replaces the functions of `WebAssembly` that compile. A call that the cache does not serve goes to the original with its
 * arguments unchanged.
 *
 * @param minModuleSize - modules with fewer bytes go to the original
 * @param open - called when a larger module comes; `undefined` when the cache cannot work
 * @throws {TypeError} when `WebAssembly` is frozen. Nothing is replaced then.
 */
export function install(namespace: typeof WebAssembly, minModuleSize: number, open: () => OpenHook | undefined): void {
  const { Module: OriginalModule } = namespace;
  const { compile, instantiate, compileStreaming, instantiateStreaming } = namespace as never as Record<
    string,
    AnyFunction
  >;
  const original = { compile, instantiate, compileStreaming, instantiateStreaming } as Originals;

  const { prototype } = OriginalModule;
  /** A look-up makes modules of the main context. */
  const own = (module: WebAssembly.Module) =>
    getPrototypeOf(module) === prototype ? module : setPrototypeOf(module, prototype);
  const runOutside = outsideOfCallers();
  const lookUpBy = <T>(look: (wireBytes: Uint8Array) => T, source: unknown, options: unknown): T | undefined => {
    const wireBytes = wireBytesOf(source, minModuleSize);
    if (!wireBytes) return undefined;
    try {
      return haveNoEffect(options, wireBytes) ? look(wireBytes) : undefined;
    } catch {
      return undefined; // The program broke a function that this needs.
    }
  };
  const lookUp = (source: unknown, options: unknown) =>
    lookUpBy((wireBytes) => open()?.lookup.lookUp(wireBytes), source, options);

  /** For calls that return a promise: the look-up may wait for the store. */
  const lookUpThen = (
    source: unknown,
    options: unknown,
    serve: (lookup: Lookup | undefined, source: unknown) => unknown,
    caller?: string,
  ): unknown => {
    const found = lookUpBy((wireBytes) => open()?.lookup.lookUpLater(wireBytes, caller), source, options);
    if (!isLater(found)) return serve(found, source);
    return afterLookUp(found, serve);
  };

  // A derived class, because it reads no property of `new.target`. The proxy only handles the call without `new`: a `construct`
  // trap would double the cost of a small module, and so would a function around its check.
  // biome-ignore-start lint/correctness/noConstructorReturn: the object is V8's, or a clone of one.
  class HookedModule extends null {
    // A bound function passes `instanceof` on to its target.
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
      if (lookup?.module) return own(lookup.module);
      try {
        // Options without effect are left out: V8 would write them into the native code and then refuse it.
        const module = lookup ? new OriginalModule(source) : new OriginalModule(source, options as never);
        if (lookup) open()?.recorder.record(lookup, module);
        return module;
      } catch (error) {
        throw withoutFrames(error, HookedModule);
      }
    }
  }
  // biome-ignore-end lint/correctness/noConstructorReturn: see above
  const entry = new Proxy(HookedModule as never as ModuleConstructor, { apply: call });
  const Module = disguise(entry, OriginalModule);

  /** V8 reads the prototype of a subclass, so the call goes to V8 unchanged. */
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

  // Methods, because they are no constructors and have no prototype, like the originals.
  const replacements = {
    compile(...args: unknown[]): unknown {
      const [given, ...others] = args;
      return lookUpThen(given, others[0], (lookup, source) => {
        if (!lookup) return apply(original.compile, namespace, args.length > 0 ? [source, ...others] : args);
        const { module } = lookup;
        if (module) return later((resolve) => resolve(own(module)));
        return observing(apply(original.compile, namespace, [source]), (compiled) => {
          open()?.recorder.record(lookup, compiled as WebAssembly.Module);
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
              resolve({ module: own(module), instance });
            } catch (error) {
              // V8 links in a separate task, where no function is on the stack.
              reject(withoutFrames(error, bind));
            }
          });
        }
        return observing(apply(original.instantiate, namespace, [source, imports]), (result) => {
          open()?.recorder.record(lookup, (result as Source).module);
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
   * Hashing needs the whole body. V8 then gets a Response that repeats the body, also after a hit: it finds the restored code
   * among its live modules, and every other effect of the call is its own.
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
    const caller = open()?.reporting.caller();
    const repeat = async () => {
      const response = await source;
      const received = await receive(response);
      if (!received) return response;
      if (received.wireBytes) await lookUpThen(received.wireBytes, undefined, (found) => (lookup = found), caller);
      return replay(received);
    };
    return observing(apply(call, namespace, [repeat(), ...others]), (result) => {
      if (lookup) open()?.recorder.record(lookup, moduleOf(result));
    });
  }

  replace(namespace, 'Module', Module);
  replace(OriginalModule.prototype, 'constructor', Module);
  for (const [name, replacement] of Object.entries(replacements)) {
    const replaced = original[name as keyof typeof replacements];
    if (replaced) replace(namespace, name, disguise(replacement, replaced));
  }

  disguiseSources();
}

function isImports(imports: unknown): boolean {
  return imports === undefined || (typeof imports === 'object' && imports !== null) || typeof imports === 'function';
}

/**
 * Before V8 14, instantiate() runs the program's getters and start functions without the AsyncLocalStorage of its caller. The
 * returned function calls another one in the same way, whoever its caller is.
 */
function outsideOfCallers(): <T>(call: () => T) => T {
  if (Number.parseInt(process.versions.v8, 10) >= 14) return (call) => call();
  const resource = new (process.getBuiltinModule('node:async_hooks').AsyncResource)('wasm-module-cache');
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
 * A promise that settles in a later task, as V8's do, and never within the caller's microtasks. It rejects with the error that
 * `settle` throws, because an error thrown from the task would end the program.
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
 * Passes the value of a promise to `observe`. The program gets the derived promise, because with a handler on the original Node would
 * not report an unhandled rejection, or would report it twice.
 */
async function observing(promise: unknown, observe: (value: unknown) => void): Promise<unknown> {
  const value = await promise;
  observe(value);
  return value;
}
