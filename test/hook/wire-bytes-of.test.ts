import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import { haveNoEffect, wireBytesOf } from '../../dist/hook/wire-bytes-of.js';

/** 64 different bytes. */
function buffer(options?: { maxByteLength: number }): ArrayBuffer {
  const bytes = new ArrayBuffer(64, options);
  new Uint8Array(bytes).set(Uint8Array.from({ length: 64 }, (_, n) => n));
  return bytes;
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, n) => from + n);
}

function detached<T extends ArrayBuffer | ArrayBufferView>(source: T): T {
  const whole = (ArrayBuffer.isView(source) ? source.buffer : source) as ArrayBuffer;
  structuredClone(whole, { transfer: [whole] });
  return source;
}

/** Makes a view and then the buffer behind it shorter or longer. */
function resized<T>(view: (bytes: ArrayBuffer) => T, length: number): T {
  const bytes = buffer({ maxByteLength: 128 });
  const made = view(bytes);
  bytes.resize(length);
  return made;
}

type ViewClass = new (buffer: ArrayBufferLike, offset: number, length: number) => ArrayBufferView;

/** Every class of typed arrays that this Node has: Float16Array is new in 24. */
const typedArrays = Object.getOwnPropertyNames(globalThis)
  .filter((name) => /^(Big)?(Ui|I)nt\d+(Clamped)?Array$|^Float\d+Array$/.test(name))
  .map(
    (name) =>
      [name, (globalThis as Record<string, unknown>)[name]] as [string, ViewClass & { BYTES_PER_ELEMENT: number }],
  );

describe('wireBytesOf gives the bytes of', () => {
  class Special extends Uint8Array {}
  class SpecialBuffer extends ArrayBuffer {}
  const special = new SpecialBuffer(64);
  new Uint8Array(special).set(numbers(0, 64));
  const memory = new WebAssembly.Memory({ initial: 1 });
  new Uint8Array(memory.buffer).set(numbers(0, 64));

  const sources: [name: string, source: unknown, from: number, to: number][] = [
    ...typedArrays.map(([name, View]): [string, unknown, number, number] => [
      `a part seen as ${name}`,
      new View(buffer(), 16, 32 / View.BYTES_PER_ELEMENT),
      16,
      48,
    ]),
    ['bytes that are not aligned', new Uint8Array(buffer(), 5, 20), 5, 25],
    ['an ArrayBuffer', buffer(), 0, 64],
    ['a Buffer', Buffer.from(buffer(), 8, 16), 8, 24],
    ['a small Buffer of the pool', Buffer.from([1, 2, 3, 4]), 1, 5],
    ['a view of a subclass', new Special(buffer(), 16, 32), 16, 48],
    ['a buffer of a subclass', special, 0, 64],
    ['a view of another realm', runInNewContext('Uint8Array.of(1, 2, 3, 4)'), 1, 5],
    ['a buffer of another realm', runInNewContext('Uint8Array.of(1, 2, 3, 4).buffer'), 1, 5],
    ['a part of the memory of an instance', new Uint8Array(memory.buffer, 0, 64), 0, 64],
    ['a resizable buffer', buffer({ maxByteLength: 128 }), 0, 64],
    ['a resizable buffer that shrank', resized((bytes) => bytes, 40), 0, 40],
    ['a view of fixed length', resized((bytes) => new Uint8Array(bytes, 8, 16), 40), 8, 24],
    ['a view that tracks the length', resized((bytes) => new Uint8Array(bytes, 8), 40), 8, 40],
  ];
  for (const [name, source, from, to] of sources) {
    it(`${name}, from the given size on`, () => {
      for (const minLength of [0, 1, to - from]) {
        assert.deepEqual([...(wireBytesOf(source, minLength) ?? [])], numbers(from, to));
      }
      assert.equal(wireBytesOf(source, to - from + 1), undefined);
    });
  }

  it('a source without copying them', () => {
    const bytes = buffer();
    for (const source of [bytes, new Uint8Array(bytes, 8, 8), new Float64Array(bytes, 8, 1)]) {
      const view = wireBytesOf(source, 0);
      assert.equal(view?.buffer, bytes);
      assert.equal(Object.getPrototypeOf(view), Uint8Array.prototype);
    }
  });

  it('an empty source as an empty view', () => {
    for (const source of [new ArrayBuffer(0), new Uint8Array(0), new BigInt64Array(0)]) {
      assert.equal(wireBytesOf(source, 0)?.length, 0);
      assert.equal(wireBytesOf(source, 1), undefined);
    }
  });
});

