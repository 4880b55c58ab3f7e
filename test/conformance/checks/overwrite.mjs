// The program replaces, wraps or deletes members of WebAssembly itself, as polyfills and monitoring tools do.
import { mainBytes, sizes } from '../modules.mjs';
import { cross, outcome, property, show, tag, useResult } from '../observe.mjs';
import { patch, remove, restore } from '../patch.mjs';
import { allWays, moduleWays, wasmResponse, waysBySize } from '../ways.mjs';

const members = [
  'compile',
  'validate',
  'instantiate',
  'compileStreaming',
  'instantiateStreaming',
  'Module',
  'Instance',
];
const { Module: OriginalModule } = WebAssembly;
const fake = () => {
  throw new Error('the fake was called');
};

/** Wraps a function as monitoring tools do: passes on the arguments and `this`, and notes the call. */
const wrap = (log, name) => {
  const original = WebAssembly[name];
  return function (...args) {
    log.push(name);
    return new.target ? Reflect.construct(original, args, new.target) : Reflect.apply(original, this, args);
  };
};

const isOriginal = (result) =>
  typeof result === 'boolean' ? result : Object.getPrototypeOf(result.module ?? result) === OriginalModule.prototype;

const changes = {
  'property on Module.prototype': () => patch(OriginalModule.prototype, 'extra', { value: 'seen' }),
  'toStringTag of Module.prototype': () => patch(OriginalModule.prototype, Symbol.toStringTag, { value: 'Mine' }),
  'constructor of Module.prototype': () => patch(OriginalModule.prototype, 'constructor', { value: Object }),
  'property on Module': () => patch(OriginalModule, 'extra', { value: 'seen' }),
  'hasInstance of Module': () => patch(OriginalModule, Symbol.hasInstance, { value: () => false }),
  'Module.exports': () => patch(OriginalModule, 'exports', { value: fake }),
  'Module.imports': () => patch(OriginalModule, 'imports', { value: fake }),
  'Module.customSections': () => patch(OriginalModule, 'customSections', { value: fake }),
  'name of Module': () => patch(OriginalModule, 'name', { value: 'Renamed' }),
  'toStringTag of WebAssembly': () => patch(WebAssembly, Symbol.toStringTag, { value: 'Mine' }),
  'unknown member of WebAssembly': () => patch(WebAssembly, 'cache', { value: 'mine', enumerable: true }),
};

export default [
  ...cross(members, waysBySize(allWays)).map(([member, [way, size]]) => ({
    name: `${member} wrapped, ${way.name}, ${size}`,
    async run() {
      const log = [];
      patch(WebAssembly, member, { value: wrap(log, member) });
      const seen = await outcome(() => way.call(mainBytes(size)), isOriginal);
      return { ...seen, log };
    },
  })),
  ...cross(members, waysBySize(allWays))
    .filter(([member, [way]]) => member !== way.name)
    .map(([member, [way, size]]) => ({
      name: `${member} is a fake, ${way.name}, ${size}`,
      async run() {
        patch(WebAssembly, member, { value: fake });
        return outcome(() => way.call(mainBytes(size)), isOriginal);
      },
    })),
  ...cross(members, waysBySize(allWays))
    .filter(([member, [way]]) => member !== way.name)
    .map(([member, [way, size]]) => ({
      name: `${member} throws when read, ${way.name}, ${size}`,
      async run() {
        patch(WebAssembly, member, { get: fake });
        return outcome(() => way.call(mainBytes(size)), isOriginal);
      },
    })),
  ...members.map((member) => ({
    name: `${member} deleted and assigned`,
    async run() {
      const original = WebAssembly[member];
      const deleted = remove(WebAssembly, member);
      const seen = [deleted, member in WebAssembly, property(WebAssembly, member), show(WebAssembly[member])];
      WebAssembly[member] = original;
      seen.push(property(WebAssembly, member), WebAssembly[member] === original);
      restore();
      return seen;
    },
  })),
  ...members.map((member) => ({
    name: `${member} assigned by ordinary assignment`,
    async run() {
      const original = WebAssembly[member];
      patch(WebAssembly, member, {}); // so that it is put back
      WebAssembly[member] = 5;
      const seen = [WebAssembly[member], property(WebAssembly, member)];
      restore();
      return [...seen, WebAssembly[member] === original];
    },
  })),
  ...cross(Object.entries(changes), waysBySize(moduleWays)).map(([[kind, change], [way, size]]) => ({
    name: `changed: ${kind}, ${way.name}, ${size}`,
    async run() {
      const bytes = mainBytes(size);
      change();
      return outcome(
        () => way.call(bytes),
        (result) => {
          const module = result.module ?? result;
          const seen = [module.extra ?? 'none', tag(module), module instanceof OriginalModule, module.constructor.name];
          restore();
          return [...seen, useResult(result)];
        },
      );
    },
  })),
  ...cross(allWays, ['undefined', 'an empty object', 'a copy', 'a proxy'], sizes).map(([way, kind, size]) => ({
    name: `global WebAssembly is ${kind}, ${way.name}, ${size}`,
    async run() {
      const values = {
        undefined: () => undefined,
        'an empty object': () => ({}),
        'a copy': () => Object.create(null, Object.getOwnPropertyDescriptors(WebAssembly)),
        'a proxy': () => new Proxy(WebAssembly, {}),
      };
      const bytes = mainBytes(size);
      patch(globalThis, 'WebAssembly', { value: values[kind]() });
      return outcome(
        () => way.call(bytes),
        (result) => (restore(), useResult(result)),
      );
    },
  })),
  ...sizes.map((size) => ({
    name: `functions taken out at the start still work when WebAssembly is gone, ${size}`,
    async run() {
      const { Module, compile, instantiate, compileStreaming } = WebAssembly;
      const bytes = mainBytes(size);
      const response = wasmResponse(bytes);
      remove(globalThis, 'WebAssembly');
      const results = [
        new Module(bytes),
        await compile(bytes),
        await instantiate(bytes),
        await compileStreaming(response),
      ];
      restore();
      return results.map(useResult);
    },
  })),
  ...sizes.map((size) => ({
    name: `fallback of loaders when instantiateStreaming is missing, ${size}`,
    async run() {
      remove(WebAssembly, 'instantiateStreaming');
      const bytes = mainBytes(size);
      const result = WebAssembly.instantiateStreaming
        ? await WebAssembly.instantiateStreaming(wasmResponse(bytes))
        : await WebAssembly.instantiate(await wasmResponse(bytes).arrayBuffer());
      return useResult(result);
    },
  })),
];
