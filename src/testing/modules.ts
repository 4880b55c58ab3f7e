// Makes wasm binaries in code, so that no test needs a tool chain or a committed binary.

/** Encoded types of values. */
export const I32 = 0x7f;
export const I64 = 0x7e;
export const F64 = 0x7c;

export function leb(value: number): number[] {
  const bytes: number[] = [];
  do {
    const rest = value >>> 7;
    bytes.push(rest ? (value & 0x7f) | 0x80 : value);
    value = rest;
  } while (value);
  return bytes;
}

/** The signed form of LEB128, as in constants. */
export function sleb(value: bigint | number): number[] {
  const bytes: number[] = [];
  for (let rest = BigInt(value); ; ) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    const isLast = rest === (low & 0x40 ? -1n : 0n);
    bytes.push(isLast ? low : low | 0x80);
    if (isLast) return bytes;
  }
}

export function section(id: number, body: number[]): number[] {
  return [id, ...leb(body.length), ...body];
}

export function named(name: string): number[] {
  return [...leb(name.length), ...new TextEncoder().encode(name)];
}

export function vector(items: number[][]): number[] {
  return [...leb(items.length), ...items.flat()];
}

export function customSection(name: string, length = 3): number[] {
  return section(0, [...named(name), ...new Array<number>(length).fill(0x2a)]);
}

/** @param bodies - function bodies with their locals, without their lengths */
export function codeSection(bodies: number[][]): number[] {
  return section(10, vector(bodies.map((body) => [...leb(body.length), ...body])));
}

export function moduleOf(...sections: number[][]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], ...sections.flat()]);
}

export interface ModuleOptions {
  /** Is added to every result, so that modules can be told apart by their results. */
  offset?: number;
  /** Length of a custom section at the end, to make the module larger. */
  padding?: number;
}

/**
 * A module that exports two functions. `sum(n)` returns the 32-bit sum of 1..n plus `offset`, in a loop that V8 soon optimises.
 * `peek(i)` loads a byte from a memory of one page, and traps if `i` is out of bounds.
 */
export function sumModule({ offset = 0, padding = 0 }: ModuleOptions = {}): Uint8Array<ArrayBuffer> {
  const sum = [
    ...[0x01, 0x01, 0x7f], // one local: the accumulator
    ...[0x03, 0x40], // loop
    ...[0x20, 0x00, 0x20, 0x01, 0x6a, 0x21, 0x01], // accumulator += n
    ...[0x20, 0x00, 0x41, 0x01, 0x6b, 0x22, 0x00], // n -= 1
    ...[0x0d, 0x00, 0x0b], // again unless it is 0
    ...[0x20, 0x01, 0x41, ...sleb(offset), 0x6a, 0x0b],
  ];
  const peek = [0x00, 0x20, 0x00, 0x2d, 0x00, 0x00, 0x0b];
  return moduleOf(
    section(1, [1, 0x60, 1, 0x7f, 1, 0x7f]),
    section(3, [2, 0, 0]),
    section(5, [1, 0x00, 1]),
    section(7, [2, ...named('sum'), 0x00, 0, ...named('peek'), 0x00, 1]),
    codeSection([sum, peek]),
    padding > 0 ? customSection('padding', padding) : [],
  );
}

export interface SumExports extends WebAssembly.Exports {
  sum(n: number): number;
  peek(index: number): number;
}

export function instantiate(module: WebAssembly.Module): SumExports {
  return new WebAssembly.Instance(module).exports as SumExports;
}

/** Runs the module until `serialize` returns native code. */
export async function optimise(
  module: WebAssembly.Module,
  serialize: (module: WebAssembly.Module) => Uint8Array | undefined,
): Promise<Uint8Array> {
  const { sum, peek } = instantiate(module);
  for (let round = 0; round < 200; round++) {
    sum(20_000_000);
    for (let i = 0; i < 1000; i++) peek(i);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const nativeCode = serialize(module);
    if (nativeCode) return nativeCode;
  }
  throw new Error('V8 optimised nothing in 200 rounds');
}
