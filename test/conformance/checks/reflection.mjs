// Module.imports, Module.exports, Module.customSections and validate.
import { bothSizes, bytesOf, custom, encode, hostedImports, mainBytes, sizes } from '../modules.mjs';
import { cross, fingerprint, outcome, properties, show, tag } from '../observe.mjs';
import { bufferWays, moduleWays } from '../ways.mjs';

const statics = ['exports', 'imports', 'customSections'];
const names = ['tiny', 'rich', 'hosted', 'startsHost', 'strings'];
const given = {
  nothing: () => [],
  undefined: () => [undefined],
  null: () => [null],
  'plain object': () => [{}],
  bytes: (_, bytes) => [bytes],
  'object of the prototype': () => [Object.create(WebAssembly.Module.prototype)],
  'proxy of a module': (module) => [new Proxy(module, {})],
  instance: (module) => [new WebAssembly.Instance(module)],
  'the prototype': () => [WebAssembly.Module.prototype],
  'the class': () => [WebAssembly.Module],
  'module with another prototype': (module) => [Object.setPrototypeOf(module, null)],
  'module, name missing': (module) => [module],
  'module, undefined name': (module) => [module, undefined],
  'module, null name': (module) => [module, null],
  'module, number name': (module) => [module, 5],
  'module, symbol name': (module) => [module, Symbol('pad')],
  'module, object name': (module) => [module, { toString: () => 'pad' }],
  'module, throwing name': (module) => [
    module,
    {
      toString() {
        throw new Error('name');
      },
    },
  ],
};
const sections = {
  none: [],
  'one empty': custom('x', []),
  'two of one name': [...custom('x', [1]), ...custom('x', [2, 3])],
  'empty name': custom('', [7]),
  'not ASCII': custom('é☃', [1]),
  'surrogate pair': custom('😀', [1]),
  'looks like an object key': [...custom('__proto__', [1]), ...custom('constructor', [2])],
};
const asked = ['x', '', 'é☃', '😀', '__proto__', 'constructor', 'toString', 'missing'];

const describeSections = (list) => list.map((section) => [tag(section), section.byteLength, fingerprint(section)]);
const moduleOf = (result) => (result instanceof WebAssembly.Module ? result : result.module);

export default [
  ...cross(statics, names, bufferWays.slice(0, 2), sizes).map(([fn, name, way, size]) => ({
    name: `${fn} of ${name} from ${way.name}, ${size}`,
    async run() {
      const module = await way.call(bytesOf(name, size));
      const args = fn === 'customSections' ? ['filling'] : [];
      const list = WebAssembly.Module[fn](module, ...args);
      const again = WebAssembly.Module[fn](module, ...args);
      return [
        Array.isArray(list),
        Object.getPrototypeOf(list) === Array.prototype,
        list === again,
        list.length > 0 && list[0] === again[0],
        fn === 'customSections' ? describeSections(list) : show(list),
        list.map((entry) => (fn === 'customSections' ? [] : properties(entry))),
        list.every((entry) => [Object.prototype, ArrayBuffer.prototype].includes(Object.getPrototypeOf(entry))),
      ];
    },
  })),
  ...cross(statics, Object.entries(given), sizes).map(([fn, [kind, make], size]) => ({
    name: `${fn} given ${kind}, ${size}`,
    run: () =>
      outcome(
        () => WebAssembly.Module[fn](...make(new WebAssembly.Module(mainBytes(size)), mainBytes(size))),
        (list) => list.length,
      ),
  })),
  ...cross(statics, sizes).map(([fn, size]) => ({
    name: `${fn} with odd this and as a constructor, ${size}`,
    async run() {
      const module = new WebAssembly.Module(mainBytes(size));
      const call = WebAssembly.Module[fn];
      return [
        await outcome(() => call.call(undefined, module, 'note').length),
        await outcome(() => call.call({}, module, 'note').length),
        await outcome(() => new call(module, 'note')),
      ];
    },
  })),
  ...cross(moduleWays, ['note', 'pad', 'filling', 'name', 'missing'], sizes).map(([way, section, size]) => ({
    name: `custom section ${section} from ${way.name}, ${size}`,
    run: async () =>
      describeSections(WebAssembly.Module.customSections(moduleOf(await way.call(mainBytes(size))), section)),
  })),
  ...cross(Object.entries(sections), sizes).map(([[kind, tail], size]) => ({
    name: `custom sections ${kind}, ${size}`,
    run() {
      const module = new WebAssembly.Module(bothSizes(encode({ tail }))[size]);
      return Promise.resolve(
        asked.map((name) => [name, describeSections(WebAssembly.Module.customSections(module, name))]),
      );
    },
  })),
  ...sizes.map((size) => ({
    name: `exported members by kind, ${size}`,
    async run() {
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytesOf('hosted', size)), hostedImports());
      const rich = new WebAssembly.Instance(new WebAssembly.Module(bytesOf('rich', size))).exports;
      return [exports, rich].map((object) =>
        Object.entries(object).map(([name, value]) => [name, tag(value), typeof value]),
      );
    },
  })),
  ...cross(names, sizes).map(([name, size]) => ({
    name: `validate of ${name}, ${size}`,
    run: async () => [WebAssembly.validate(bytesOf(name, size)), WebAssembly.validate(bytesOf(name, size).subarray(1))],
  })),
];
