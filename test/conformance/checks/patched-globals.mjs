// The program replaces built-ins before it compiles. This must not change the result, and the hook may not call a patched
// function that plain Node does not call.
import cryptoModule from 'node:crypto';
import fsModule from 'node:fs';
import { mainBytes, sizes } from '../modules.mjs';
import { cross, show, tag, useResult } from '../observe.mjs';
import { patch, restore } from '../patch.mjs';
import { bufferWays as allBufferWays } from '../ways.mjs';

const TypedArray = Object.getPrototypeOf(Uint8Array);
// The synchronous way, and the asynchronous one that does most.
const bufferWays = allBufferWays.filter(({ name }) => name !== 'compile');
const { then } = Promise.prototype;
const { apply, defineProperty, getOwnPropertyDescriptor, setPrototypeOf } = Reflect;
const { indexOf, lastIndexOf } = String.prototype;
const NativePromise = Promise;
const NativeError = Error;

/** [label, object, keys]: every function or getter there is wrapped, one at a time. */
const targets = [
  ['Promise', Promise, ['resolve', 'reject', 'all', 'race', 'withResolvers', 'try']],
  ['Promise.prototype', Promise.prototype, ['then', 'catch', 'finally']],
  [
    'Reflect',
    Reflect,
    ['apply', 'construct', 'get', 'set', 'has', 'ownKeys', 'defineProperty', 'getPrototypeOf', 'setPrototypeOf'],
  ],
  [
    'Object',
    Object,
    ['defineProperty', 'defineProperties', 'keys', 'entries', 'assign', 'create', 'freeze', 'getPrototypeOf'],
  ],
  ['Object', Object, ['setPrototypeOf', 'getOwnPropertyDescriptor', 'is', 'hasOwn', 'fromEntries', 'isFrozen']],
  ['Object.prototype', Object.prototype, ['hasOwnProperty', 'toString', 'valueOf', 'isPrototypeOf', '__proto__']],
  ['Function.prototype', Function.prototype, ['call', 'apply', 'bind', 'toString']],
  ['Array', Array, ['isArray', 'from', 'of']],
  [
    'Array.prototype',
    Array.prototype,
    ['push', 'pop', 'shift', 'slice', 'splice', 'map', 'filter', 'forEach', 'join', 'includes'],
  ],
  [
    'Array.prototype',
    Array.prototype,
    ['concat', 'indexOf', 'some', 'every', 'find', 'sort', 'values', Symbol.iterator],
  ],
  ['ArrayBuffer', ArrayBuffer, ['isView', Symbol.species]],
  [
    'ArrayBuffer.prototype',
    ArrayBuffer.prototype,
    ['slice', 'byteLength', 'resizable', 'maxByteLength', 'detached', 'transfer'],
  ],
  ['SharedArrayBuffer.prototype', SharedArrayBuffer.prototype, ['slice', 'byteLength', 'growable']],
  ['TypedArray', TypedArray, ['from', 'of', Symbol.species]],
  ['TypedArray.prototype', TypedArray.prototype, ['buffer', 'byteLength', 'byteOffset', 'length', Symbol.toStringTag]],
  ['TypedArray.prototype', TypedArray.prototype, ['set', 'subarray', 'slice', 'fill', 'at', 'values', Symbol.iterator]],
  ['DataView.prototype', DataView.prototype, ['buffer', 'byteLength', 'byteOffset', 'getUint32', 'getUint8']],
  ['Buffer', Buffer, ['from', 'alloc', 'allocUnsafe', 'concat', 'compare', 'isBuffer']],
  ['Buffer.prototype', Buffer.prototype, ['toString', 'equals', 'copy', 'readUInt32LE', 'writeUInt32LE', 'subarray']],
  ['Map.prototype', Map.prototype, ['get', 'set', 'has', 'delete', 'size', Symbol.iterator]],
  ['Set.prototype', Set.prototype, ['add', 'has', 'delete']],
  ['WeakMap.prototype', WeakMap.prototype, ['get', 'set', 'has', 'delete']],
  ['WeakSet.prototype', WeakSet.prototype, ['add', 'has']],
  ['WeakRef.prototype', WeakRef.prototype, ['deref']],
  ['FinalizationRegistry.prototype', FinalizationRegistry.prototype, ['register', 'unregister']],
  [
    'String.prototype',
    String.prototype,
    ['slice', 'split', 'replace', 'includes', 'startsWith', 'trim', 'toLowerCase', Symbol.iterator],
  ],
  ['RegExp.prototype', RegExp.prototype, ['exec', 'test', Symbol.replace]],
  ['Number', Number, ['isInteger', 'isFinite', 'parseInt']],
  ['Math', Math, ['min', 'max', 'floor', 'round', 'random']],
  ['JSON', JSON, ['parse', 'stringify']],
  ['Date', Date, ['now']],
  ['Symbol', Symbol, ['for']],
  ['Error', Error, ['captureStackTrace']],
  ['performance', performance, ['now', 'mark']],
  [
    'process',
    process,
    ['on', 'once', 'emit', 'emitWarning', 'cwd', 'hrtime', 'memoryUsage', 'binding', 'getuid', 'env', 'versions'],
  ],
  [
    'fs',
    fsModule,
    ['readFileSync', 'openSync', 'readSync', 'writeFileSync', 'writeSync', 'closeSync', 'statSync', 'fstatSync'],
  ],
  [
    'fs',
    fsModule,
    ['existsSync', 'mkdirSync', 'renameSync', 'utimesSync', 'readFile', 'writeFile', 'open', 'promises'],
  ],
  ['crypto', cryptoModule, ['createHash', 'hash', 'createHmac', 'timingSafeEqual', 'randomBytes']],
  ['console', console, ['log', 'warn', 'error', 'debug']],
  [
    'globalThis',
    globalThis,
    ['setTimeout', 'clearTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'structuredClone', 'fetch'],
  ],
  ['WebAssembly', WebAssembly, ['validate', 'Instance', 'Memory']],
  ['Module', WebAssembly.Module, ['exports', 'imports', 'customSections']],
];

/** These are replaced by undefined. */
const globals = [
  ...[
    'Array',
    'ArrayBuffer',
    'SharedArrayBuffer',
    'Uint8Array',
    'DataView',
    'Buffer',
    'Object',
    'Function',
    'Reflect',
    'Symbol',
  ],
  ...[
    'Promise',
    'Map',
    'Set',
    'WeakMap',
    'WeakSet',
    'WeakRef',
    'FinalizationRegistry',
    'Error',
    'TypeError',
    'RangeError',
    'Proxy',
  ],
  ...[
    'String',
    'Number',
    'Boolean',
    'BigInt',
    'Math',
    'JSON',
    'Date',
    'RegExp',
    'process',
    'console',
    'performance',
    'crypto',
  ],
  ...[
    'setTimeout',
    'clearTimeout',
    'setImmediate',
    'queueMicrotask',
    'structuredClone',
    'fetch',
    'Response',
    'URL',
    'TextDecoder',
  ],
  ...['Atomics', 'AbortController', 'Event', 'globalThis', 'Intl', 'Iterator'],
];

/** Names on Object.prototype that careless code finds on its own descriptors and options. */
// No indices on Node 20 and 22: their own async hooks keep a stack in an array, and would end the process with and without the hook.
const pollution = [
  ...[
    'get',
    'set',
    'value',
    'writable',
    'enumerable',
    'configurable',
    'builtins',
    'importedStringConstants',
    'then',
    'length',
  ],
  ...[
    'byteLength',
    'byteOffset',
    'buffer',
    'module',
    'instance',
    'kind',
    'name',
    'message',
    'code',
    'cause',
    'encoding',
    'flag',
  ],
  ...[
    'mode',
    'signal',
    'maxByteLength',
    'shared',
    'toJSON',
    '0',
    '1',
    'constructor',
    Symbol.toPrimitive,
    Symbol.iterator,
  ],
];

/** Settles without using anything that may be patched. Results have no prototype, because Object.prototype.then may be patched. */
const settled = (promise) =>
  new NativePromise((resolve) => {
    apply(then, promise, [
      (value) => resolve({ __proto__: null, value: [value] }),
      (error) => resolve({ __proto__: null, error }),
    ]);
  });

/** Whether a call belongs to Node's timers and async hooks. How many of those run until a promise settles differs from run to run. */
function calledByNode() {
  const stack = new NativeError().stack;
  const own = apply(lastIndexOf, stack, ['patched-globals.mjs']);
  const caller = apply(indexOf, stack, ['\n', own]) + 1;
  const next = caller && apply(indexOf, stack, ['\n', caller]);
  const node = apply(indexOf, stack, ['node:', caller]);
  return caller > 0 && node !== -1 && (next === -1 || node < next);
}

/** Calls with the patch in place until the promise is settled. `log` counts the patched functions that are called meanwhile. */
async function under(change, way, bytes) {
  const counts = { call: 0, settle: 0, phase: 'call' };
  change(() => {
    if (counts.phase === 'call' || !calledByNode()) counts[counts.phase]++;
  });
  let result;
  try {
    result = way.call(bytes);
    counts.phase = 'settle';
    result = way.name === 'Module' ? { __proto__: null, value: [result] } : await settled(result);
  } catch (error) {
    result = { __proto__: null, error };
  } finally {
    counts.phase = 'after';
    restore();
  }
  const seen = result.value ? useResult(result.value[0]) : show(result.error);
  return { calls: [counts.call, counts.settle], seen };
}

/** A setter that assigns. One that ignored the value would break Node itself, not only careless code. */
const assign = (key) =>
  function (value) {
    defineProperty(this, key, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  };

/** Passes everything on, and counts. */
function wrapMember(object, key) {
  const { value, get, set } = getOwnPropertyDescriptor(object, key);
  return (count) => {
    if (get) {
      return patch(object, key, {
        get() {
          count();
          return apply(get, this, []);
        },
        set,
      });
    }
    if (typeof value !== 'function') {
      return patch(object, key, {
        get() {
          count();
          return value;
        },
      });
    }
    const wrapped = function (...args) {
      count();
      return new.target ? new value(...args) : apply(value, this, args);
    };
    return patch(object, key, { value: wrapped });
  };
}

const wrappable = targets.flatMap(([label, object, keys]) =>
  keys.flatMap((key) => {
    const descriptor = getOwnPropertyDescriptor(object, key);
    return descriptor?.configurable ? [[`${label}.${String(key)}`, object, key]] : [];
  }),
);

export default [
  ...cross(wrappable, bufferWays, ['big']).map(([[label, object, key], way, size]) => ({
    name: `${label} wrapped, ${way.name}, ${size}`,
    run: () => under(wrapMember(object, key), way, mainBytes(size)),
  })),
  ...cross(globals, bufferWays, ['big']).map(([name, way, size]) => ({
    name: `${name} is undefined, ${way.name}, ${size}`,
    run: () => under(() => patch(globalThis, name, { value: undefined }), way, mainBytes(size)),
  })),
  ...cross(pollution, bufferWays, ['accessor', 'value'], ['big']).map(([key, way, kind, size]) => ({
    name: `Object.prototype[${String(key)}], ${kind}, ${way.name}, ${size}`,
    run: () =>
      under(
        (count) =>
          patch(
            Object.prototype,
            key,
            kind === 'value'
              ? { value: key === 'then' || key === Symbol.toPrimitive ? undefined : 'polluted' }
              : {
                  get() {
                    // Only accesses during the call count, because the suite itself makes some, too.
                    if (/WebAssembly|Options|Uint8Array/.test(tag(this))) count();
                    return undefined;
                  },
                  set: assign(key),
                },
          ),
        way,
        mainBytes(size),
      ),
  })),
  ...cross(['setter on index 0', 'species', 'iterator that throws'], bufferWays, sizes).map(([kind, way, size]) => ({
    name: `Array with ${kind}, ${way.name}, ${size}`,
    run: () =>
      under(
        (count) => {
          if (kind === 'setter on index 0') {
            const set = assign('0');
            patch(Array.prototype, '0', {
              get: () => undefined,
              set(value) {
                count();
                apply(set, this, [value]);
              },
            });
          }
          if (kind === 'species') patch(Array, Symbol.species, { get: () => (count(), undefined) });
          if (kind === 'iterator that throws') {
            patch(Array.prototype, Symbol.iterator, {
              value() {
                count();
                throw new Error('iterator');
              },
            });
          }
        },
        way,
        mainBytes(size),
      ),
  })),
  ...cross(bufferWays, sizes).map(([way, size]) => ({
    name: `prototype of Uint8Array.prototype changed, ${way.name}, ${size}`,
    async run() {
      const { prototype } = Uint8Array;
      const bytes = mainBytes(size);
      setPrototypeOf(prototype, null);
      try {
        const result = way.call(bytes);
        const end = way.name === 'Module' ? { value: [result] } : await settled(result);
        setPrototypeOf(prototype, TypedArray.prototype);
        return useResult(end.value[0]);
      } finally {
        setPrototypeOf(prototype, TypedArray.prototype);
      }
    },
  })),
];
