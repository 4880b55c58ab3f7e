import { loadAddon } from './addon.js';

/** Where things are in a module's wire bytes, as far as compiling a part of it needs to know. */
export interface WasmBinary {
  readonly wireBytes: Uint8Array;
  readonly functions: FunctionCounts;
  /** Where each declared function's entry in the code section starts, with its length field; and the end of the last. */
  readonly bodyStarts: Uint32Array;
}

/** The numbers of functions that V8's serialised form has entries for. */
export interface FunctionCounts {
  readonly imported: number;
  readonly declared: number;
}

const SECTION = { custom: 0, import: 2, function: 3, code: 10, data: 11 };
/** The first byte of a data segment that is not copied to a memory by itself. */
const PASSIVE = 1;
const IMPORT = { function: 0, table: 1, memory: 2, global: 3, tag: 4 };

/** Magic number and version. */
const HEADER = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);

/**
 * Three bytes long, no locals: `unreachable`, `end`. Valid as the body of every function, whatever its type. The length takes a
 * byte more than it needs, so that a function that does no more than this by itself is not taken for a stub.
 */
const STUB = Uint8Array.of(0x83, 0x00, 0x00, 0x00, 0x0b);

/**
 * Reads the wire bytes of a module that V8 has compiled.
 *
 * @throws {RangeError} at anything that this reader does not know, such as an import of a later proposal.
 */
export function readWasmBinary(wireBytes: Uint8Array): WasmBinary {
  let bodyStarts: Uint32Array = new Uint32Array(1);
  for (const { id, end, reader } of sections(wireBytes)) {
    if (id !== SECTION.code) continue;
    bodyStarts = readBodies(reader);
    expectEnd(reader, end);
  }
  const functions = countFunctions(wireBytes);
  if (bodyStarts.length - 1 !== functions.declared) {
    throw new RangeError(`${bodyStarts.length - 1} functions have bodies, ${functions.declared} are declared`);
  }
  return { wireBytes, functions, bodyStarts };
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
 * @param forCompiling - whether to leave out what no code depends on, too: the contents of data segments, names, and all other
 *   custom sections but those that tell a compiler something (`metadata.code.*`)
 */
export function withOnlyBodies(binary: WasmBinary, functions: ReadonlySet<number>, forCompiling = false): Uint8Array {
  const { wireBytes } = binary;
  const parts: Uint8Array[] = [HEADER];
  const add = (id: number, count: number, contents: Uint8Array) => {
    const countBytes = encodeNumber(count);
    parts.push(Uint8Array.of(id), encodeNumber(countBytes.length + contents.length), countBytes, contents);
  };
  for (const { id, start, end, reader } of sections(wireBytes)) {
    if (id === SECTION.code) {
      add(id, binary.bodyStarts.length - 1, keptBodies(binary, functions));
    } else if (id === SECTION.data && forCompiling) {
      // Every segment as a passive one without bytes: where it would have gone is no code's business either.
      const count = reader.number();
      reader.at = end;
      add(
        id,
        count,
        new Uint8Array(2 * count).map((_, at) => (at % 2 === 0 ? PASSIVE : 0)),
      );
    } else if (id !== SECTION.custom || !forCompiling || isMetadata(reader)) {
      parts.push(wireBytes.subarray(start, end));
    }
  }
  return Buffer.concat(parts);
}

/** Natively, as {@link readBodies}. */
function keptBodies({ wireBytes, bodyStarts }: WasmBinary, functions: ReadonlySet<number>): Uint8Array {
  const kept = Uint32Array.from(functions).sort();
  const bodies = loadAddon().addon?.keptBodies(wireBytes, bodyStarts, kept, STUB);
  if (!bodies) throw new RangeError('The functions to be kept are not among those that have bodies');
  return bodies;
}

/** The functions whose bodies are not the stubs of {@link withOnlyBodies}. */
export function realFunctions({ wireBytes, bodyStarts }: WasmBinary): Set<number> {
  const real = new Set<number>();
  for (let i = 0; i < bodyStarts.length - 1; i++) {
    if (Buffer.compare(STUB, wireBytes.subarray(bodyStarts[i], bodyStarts[i + 1])) !== 0) real.add(i);
  }
  return real;
}

function isMetadata(reader: Reader): boolean {
  const length = reader.number();
  return Buffer.from(reader.bytes.subarray(reader.at, reader.at + length))
    .toString('latin1')
    .startsWith('metadata.code.');
}

function expectEnd(reader: Reader, end: number): void {
  if (reader.at !== end) throw new RangeError(`A section ends at byte ${reader.at}, expected ${end}`);
}

/** Natively: it is done once, at a program's exit, and code that runs once takes 7 ms for 16,000 functions. */
function readBodies(reader: Reader): Uint32Array {
  const { bytes } = reader;
  const count = reader.number();
  if (count > bytes.length) throw new RangeError(`${count} functions in ${bytes.length} bytes`);
  const starts = loadAddon().addon?.bodyStarts(bytes, reader.at, count);
  if (!starts) throw new RangeError(`The module ends at byte ${bytes.length}, in the middle of its code`);
  reader.at = starts[count] as number;
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
