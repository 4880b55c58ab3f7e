import fs from 'node:fs';

/** The wire bytes of module.wat, which uses a little of everything that compiled code can do. */
export function probeModule(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(fs.readFileSync(new URL('module.wasm', import.meta.url)));
}

type Exports = Record<string, (...numbers: number[]) => number | bigint>;

/** Makes a new instance with a new memory. */
export function instantiate(module: WebAssembly.Module): Exports {
  const env = { twice: (n: number) => 2 * n, step: 3 };
  return new WebAssembly.Instance(module, { env }).exports as never;
}

/** Calls every function, and returns the results. */
export function resultsOf(module: WebAssembly.Module): string[] {
  const exports = instantiate(module);
  const call = (name: string, ...numbers: number[]) => `${name}: ${exports[name]?.(...numbers)}`;
  return [
    ...['vector', 'mix', 'wide', 'float', 'outside', 'count', 'work', 'mix'].map((name) => call(name, 1000)),
    ...[
      call('indirect', 1000),
      call('fibonacci', 15),
      call('peek', 100),
      call('poke', 4096, 12345),
      call('peek', 4097),
    ],
    ...[call('divide', -7, 2), call('dispatch', 9, 0), call('recurse', 100), call('grow', 1), call('peek', 70_000)],
    `counter: ${(exports.counter as never as WebAssembly.Global).value}`,
  ];
}

/** Calls every function often enough for V8 to optimise it. */
export function exercise(module: WebAssembly.Module): void {
  const exports = instantiate(module);
  for (const name of ['mix', 'wide', 'float', 'vector', 'indirect', 'count', 'outside', 'work'])
    exports[name]?.(200_000);
  exports.fibonacci?.(22);
}

/** Calls that must trap, and V8's message. V8 detects each in another way. */
export const TRAPS: readonly [name: string, numbers: number[], message: RegExp][] = [
  ['peek', [65_536], /out of bounds/],
  ['peek', [-1], /out of bounds/],
  ['poke', [65_533, 1], /out of bounds/],
  ['divide', [1, 0], /divide by zero/],
  ['divide', [-(2 ** 31), -1], /divide|overflow|unrepresentable/],
  ['dispatch', [1, 4], /signature|indirect|null function/],
  ['dispatch', [1, 6], /null|table|indirect|signature/],
  ['dispatch', [1, 99], /out of bounds|index/],
  ['fail', [1], /unreachable/],
  ['recurse', [1_000_000_000], /call stack/],
];
