/** Where things are in a module's wire bytes, as far as compiling a part of it needs to know. */
export interface WasmBinary {
  readonly wireBytes: Uint8Array;
  readonly functions: FunctionCounts;
  /** Where the code section starts, with its id, and where it ends; both the end of the module when there is none. */
  readonly codeStart: number;
  readonly codeEnd: number;
  /** Where each declared function's entry in the code section starts, with its length field; and the end of the last. */
  readonly bodyStarts: Uint32Array;
}

/** The numbers of functions that V8's serialised form has entries for. */
export interface FunctionCounts {
  readonly imported: number;
  readonly declared: number;
}

const SECTION = { import: 2, function: 3, code: 10 };
const IMPORT = { function: 0, table: 1, memory: 2, global: 3, tag: 4 };

/** Magic number and version. */
const HEADER = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);

/** Three bytes long, no locals: `unreachable`, `end`. Valid as the body of every function, whatever its type. */
const STUB = Uint8Array.of(3, 0x00, 0x00, 0x0b);

/**
 * Reads the wire bytes of a module that V8 has compiled.
 *
 * @throws {RangeError} at anything that this reader does not know, such as an import of a later proposal.
 */
export function readWasmBinary(wireBytes: Uint8Array): WasmBinary {
  let codeStart = wireBytes.length;
  let codeEnd = wireBytes.length;
  let bodyStarts = new Uint32Array(1);
  for (const { id, start, end, reader } of sections(wireBytes)) {
    if (id !== SECTION.code) continue;
    codeStart = start;
    codeEnd = end;
    bodyStarts = readBodies(reader);
    expectEnd(reader, end);
  }
  const functions = countFunctions(wireBytes);
  if (bodyStarts.length - 1 !== functions.declared) {
    throw new RangeError(`${bodyStarts.length - 1} functions have bodies, ${functions.declared} are declared`);
  }
  return { wireBytes, functions, codeStart, codeEnd, bodyStarts };
}

/**
 * Takes microseconds, because it skips the code.
 *
 * @throws {RangeError} as {@link readWasmBinary}.
 */
export function countFunctions(wireBytes: Uint8Array): FunctionCounts {
  let imported = 0;
  let declared = 0;
  for (const { id, end, reader } of sections(wireBytes)) {
    if (id === SECTION.import) {
      imported = countImports(reader);
      expectEnd(reader, end);
    }
    if (id === SECTION.function) declared = reader.number();
    if (id === SECTION.code) break;
  }
  return { imported, declared };
}

function* sections(wireBytes: Uint8Array): Generator<{ id: number; start: number; end: number; reader: Reader }> {
  if (HEADER.some((byte, at) => wireBytes[at] !== byte)) throw new RangeError('Not a module of version 1');
  const reader = new Reader(wireBytes, HEADER.length);
  while (reader.at < wireBytes.length) {
    const start = reader.at;
    const id = reader.byte();
    const length = reader.number();
    const end = reader.at + length;
    if (end > wireBytes.length) throw new RangeError(`The section at byte ${start} is longer than the module`);
    yield { id, start, end, reader };
    reader.at = end;
  }
}

/**
 * The same module with only the given functions' bodies; the others trap. Everything that a body is compiled against (types,
 * imports, tables, memories, globals) is the same, so that without inlining V8 makes the same code of those that are kept.
 *
 * @param functions - indices among the declared functions, imported ones not counted
 */
export function withOnlyBodies(binary: WasmBinary, functions: ReadonlySet<number>): Uint8Array {
  const { wireBytes, codeStart, codeEnd, bodyStarts } = binary;
  const count = bodyStarts.length - 1;
  if (count === 0) return wireBytes;
  const bodies: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    bodies.push(functions.has(i) ? wireBytes.subarray(bodyStarts[i], bodyStarts[i + 1]) : STUB);
  }
  const code = Buffer.concat([encodeNumber(count), ...bodies]);
  const section = [Uint8Array.of(SECTION.code), encodeNumber(code.length), code];
  return Buffer.concat([wireBytes.subarray(0, codeStart), ...section, wireBytes.subarray(codeEnd)]);
}

function expectEnd(reader: Reader, end: number): void {
  if (reader.at !== end) throw new RangeError(`A section ends at byte ${reader.at}, expected ${end}`);
}

function readBodies(reader: Reader): Uint32Array<ArrayBuffer> {
  const count = reader.number();
  const starts = new Uint32Array(count + 1);
  for (let i = 0; i < count; i++) {
    starts[i] = reader.at;
    const length = reader.number();
    reader.at += length;
  }
  starts[count] = reader.at;
  return starts;
}

function countImports(reader: Reader): number {
  let functions = 0;
  for (let remaining = reader.number(); remaining > 0; remaining--) {
    for (const _name of ['module', 'field']) {
      const length = reader.number();
      reader.at += length;
    }
    const kind = reader.byte();
    if (kind === IMPORT.function) {
      functions++;
      reader.number();
    } else if (kind === IMPORT.table) {
      skipType(reader);
      skipLimits(reader);
    } else if (kind === IMPORT.memory) {
      skipLimits(reader);
    } else if (kind === IMPORT.global) {
      skipType(reader);
      reader.byte();
    } else if (kind === IMPORT.tag) {
      reader.byte();
      reader.number();
    } else {
      throw new RangeError(`Unknown kind of import ${kind} at byte ${reader.at - 1}`);
    }
  }
  return functions;
}

function skipType(reader: Reader): void {
  const type = reader.byte();
  // (ref null ht), (ref ht): a heap type follows, a type's index or one byte.
  if (type === 0x63 || type === 0x64) {
    const heapType = reader.byte();
    if (heapType >= 0x80) reader.number();
    else if (heapType >= 0x40) expectShortType(heapType, reader);
  } else {
    expectShortType(type, reader);
  }
}

/** The types of one byte are 0x66 and above; 0x65 and 0x62 (shared, exact) have another type after them. */
function expectShortType(type: number, { at }: Reader): void {
  if (type < 0x66 || type > 0x7f) throw new RangeError(`Unknown type ${type} at byte ${at - 1}`);
}

function skipLimits(reader: Reader): void {
  const flags = reader.byte();
  if (flags > 7) throw new RangeError(`Unknown limits ${flags} at byte ${reader.at - 1}`);
  reader.number();
  if (flags & 1) reader.number();
}

class Reader {
  constructor(
    readonly bytes: Uint8Array,
    public at: number,
  ) {}

  byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined)
      throw new RangeError(`The module ends at byte ${this.bytes.length}, in the middle of something`);
    return byte;
  }

  /** LEB128 of up to 64 bits. Signed numbers are only skipped, so that their value does not matter. */
  number(): number {
    let value = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError(`The number that ends at byte ${this.at} is too long`);
  }
}

function encodeNumber(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; ) {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low + 128 : low);
    if (rest === 0) return Uint8Array.from(bytes);
  }
}
