// A call uses the bytes as they are at that moment. Whatever the program does to them afterwards has no effect.
import { bytesOf, hostedImports, main, mainBytes, sizes } from '../modules.mjs';
import { cross, outcome, show, useBoth, useInstance, useModule, useResult } from '../observe.mjs';
import { bufferWays } from '../ways.mjs';

const detach = (buffer) => structuredClone(buffer, { transfer: [buffer] });
const withBytes = (buffer, bytes) => {
  new Uint8Array(buffer).set(bytes);
  return buffer;
};
const viewOf = (source) => (ArrayBuffer.isView(source) ? source : new Uint8Array(source));

const sources = {
  Uint8Array: (bytes) => bytes,
  ArrayBuffer: (bytes) => bytes.buffer,
  'Buffer in a pool': (bytes) => Buffer.from(bytes),
  SharedArrayBuffer: (bytes) => withBytes(new SharedArrayBuffer(bytes.length), bytes),
  resizable: (bytes) => withBytes(new ArrayBuffer(bytes.length, { maxByteLength: 100_000 }), bytes),
};
const spoils = {
  'filled with zeros': (source) => viewOf(source).fill(0),
  'wrong magic': (source) => viewOf(source).set([1]),
  'other code': (source) => {
    const view = viewOf(source);
    const at = view.indexOf(0x6a); // the first i32.add
    view[at] = 0x6b;
  },
};
const losses = {
  detached: (source) => detach(ArrayBuffer.isView(source) ? source.buffer : source),
  'shrunk to nothing': (source) => source.resize(0),
  'shrunk to a half': (source) => source.resize(source.byteLength >> 1),
  grown: (source) => source.resize(source.byteLength + 100),
};
const allowed = (loss, source) => (loss === 'detached' ? !/Shared|pool/.test(source) : source === 'resizable');

const after = (way, make, spoil, look) => async () => {
  const source = make();
  return outcome(() => {
    const result = way.call(source);
    spoil(source);
    return result;
  }, look);
};

export default [
  ...cross(Object.entries(sources), Object.entries({ ...spoils, ...losses }), bufferWays, sizes)
    .filter(([[source], [action]]) => action in spoils || allowed(action, source))
    .map(([[source, make], [action, spoil], way, size]) => ({
      name: `${source} ${action} after ${way.name}, ${size}`,
      run: after(way, () => make(mainBytes(size)), spoil, useResult),
    })),

  ...cross(bufferWays, sizes).map(([way, size]) => ({
    name: `bytes made valid after ${way.name}, ${size}`,
    run: after(
      way,
      () => mainBytes(size).fill(9, 0, 1),
      (bytes) => bytes.fill(0, 0, 1),
      useResult,
    ),
  })),

  ...cross(bufferWays, sizes).map(([way, size]) => ({
    name: `bytes turned into another module and compiled again, ${way.name}, ${size}`,
    async run() {
      const other = bytesOf('startsTrap', size);
      const bytes = new Uint8Array(Math.max(other.length, mainBytes(size).length));
      const view = (source) => {
        bytes.set(source);
        return bytes.subarray(0, source.length);
      };
      // A cache that remembers buffers by identity would give the first module twice.
      const first = way.call(view(mainBytes(size)));
      const second = outcome(
        () => way.call(view(other)),
        (result) => Object.keys(result),
      );
      return [await outcome(() => first, useResult), await second];
    },
  })),

  ...cross(bufferWays, sizes).map(([way, size]) => ({
    name: `same buffer changed by one byte and back, ${way.name}, ${size}`,
    async run() {
      const bytes = mainBytes(size);
      const at = bytes.indexOf(0x6a);
      const seen = [];
      for (const code of [0x6a, 0x6b, 0x6a]) {
        bytes[at] = code;
        seen.push(await outcome(() => way.call(bytes), useResult));
      }
      return seen;
    },
  })),

  ...sizes.map((size) => ({
    name: `mutating customSections and exports of a module does not touch it, ${size}`,
    async run() {
      const module = new WebAssembly.Module(mainBytes(size));
      const before = useModule(module);
      for (const section of WebAssembly.Module.customSections(module, 'pad')) new Uint8Array(section).fill(0);
      for (const entry of WebAssembly.Module.exports(module)) entry.name = 'x';
      return [before, useModule(module), show(WebAssembly.Module.customSections(module, 'pad'))];
    },
  })),

  ...cross(['filled', 'detached'], sizes).map(([action, size]) => ({
    name: `bytes ${action} by an import getter during instantiate, ${size}`,
    run() {
      const bytes = bytesOf('hosted', size);
      const imports = hostedImports();
      return outcome(
        () =>
          WebAssembly.instantiate(bytes, {
            get env() {
              if (action === 'filled') bytes.fill(0);
              else if (bytes.buffer.byteLength) detach(bytes.buffer);
              return imports.env;
            },
            other: imports.other,
          }),
        (result) => ({ keys: Object.keys(result), use: useInstance(result.instance) }),
      );
    },
  })),

  ...cross(['filled', 'detached'], bufferWays, sizes).map(([action, way, size]) => ({
    name: `bytes ${action} by an options getter during ${way.name}, ${size}`,
    run() {
      const bytes = mainBytes(size);
      const log = [];
      const options = {
        get builtins() {
          log.push('builtins');
          if (action === 'filled') bytes.fill(0);
          else if (bytes.buffer.byteLength) detach(bytes.buffer);
          return [];
        },
      };
      return outcome(
        () => way.call(bytes, options),
        (result) => [log, useResult(result)],
      );
    },
  })),

  ...cross(['filled', 'detached'], sizes).map(([action, size]) => ({
    name: `bytes ${action} by newTarget.prototype during Reflect.construct, ${size}`,
    run() {
      const bytes = mainBytes(size);
      const newTarget = new Proxy(() => {}, {
        get(target, key) {
          if (key !== 'prototype') return target[key];
          if (action === 'filled') bytes.fill(0);
          else if (bytes.buffer.byteLength) detach(bytes.buffer);
          return WebAssembly.Module.prototype;
        },
      });
      return outcome(() => Reflect.construct(WebAssembly.Module, [bytes], newTarget), useResult);
    },
  })),

  ...sizes.map((size) => ({
    name: `two async calls on one buffer with a change between, ${size}`,
    async run() {
      const bytes = mainBytes(size);
      const first = WebAssembly.compile(bytes);
      bytes[bytes.indexOf(0x6a)] = 0x6b;
      const second = WebAssembly.instantiate(bytes);
      bytes.fill(0);
      return [useModule(await first), useBoth(await second), main[size]];
    },
  })),
];
