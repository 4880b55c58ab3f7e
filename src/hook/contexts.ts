import util from 'node:util';
import type { Context, CreateContextOptions, RunningScriptInNewContextOptions, Script } from 'node:vm';
import { disguise, disguiseMethod, originals, replace } from './disguise.js';
import { early } from './early.js';
import type { install } from './install.js';
import { readOwnScript } from './own-script.js';

type Install = typeof install;

// Captured: programs patch these objects.
const { apply } = Reflect;
const { getOwnPropertyDescriptor, getPrototypeOf, hasOwn } = Object;
const { getBuiltinModule } = process;
const { isProxy } = util.types;

/** What the script gets, and then gives: its `install`, which makes functions of its context. */
interface Host {
  readonly globals: object;
  readonly globalThis: object;
  readonly util: object;
  readonly originals: object;
  install?: Install;
}
type Evaluate = (host: Host) => typeof WebAssembly;

/**
 * Makes Node's functions that create contexts put the hook into them. A context has a `WebAssembly` of its own, whose functions are left
 * alone where the program forbids WebAssembly, or gives the context another `WebAssembly`, or a Proxy, which would notice.
 *
 * @param installIn - replaces the functions of a context
 * @param isAtStart - whether no code of the program has run. Only then `import { createContext }` gets the new functions, too: Node gives
 *   such names what all builtins export now, and a program may have patched some for itself only.
 */
export function installInContexts(
  installIn: (install: Install, namespace: typeof WebAssembly) => void,
  isAtStart: boolean,
): void {
  const vm = getBuiltinModule('node:vm');
  const { createContext, isContext, runInNewContext, Script } = vm;
  const { runInContext, runInNewContext: runScript } = Script.prototype;
  let script: Script | undefined;

  const compile = (): Script => {
    const { file, source } = readOwnScript('in-context.js');
    return new Script(source, { filename: file });
  };

  const prepare = (context: Context): void => {
    try {
      script ??= compile();
      const evaluate = apply(runInContext, script, [context]) as Evaluate;
      const host: Host = { globals: early.globals, globalThis, util, originals };
      const namespace = evaluate(host);
      installIn(host.install as Install, namespace);
    } catch {
      // V8 compiles in this context.
    }
  };

  /** Creates the context of a run. `undefined` where Node is to do that, and to say what is wrong. */
  const contextFor = (object: unknown, options: RunningScriptInNewContextOptions | string | undefined) => {
    const given = contextOptions(options);
    if (!given || !isOrdinary(object) || isContext(object) || !allowsWasm(given)) return undefined;
    const context = createContext(object, given);
    prepare(context);
    return context;
  };

  const functions = {
    createContext(...args: unknown[]): unknown {
      const [object = {}, options] = args;
      const isWithout = typeof object === 'symbol'; // Without such an object the context's global is all there is.
      const isNew = isWithout || (isOrdinary(object) && !isContext(object));
      const context = apply(createContext, vm, args) as Context;
      if (isNew && allowsWasm(options)) prepare(context);
      return context;
    },
    runInNewContext(...args: unknown[]): unknown {
      const [code, object = {}, options] = args as [string, object?, (RunningScriptInNewContextOptions | string)?];
      const context = contextFor(object, options);
      return apply(runInNewContext, vm, context ? [code, context, options] : args);
    },
  };
  const methods = {
    runInNewContext(this: unknown, ...args: unknown[]): unknown {
      const [object = {}, options] = args as [object?, RunningScriptInNewContextOptions?];
      const context = this instanceof Script ? contextFor(object, options) : undefined;
      return apply(runScript, this, context ? [context, options] : args);
    },
  };
  replace(vm, 'createContext', disguise(functions.createContext, createContext));
  replace(vm, 'runInNewContext', disguise(functions.runInNewContext, runInNewContext));
  replace(Script.prototype, 'runInNewContext', disguiseMethod(methods.runInNewContext as typeof runScript, runScript));
  if (isAtStart) getBuiltinModule('node:module').syncBuiltinESMExports();
}

/** Whether a look for `WebAssembly` in the object calls no code of the program, and finds nothing. */
function isOrdinary(object: unknown): object is object {
  if ((typeof object !== 'object' && typeof object !== 'function') || object === null) return false;
  for (let each = object; each !== null; each = getPrototypeOf(each)) {
    if (isProxy(each) || hasOwn(each, 'WebAssembly')) return false;
  }
  return true;
}

/** Whether these options of `createContext` let the context compile WebAssembly. */
function allowsWasm(options: unknown): boolean {
  const generation = plainValue(options, 'codeGeneration');
  return generation !== UNKNOWN && [undefined, true].includes(plainValue(generation, 'wasm') as boolean);
}

const UNKNOWN = Symbol('a getter');

/** The value of a property, without a call of a getter. */
function plainValue(object: unknown, name: string): unknown {
  if (object === undefined) return undefined;
  if (typeof object !== 'object' || object === null || isProxy(object)) return UNKNOWN;
  const own = getOwnPropertyDescriptor(object, name);
  if (own) return 'value' in own ? own.value : UNKNOWN;
  return name in object ? UNKNOWN : undefined;
}

/** The options of `createContext` among those of `runInNewContext`; `undefined` when Node would refuse or call them. */
function contextOptions(
  options: RunningScriptInNewContextOptions | string | undefined,
): CreateContextOptions | undefined {
  if (typeof options === 'string') return {};
  const name = plainValue(options, 'contextName');
  const origin = plainValue(options, 'contextOrigin');
  const codeGeneration = plainValue(options, 'contextCodeGeneration');
  const microtaskMode = plainValue(options, 'microtaskMode');
  const areTexts = [name, origin].every((each) => each === undefined || typeof each === 'string');
  const isKnown = [undefined, 'afterEvaluate'].includes(microtaskMode as string);
  if (!areTexts || !isKnown || codeGeneration === UNKNOWN) return undefined;
  const given = { name, origin, codeGeneration, microtaskMode };
  // Node tells a missing option from one that is undefined.
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as CreateContextOptions;
}
