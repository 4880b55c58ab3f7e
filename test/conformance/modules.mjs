// The WebAssembly binaries of the suite. A small writer makes them, so that their bytes are the same in every run and a
// second run is served from the cache.

const u32 = (n) => {
  const out = [];
  do {
    const low = n & 0x7f;
    n >>>= 7;
    out.push(n === 0 ? low : low | 0x80);
  } while (n !== 0);
  return out;
};
const s32 = (n) => {
  const out = [];
  for (;;) {
    const low = n & 0x7f;
    n >>= 7;
    if ((n === 0 && !(low & 0x40)) || (n === -1 && low & 0x40)) return [...out, low];
    out.push(low | 0x80);
  }
};
const text = (string) => [...u32(Buffer.byteLength(string)), ...Buffer.from(string)];
const vector = (items) => [...u32(items.length), ...items.flat()];
export const section = (id, payload) => [id, ...u32(payload.length), ...payload];
const list = (id, items) => (items?.length ? section(id, vector(items)) : []);
export const custom = (name, payload) => section(0, [...text(name), ...payload]);
export const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

const I32 = 0x7f;
const I64 = 0x7e;
const F64 = 0x7c;
const EXTERN = 0x6f;
const FUNCREF = 0x70;
export const type = (params, results) => [0x60, ...u32(params.length), ...params, ...u32(results.length), ...results];
export const body = (locals, ...code) => {
  const bytes = [...vector(locals.map((t) => [1, t])), ...code.flat(), 0x0b];
  return [...u32(bytes.length), ...bytes];
};
const importOf = (module, name, ...description) => [...text(module), ...text(name), ...description.flat()];
const exportOf = (name, kind, index) => [...text(name), kind, ...u32(index)];
const get = (i) => [0x20, i];
const set = (i) => [0x21, i];
const tee = (i) => [0x22, i];
const i32 = (n) => [0x41, ...s32(n)];
const call = (i) => [0x10, i];

/** All sections in the order of the binary format; `tail` is for custom sections. */
export function encode({ tail = [], ...parts }) {
  return [
    ...header,
    ...list(1, parts.types),
    ...list(2, parts.imports),
    ...list(
      3,
      parts.functions?.map((t) => [t]),
    ),
    ...list(4, parts.tables),
    ...list(5, parts.memories),
    ...list(13, parts.tags),
    ...list(6, parts.globals),
    ...list(7, parts.exports),
    ...(parts.start === undefined ? [] : section(8, u32(parts.start))),
    ...list(9, parts.elements),
    ...list(10, parts.code),
    ...list(11, parts.data),
    ...tail,
  ];
}

const join = (...parts) => new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part)))).slice();

/** Pads with a custom section to a multiple of 8, so that a view of any element size covers the whole binary. */
function whole(bytes) {
  const gap = 8 - ((bytes.length + 6) % 8);
  return join(bytes, custom('pad', new Array(gap).fill(0x2e)));
}

const filling = Uint8Array.from(
  custom(
    'filling',
    Array.from({ length: 70_000 }, (_, i) => i * 31 + (i >> 7)),
  ),
);
/** A binary as it is, and padded over the hook's size threshold. */
export const bothSizes = (bytes) => ({ small: Uint8Array.from(bytes), big: join(bytes, filling) });

const sized = (parts) => {
  const { small, big } = bothSizes(encode(parts));
  return { small: whole(small), big: whole(big) };
};

/** acc = acc * 31 + (i ^ (acc >>> 7)) for i in 0..n: cheap, never constant, and hot after a few calls. */
const hotLoop = (mix) =>
  body(
    [I32, I32],
    [0x03, 0x40],
    get(2),
    get(1),
    call(mix),
    set(2),
    get(1),
    i32(1),
    0x6a,
    tee(1),
    get(0),
    [0x49, 0x0d, 0x00],
    0x0b,
    get(2),
  );
const mixer = body([], get(0), i32(31), 0x6c, get(1), get(0), i32(7), 0x76, 0x73, 0x6a);

const tiny = {
  types: [type([I32, I32], [I32])],
  functions: [0],
  exports: [exportOf('add', 0, 0)],
  code: [body([], get(0), get(1), 0x6a)],
};

