/**
 * The wire bytes of this module, with room for any offset:
 *
 * ```wat
 * (module
 *   (memory 1)
 *   (func (export "sum") (param $n i32) (result i32) (local $sum i32)
 *     (loop $again
 *       (local.set $sum (i32.add (local.get $n) (local.get $sum)))
 *       (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
 *     (i32.add (local.get $sum) (i32.const 0x7fffffff)))
 *   (func (export "peek") (param $index i32) (result i32) (i32.load8_u (local.get $index))))
 * ```
 */
const SUM_MODULE = atob(
  'AGFzbQEAAAABBgFgAX8BfwMDAgAABQMBAAEHDgIDc3VtAAAEcGVlawABCioCIAEBfwNAIAAgAWohASAAQQFrIgANAAsgAUH/////B2oLBwAgAC0AAAs=',
);
/** Where the binary has the constant 0x7fffffff: five bytes. */
const OFFSET_AT = 71;

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
  const sum = Uint8Array.from(SUM_MODULE, (character) => character.charCodeAt(0));
  sum.set(fiveBytes(offset), OFFSET_AT);
  if (padding === 0) return sum;
  const name = new TextEncoder().encode('padding');
  const custom = [0, ...fiveBytes(1 + name.length + padding), name.length, ...name];
  const module = new Uint8Array(sum.length + custom.length + padding).fill(0x2a);
  module.set(sum);
  module.set(custom, sum.length);
  return module;
}

/** LEB128 of a 32-bit number, signed or not, with as many bytes as the largest needs. */
function fiveBytes(value: number): number[] {
  return [0, 7, 14, 21, 28].map((shift) => ((value >> shift) & 0x7f) | (shift < 28 ? 0x80 : 0));
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
