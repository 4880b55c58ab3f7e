// Gives every kind of BufferSource, and objects that only look like one, to every function that takes bytes.
import vm from 'node:vm';
import { mainBytes } from '../modules.mjs';
import { cross, outcome, useResult } from '../observe.mjs';
import { bufferWays, validateWay, waysBySize } from '../ways.mjs';

const realm = vm.createContext();
const foreign = (name) => vm.runInContext(name, realm);
const fill = (view, bytes) => {
  new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0).set(bytes);
  return view;
};
const views = [
  ...['Int8', 'Uint8', 'Uint8Clamped', 'Int16', 'Uint16', 'Int32', 'Uint32', 'Float16', 'Float32', 'Float64'],
  ...['BigInt64', 'BigUint64'],
].flatMap((name) => globalThis[`${name}Array`] ?? []);
const shared = (bytes, options) => fill(new SharedArrayBuffer(bytes.length, options), bytes);
const resizable = (bytes, length = bytes.length) => fill(new ArrayBuffer(length, { maxByteLength: 100_000 }), bytes);
const growable = (bytes) => shared(bytes, { maxByteLength: 100_000 });
const surrounded = (bytes) => fill(new Uint8Array(bytes.length + 24).fill(0xff).subarray(8), bytes).buffer;
const detach = (buffer) => structuredClone(buffer, { transfer: [buffer] });
const detached = (make) => (bytes) => {
  const source = make(bytes);
  detach(source.buffer ?? source);
  return source;
};
const lying = (key, descriptor) => (bytes) => Object.defineProperty(bytes, key, descriptor);
const throws = () => {
  throw new Error('a getter of the source');
};

class LyingArray extends Uint8Array {
  get byteLength() {
    return 3;
  }
  get byteOffset() {
    return 1;
  }
  get buffer() {
    return new ArrayBuffer(1);
  }
  get length() {
    return 2;
  }
}
class PlainSubclass extends Uint8Array {}
class BufferSubclass extends ArrayBuffer {
  get byteLength() {
    return 3;
  }
}