// Name, type index, body. Index in this table = function index.
const richFunctions = [
  ['add', 0, body([], get(0), get(1), 0x6a)],
  ['mix', 0, mixer],
  ['loop', 1, hotLoop(1)],
  [
    'fib',
    1,
    body(
      [],
      get(0),
      i32(2),
      0x48,
      [0x04, I32],
      get(0),
      0x05,
      get(0),
      i32(1),
      0x6b,
      call(3),
      get(0),
      i32(2),
      0x6b,
      call(3),
      0x6a,
      0x0b,
    ),
  ],
  ['div', 0, body([], get(0), get(1), 0x6d)],
  ['rem', 0, body([], get(0), get(1), 0x6f)],
  ['load', 1, body([], get(0), [0x28, 2, 0])],
  ['store', 2, body([], get(0), get(1), [0x36, 2, 0])],
  ['unreachable', 3, body([], 0x00)],
  ['seven', 4, body([], i32(7))],
  ['indirect', 1, body([], get(0), [0x11, 4, 0])],
  ['sqrt', 5, body([], get(0), 0x9f)],
  ['trunc', 6, body([], get(0), 0xaa)],
  ['mul64', 7, body([], get(0), get(1), 0x7e)],
  ['forever', 3, body([], call(14))],
  ['next', 4, body([], [0x23, 0], i32(1), 0x6a, [0x24, 0], [0x23, 0])],
  ['swap', 8, body([], get(1), get(0))],
  ['grow', 1, body([], get(0), [0x40, 0])],
  ['same', 9, body([], get(0))],
  ['raise', 10, body([], get(0), [0x08, 0])],
];
const rich = {
  types: [
    type([I32, I32], [I32]),
    type([I32], [I32]),
    type([I32, I32], []),
    type([], []),
    type([], [I32]),
    type([F64], [F64]),
    type([F64], [I32]),
    type([I64, I64], [I64]),
    type([I32, I32], [I32, I32]),
    type([EXTERN], [EXTERN]),
    type([I32], []),
  ],
  functions: richFunctions.map(([, index]) => index),
  tables: [[FUNCREF, 1, 3, 3]],
  memories: [[1, 1, 3]],
  tags: [[0, 10]],
  globals: [
    [I32, 1, ...i32(10), 0x0b],
    [I32, 0, ...i32(42), 0x0b],
  ],
  exports: [
    ...richFunctions.map(([name], index) => exportOf(name, 0, index)),
    exportOf('table', 1, 0),
    exportOf('memory', 2, 0),
    exportOf('counter', 3, 0),
    exportOf('answer', 3, 1),
    exportOf('tag', 4, 0),
    exportOf('addAgain', 0, 0),
  ],
  // Slot 0 has the signature that `indirect` asks for, slot 1 another one, slot 2 stays null.
  elements: [[0x00, ...i32(0), 0x0b, ...vector([[9], [0]])]],
  code: richFunctions.map(([, , code]) => code),
  data: [[0x00, ...i32(16), 0x0b, ...text('hello')]],
  tail: [
    ...custom('note', [1, 2, 3]),
    ...custom('note', [4]),
    ...custom('name', section(1, vector(richFunctions.map(([name], index) => [index, ...text(name)])))),
  ],
};

const hosted = {
  types: [type([I32], [I32]), type([I32, I32], [I32])],
  imports: [
    importOf('env', 'f', 0, 0),
    importOf('env', 'g', 3, [I32, 0]),
    importOf('env', 'memory', 2, [1, 1, 2]),
    importOf('env', 'table', 1, [FUNCREF, 0, 1]),
    importOf('other', 'h', 0, 0),
  ],
  functions: [0, 1, 0],
  exports: [exportOf('call', 0, 2), exportOf('f', 0, 0), exportOf('loop', 0, 4), exportOf('memory', 2, 0)],
  code: [body([], get(0), call(0), call(1), [0x23, 0], 0x6a), mixer, hotLoop(3)],
};

// The start function is first the imported one, so that the host decides how it ends, then a plain trap.
const loopOnly = { exports: [exportOf('loop', 0, 2)] };
const startsHost = {
  types: [type([], []), type([I32, I32], [I32]), type([I32], [I32])],
  imports: [importOf('env', 'f', 0, 0)],
  functions: [1, 2],
  ...loopOnly,
  start: 0,
  code: [mixer, hotLoop(1)],
};
const startsTrap = {
  types: [type([], []), type([I32, I32], [I32]), type([I32], [I32])],
  functions: [0, 1, 2],
  ...loopOnly,
  start: 0,
  code: [body([], 0x00), mixer, hotLoop(1)],
};

/** Behaves differently when compiled with `builtins` or `importedStringConstants`. */
const strings = {
  types: [type([EXTERN], [I32]), type([], [EXTERN]), type([I32, I32], [I32]), type([I32], [I32])],
  imports: [importOf('wasm:js-string', 'length', 0, 0), importOf('str', 'hello', 3, [EXTERN, 0])],
  functions: [0, 1, 2, 3],
  exports: [exportOf('size', 0, 1), exportOf('hello', 0, 2), exportOf('loop', 0, 4)],
  code: [body([], get(0), call(0)), body([], [0x23, 0]), mixer, hotLoop(3)],
};

const library = {
  tiny: sized(tiny),
  rich: sized(rich),
  hosted: sized(hosted),
  startsHost: sized(startsHost),
  startsTrap: sized(startsTrap),
  strings: sized(strings),
};

/** A copy in its own buffer, because a check may overwrite or detach it. */
export const bytesOf = (name, size) => library[name][size].slice();

export const sizes = ['small', 'big'];
/** The two modules that most checks run on: 48 bytes (left to V8) and over 64 KiB (served from the cache). */
export const main = { small: 'tiny', big: 'rich' };
export const mainBytes = (size) => bytesOf(main[size], size);

export const hostedImports = () => ({
  env: {
    f: (x) => x + 1,
    g: 100,
    memory: new WebAssembly.Memory({ initial: 1, maximum: 2 }),
    table: new WebAssembly.Table({ element: 'anyfunc', initial: 1 }),
  },
  other: { h: (x) => x * 2 },
});

/** Calls of the rich module that do not trap. When they run often, several functions get into the cache. */
export function exercise({ add, div, rem, load, store, indirect, sqrt, trunc, mul64, swap, next }, times) {
  for (let i = 0; i < times; i++) {
    store(64, add(i, load(64)));
    div(i, 7);
    rem(i, 7);
    indirect(0);
    trunc(sqrt(i));
    next();
    if (i % 4 === 0) swap(i, 1);
    if (i % 4 === 0) mul64(3n, 5n);
  }
}

/** The modules of the warm-up: every valid module that has the hot loop. */
export const warmable = [
  ['rich', () => ({})],
  ['hosted', hostedImports],
  ['startsHost', () => ({ env: { f() {} } })],
  ['strings', () => ({ 'wasm:js-string': { length: () => 0 }, str: { hello: 'hello' } })],
].flatMap(([name, imports]) => sizes.map((size) => ({ bytes: () => bytesOf(name, size), imports })));