describe('wireBytesOf is not fooled by', () => {
  const lies = ['buffer', 'byteOffset', 'byteLength', 'length', Symbol.toStringTag, Symbol.species, 'constructor'];
  const lie = { get: () => assert.fail('a getter of the program was called'), configurable: true };
  const withLies = <T extends object>(source: T): T => {
    for (const name of lies) Object.defineProperty(source, name, lie);
    return source;
  };

  for (const [name, source] of [
    ['a Uint8Array', () => new Uint8Array(buffer())],
    ['a BigInt64Array', () => new BigInt64Array(buffer())],
    ['an ArrayBuffer', () => buffer()],
  ] as const) {
    it(`${name} with properties of its own`, () => {
      assert.deepEqual([...(wireBytesOf(withLies(source()), 64) ?? [])], numbers(0, 64));
    });

    it(`${name} with another prototype`, () => {
      const source2 = Object.setPrototypeOf(source(), withLies({})) as object;
      assert.deepEqual([...(wireBytesOf(source2, 64) ?? [])], numbers(0, 64));
    });
  }

  it('getters that the program replaced', () => {
    const prototypes = [Object.getPrototypeOf(Uint8Array.prototype), ArrayBuffer.prototype];
    const sources = [new Uint8Array(buffer()), buffer()];
    const names = ['buffer', 'byteOffset', 'byteLength'];
    const replaced = prototypes.flatMap((prototype) =>
      names.flatMap((name) => {
        const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
        return descriptor ? [{ prototype, name, descriptor }] : [];
      }),
    );
    let found: (Uint8Array | undefined)[];
    for (const { prototype, name } of replaced) Object.defineProperty(prototype, name, { ...lie, get: () => 3 });
    try {
      found = sources.map((source) => wireBytesOf(source, 64));
    } finally {
      for (const { prototype, name, descriptor } of replaced) Object.defineProperty(prototype, name, descriptor);
    }
    for (const bytes of found) assert.deepEqual([...(bytes ?? [])], numbers(0, 64));
  });
});

describe('wireBytesOf leaves to V8', () => {
  const shared = new SharedArrayBuffer(64);
  const sharedMemory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const revoked = Proxy.revocable(new Uint8Array(8), {});
  revoked.revoke();
  const others: [name: string, source: unknown][] = [
    ...[undefined, null, true, 64, 64n, 'text', Symbol('bytes')].map((each): [string, unknown] => [String(each), each]),
    ['an object', {}],
    ['an array of numbers', numbers(0, 64)],
    ['a function', () => {}],
    ['a module', new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))],
    ['an object like a view', { buffer: buffer(), byteOffset: 0, byteLength: 64, length: 64 }],
    ['an object like a buffer', { byteLength: 64, [Symbol.toStringTag]: 'ArrayBuffer' }],
    ['an object that inherits from a view', Object.create(new Uint8Array(64))],
    ['an object that inherits from a buffer', Object.create(buffer())],
    ['a DataView, which V8 refuses', new DataView(buffer())],
    ['a DataView of another realm', runInNewContext('new DataView(new ArrayBuffer(64))')],
    ['shared memory', shared],
    ['a view of shared memory', new Uint8Array(shared)],
    ['a DataView of shared memory', new DataView(shared)],
    ['a Buffer of shared memory', Buffer.from(shared)],
    ['growable shared memory', new SharedArrayBuffer(64, { maxByteLength: 128 })],
    [
      'a view of shared memory with another prototype',
      Object.setPrototypeOf(new Uint8Array(shared), Uint8Array.prototype),
    ],
    [
      'shared memory with the prototype of a buffer',
      Object.setPrototypeOf(new SharedArrayBuffer(64), ArrayBuffer.prototype),
    ],
    ['the shared memory of an instance', sharedMemory.buffer],
    ['a proxy of a view', new Proxy(new Uint8Array(64), {})],
    ['a proxy of a buffer', new Proxy(buffer(), {})],
    ['a revoked proxy', revoked.proxy],
    ['a detached buffer', detached(buffer())],
    ['a view of a detached buffer', detached(new Uint8Array(buffer(), 8, 8))],
    ['a view of a detached resizable buffer', detached(new Uint8Array(buffer({ maxByteLength: 128 })))],
  ];
  for (const [name, source] of others) {
    it(name, () => {
      for (const minLength of [0, 1]) assert.equal(wireBytesOf(source, minLength), undefined);
    });
  }

  for (const [name, view] of [
    ['a view of fixed length', (bytes: ArrayBuffer) => new Uint8Array(bytes, 8, 40)],
    ['a view that tracks the length', (bytes: ArrayBuffer) => new Uint8Array(bytes, 8)],
  ] as const) {
    it(`${name} that is out of bounds: it has no bytes`, () => {
      assert.equal(wireBytesOf(resized(view, 4), 1), undefined);
      assert.equal(wireBytesOf(resized(view, 4), 0)?.length ?? 0, 0);
    });
  }
});