const buffers = {
  ArrayBuffer: (bytes) => bytes.buffer,
  ...Object.fromEntries(views.map((View) => [View.name, (bytes) => new View(bytes.buffer)])),
  DataView: (bytes) => new DataView(bytes.buffer),
  ...Object.fromEntries(
    views.map((View) => [
      `${View.name} with offset and length`,
      (bytes) => new View(surrounded(bytes), 8, bytes.length / View.BYTES_PER_ELEMENT),
    ]),
  ),
  'DataView with offset and length': (bytes) => new DataView(surrounded(bytes), 8, bytes.length),
  'Uint8Array with offset, no end': (bytes) => new Uint8Array(surrounded(bytes), 8),
  'Buffer (pooled when small)': (bytes) => Buffer.from(bytes),
  'Buffer.alloc': (bytes) => Buffer.alloc(bytes.length, bytes),
  'Buffer slice': (bytes) => Buffer.from(surrounded(bytes)).subarray(8, 8 + bytes.length),
  SharedArrayBuffer: (bytes) => shared(bytes),
  'Uint8Array on SharedArrayBuffer': (bytes) => new Uint8Array(shared(bytes)),
  'DataView on SharedArrayBuffer': (bytes) => new DataView(shared(bytes)),
  'Uint8Array on SharedArrayBuffer with offset': (bytes) => {
    const buffer = new SharedArrayBuffer(bytes.length + 16);
    return fill(new Uint8Array(buffer, 8, bytes.length), bytes);
  },
  'resizable ArrayBuffer': (bytes) => resizable(bytes),
  'fixed view of resizable': (bytes) => new Uint8Array(resizable(bytes), 0, bytes.length),
  'length-tracking view': (bytes) => new Uint8Array(resizable(bytes)),
  'length-tracking DataView': (bytes) => new DataView(resizable(bytes)),
  'length-tracking view that grew': (bytes) => {
    const buffer = resizable(bytes.subarray(0, 40), 40);
    const view = new Uint8Array(buffer);
    buffer.resize(bytes.length);
    view.set(bytes);
    return view;
  },
  'view out of bounds after a shrink': (bytes) => {
    const buffer = resizable(bytes);
    const view = new Uint8Array(buffer, 8, bytes.length - 8);
    buffer.resize(16);
    return view;
  },
  'tracking view out of bounds after a shrink': (bytes) => {
    const buffer = resizable(bytes);
    const view = new Uint8Array(buffer, 8);
    buffer.resize(4);
    return view;
  },
  'resizable shrunk to nothing': (bytes) => {
    const buffer = resizable(bytes);
    buffer.resize(0);
    return buffer;
  },
  'growable SharedArrayBuffer': (bytes) => growable(bytes),
  'length-tracking view of growable': (bytes) => new Uint8Array(growable(bytes)),
  'DataView of growable': (bytes) => new DataView(growable(bytes)),
  'detached ArrayBuffer': detached((bytes) => bytes.buffer),
  'detached Uint8Array': detached((bytes) => bytes),
  'detached view with offset': detached((bytes) => new Uint8Array(surrounded(bytes), 8, bytes.length)),
  'detached DataView': detached((bytes) => new DataView(bytes.buffer)),
  'detached resizable': detached((bytes) => resizable(bytes)),
  'empty ArrayBuffer': () => new ArrayBuffer(0),
  'empty Uint8Array': () => new Uint8Array(0),
  'empty view at the end': (bytes) => bytes.subarray(bytes.length),
  'view of wasm memory': (bytes) => {
    const memory = new WebAssembly.Memory({ initial: 2 });
    return fill(new Uint8Array(memory.buffer, 64, bytes.length), bytes);
  },
  'view of shared wasm memory': (bytes) => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
    return fill(new Uint8Array(memory.buffer, 64, bytes.length), bytes);
  },
  'wasm memory with zeros behind': (bytes) => fill(new WebAssembly.Memory({ initial: 2 }).buffer, bytes),
  'own byteLength': lying('byteLength', { value: 3 }),
  'own byteOffset': lying('byteOffset', { value: 5 }),
  'own length': lying('length', { value: 3 }),
  'own buffer': lying('buffer', { value: new ArrayBuffer(2) }),
  'own throwing byteLength': lying('byteLength', { get: throws }),
  'own throwing buffer': lying('buffer', { get: throws }),
  'own throwing length': lying('length', { get: throws }),
  'own constructor': lying('constructor', { get: throws }),
  'own toStringTag': lying(Symbol.toStringTag, { value: 'ArrayBuffer' }),
  'own iterator': lying(Symbol.iterator, { get: throws }),
  'own toPrimitive': lying(Symbol.toPrimitive, { get: throws }),
  'own subarray and slice': (bytes) => Object.assign(bytes, { subarray: throws, slice: throws, set: throws }),
  'subclass that lies': (bytes) => new LyingArray(bytes),
  subclass: (bytes) => new PlainSubclass(bytes),
  'null prototype': (bytes) => Object.setPrototypeOf(bytes, null),
  'prototype of Array': (bytes) => Object.setPrototypeOf(bytes, Array.prototype),
  'prototype of another view': (bytes) => Object.setPrototypeOf(new DataView(bytes.buffer), Uint8Array.prototype),
  'prototype of Module': (bytes) => Object.setPrototypeOf(bytes, WebAssembly.Module.prototype),
  'prototype is a proxy': (bytes) => Object.setPrototypeOf(bytes, new Proxy({}, { get: throws, has: throws })),
  'not extensible': (bytes) => Object.preventExtensions(bytes),
  'frozen ArrayBuffer': (bytes) => Object.freeze(bytes.buffer),
  'ArrayBuffer subclass that lies': (bytes) => fill(new BufferSubclass(bytes.length), bytes),
  'ArrayBuffer with own byteLength': (bytes) => Object.defineProperty(bytes.buffer, 'byteLength', { value: 3 }),
  'ArrayBuffer with own slice': (bytes) => Object.defineProperty(bytes.buffer, 'slice', { get: throws }),
  'ArrayBuffer, null prototype': (bytes) => Object.setPrototypeOf(bytes.buffer, null),
  'Uint8Array of another realm': (bytes) => new (foreign('Uint8Array'))(bytes),
  'ArrayBuffer of another realm': (bytes) => fill(new (foreign('ArrayBuffer'))(bytes.length), bytes),
  'DataView of another realm': (bytes) => new (foreign('DataView'))(bytes.buffer),
  'SharedArrayBuffer of another realm': (bytes) => fill(new (foreign('SharedArrayBuffer'))(bytes.length), bytes),
};

