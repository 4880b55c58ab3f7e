// The ways from wire bytes to a module. `call` reads the global at call time, as a program does.

export const wasmResponse = (body, init) =>
  new Response(body, { headers: { 'content-type': 'application/wasm' }, ...init });

/** Ways that take a BufferSource. */
export const bufferWays = [
  { name: 'Module', call: (bytes, ...options) => new WebAssembly.Module(bytes, ...options) },
  { name: 'compile', call: (bytes, ...options) => WebAssembly.compile(bytes, ...options) },
  { name: 'instantiate', call: (bytes, ...options) => WebAssembly.instantiate(bytes, {}, ...options) },
];

export const streamingWays = [
  {
    name: 'compileStreaming',
    call: (bytes, ...options) => WebAssembly.compileStreaming(wasmResponse(bytes), ...options),
    from: (source, ...rest) => WebAssembly.compileStreaming(source, ...rest),
  },
  {
    name: 'instantiateStreaming',
    call: (bytes, ...options) => WebAssembly.instantiateStreaming(wasmResponse(bytes), {}, ...options),
    from: (source, ...rest) => WebAssembly.instantiateStreaming(source, {}, ...rest),
  },
];

export const validateWay = {
  name: 'validate',
  call: (bytes, ...options) => WebAssembly.validate(bytes, ...options),
};

export const moduleWays = [...bufferWays, ...streamingWays];
export const asyncWays = moduleWays.slice(1);
export const allWays = [...moduleWays, validateWay];

/** Ways to an instance. `prepare` makes the argument of the way; it is not observed. */
export const instanceWays = [
  {
    name: 'Instance',
    prepare: (bytes) => new WebAssembly.Module(bytes),
    call: (module, ...rest) => new WebAssembly.Instance(module, ...rest),
  },
  {
    name: 'instantiate(module)',
    prepare: (bytes) => WebAssembly.compile(bytes),
    call: (module, ...rest) => WebAssembly.instantiate(module, ...rest),
  },
  {
    name: 'instantiate(bytes)',
    prepare: (bytes) => bytes,
    call: (bytes, ...rest) => WebAssembly.instantiate(bytes, ...rest),
  },
  {
    name: 'instantiateStreaming',
    prepare: (bytes) => wasmResponse(bytes),
    call: (response, ...rest) => WebAssembly.instantiateStreaming(response, ...rest),
  },
];

/**
 * Pairs of way and size. The hook leaves small modules to V8 by default, so if there are many cases the small module goes
 * through every second way only.
 */
export const waysBySize = (ways) => [
  ...ways.map((way) => [way, 'big']),
  ...ways.filter((_, index) => index % 2 === 0).map((way) => [way, 'small']),
];