describe('haveNoEffect', () => {
  /** Wire bytes that contain these names, as those of imported modules. */
  const importing = (...names: string[]) => new Uint8Array(Buffer.from(`\0asm ${names.join(' ')} end`));
  const none = importing();
  const names = importing('env', 'wasm:js-string', 'strings', 'näme');
  const uncalled = () => assert.fail('the program was called');
  class Options {}

  const cases: [name: string, options: unknown, wireBytes: Uint8Array, expected: boolean][] = [
    ['undefined', undefined, names, true],
    ['{}', {}, names, true],
    ['an object without prototype', Object.create(null), names, true],
    ['a frozen object', Object.freeze({}), names, true],
    ['no builtins', { builtins: [] }, names, true],
    ['builtins that are not imported', { builtins: ['js-string'] }, none, true],
    ['builtins that are imported', { builtins: ['js-string'] }, names, false],
    ['builtins of which one is imported', { builtins: ['other', 'js-string'] }, names, false],
    ['builtins of which only the name is there', { builtins: ['js-string'] }, importing('js-string', 'wasm:js'), true],
    [
      'hidden builtins that are imported',
      Object.defineProperty({}, 'builtins', { value: ['js-string'] }),
      names,
      false,
    ],
    ['constants that are not imported', { importedStringConstants: 'strings' }, none, true],
    ['constants that are imported', { importedStringConstants: 'strings' }, names, false],
    ['constants from a name beyond ASCII that is imported', { importedStringConstants: 'näme' }, names, false],
    ['constants from a name beyond ASCII that is not imported', { importedStringConstants: 'näme' }, none, true],
    ['constants from the name that is empty', { importedStringConstants: '' }, none, false],
    [
      "what Node's loader gives, not imported",
      { builtins: ['js-string'], importedStringConstants: 'strings' },
      none,
      true,
    ],
    ['both, of which one is imported', { builtins: ['other'], importedStringConstants: 'strings' }, names, false],

    ['null', null, none, false],
    ['a number', 5, none, false],
    ['text', 'text', none, false],
    ['a function', () => {}, none, false],
    ['an array', [], none, false],
    ['a Map', new Map(), none, false],
    ['an object of a class', new Options(), none, false],
    ['an object of another realm', runInNewContext('({})'), none, false],
    ['an object that inherits options', Object.create({ builtins: [] }), none, false],
    ['an option that nobody knows yet', { future: 'other' }, none, false],
    ['a symbol', { [Symbol('future')]: 'other' }, none, false],
    ['a proxy', new Proxy({}, {}), none, false],
    ['builtins that are undefined', { builtins: undefined }, none, false],
    ['builtins that are text', { builtins: 'js-string' }, none, false],
    ['builtins like an array', { builtins: { 0: 'js-string', length: 1 } }, none, false],
    ['builtins of a proxy', { builtins: new Proxy(['other'], {}) }, none, false],
    ['builtins of a subclass', { builtins: new (class extends Array {})() }, none, false],
    ['builtins of another realm', { builtins: runInNewContext("['other']") }, none, false],
    ['a builtin that is a symbol', { builtins: [Symbol('other')] }, none, false],
    ['constants that are no text', { importedStringConstants: 5 }, none, false],
    ['constants that are undefined', { importedStringConstants: undefined }, none, false],

    [
      'a getter',
      {
        get builtins() {
          return uncalled();
        },
      },
      none,
      false,
    ],
    ['builtins with a getter', { builtins: Object.defineProperty(['other'], 0, { get: uncalled }) }, none, false],
    [
      'builtins that iterate in their own way',
      { builtins: Object.assign(['other'], { [Symbol.iterator]: uncalled }) },
      none,
      false,
    ],
    ['a builtin with its own toString', { builtins: [{ toString: uncalled }] }, none, false],
    ['constants with their own toString', { importedStringConstants: { toString: uncalled } }, none, false],
    ['a proxy with traps', new Proxy({}, new Proxy({}, { get: uncalled })), none, false],
  ];
  for (const [name, options, wireBytes, expected] of cases) {
    it(`is ${expected} for ${name}`, () => assert.equal(haveNoEffect(options, wireBytes), expected));
  }

  it('is false for a revoked proxy', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    assert.equal(haveNoEffect(proxy, none), false);
    assert.equal(haveNoEffect({ builtins: proxy }, none), false);
  });

  it('looks at the bytes of the view and no others', () => {
    const options = { importedStringConstants: 'strings' };
    const at = Buffer.from(names).indexOf('strings');
    assert.equal(haveNoEffect(options, names.subarray(0, at)), true);
    assert.equal(haveNoEffect(options, names.subarray(at, at + 7)), false);
    assert.equal(haveNoEffect(options, names.subarray(at, at + 6)), true);
  });

  for (const name of ['builtins', 'importedStringConstants']) {
    it(`is false for {} while every object inherits ${name}`, () => {
      Object.defineProperty(Object.prototype, name, { get: uncalled, configurable: true });
      try {
        assert.equal(haveNoEffect({}, none), false);
        assert.equal(haveNoEffect(Object.create(null), none), true);
      } finally {
        delete (Object.prototype as Record<string, unknown>)[name];
      }
    });
  }
});