const others = {
  'proxy of Uint8Array': (bytes) => new Proxy(bytes, {}),
  'proxy of ArrayBuffer': (bytes) => new Proxy(bytes.buffer, {}),
  'proxy that throws': (bytes) => new Proxy(bytes, { get: throws, has: throws, getPrototypeOf: throws }),
  'array of bytes': (bytes) => [...bytes.subarray(0, 48)],
  'array-like': () => ({ length: 8, 0: 0, 1: 0x61 }),
  'object with buffer and byteLength': (bytes) => ({ buffer: bytes.buffer, byteLength: bytes.length, byteOffset: 0 }),
  'object created from a view': (bytes) => Object.create(bytes),
  'object of Uint8Array.prototype': () => Object.create(Uint8Array.prototype),
  'object that throws when converted': () => ({ valueOf: throws, toString: throws, [Symbol.toPrimitive]: throws }),
  'plain object': () => ({}),
  'null-prototype object': () => Object.create(null),
  function: () => () => {},
  class: () => Uint8Array,
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  zero: () => 0,
  NaN: () => NaN,
  bigint: () => 10n,
  string: () => 'bytes',
  'empty string': () => '',
  symbol: () => Symbol('bytes'),
  Date: () => new Date(0),
  'promise of bytes': (bytes) => Promise.resolve(bytes),
  Blob: (bytes) => new Blob([bytes]),
  Response: (bytes) => new Response(bytes),
  Module: (bytes) => new WebAssembly.Module(bytes),
  'proxy of a Module': (bytes) => new Proxy(new WebAssembly.Module(bytes), {}),
  'object of Module.prototype': () => Object.create(WebAssembly.Module.prototype),
  'object created from a Module': (bytes) => Object.create(new WebAssembly.Module(bytes)),
  'Module of another realm': (bytes) => new (foreign('WebAssembly').Module)(bytes),
  Instance: (bytes) => new WebAssembly.Instance(new WebAssembly.Module(bytes)),
  Memory: () => new WebAssembly.Memory({ initial: 1 }),
};

/** The call must not change the source. This reads the buffer, because the source itself may be a fake. */
const copyOf = (buffer) => (buffer.byteLength === 0 ? Buffer.alloc(0) : Buffer.concat([new Uint8Array(buffer)]));
const { get: bufferOf } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'buffer');
const { get: bufferOfDataView } = Object.getOwnPropertyDescriptor(DataView.prototype, 'buffer');
const backing = (source) => {
  for (const read of [bufferOf, bufferOfDataView]) {
    try {
      return read.call(source);
    } catch {
      // not this kind of view
    }
  }
  return source;
};

const ways = [...bufferWays, validateWay];

export default [
  ...cross(Object.entries(buffers), waysBySize(ways)).map(([[kind, make], [way, size]]) => ({
    name: `${kind}, ${way.name}, ${size}`,
    async run() {
      const source = make(mainBytes(size));
      const buffer = backing(source);
      const before = copyOf(buffer);
      const seen = await outcome(() => way.call(source), useResult);
      return { ...seen, intact: before.equals(copyOf(buffer)) };
    },
  })),
  ...cross(Object.entries(others), waysBySize(ways)).map(([[kind, make], [way, size]]) => ({
    name: `not a buffer: ${kind}, ${way.name}, ${size}`,
    run: () => {
      const source = make(mainBytes(size));
      return outcome(
        () => way.call(source),
        (result) => (result instanceof WebAssembly.Instance ? 'instance' : useResult(result)),
      );
    },
  })),
];
