// Makes wasm binaries in code.

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
