import { loadAddon, type ModuleAnalysis } from '../native/addon.js';

/** Where the functions are in a module's wire bytes. */
export interface WasmBinary {
  readonly wireBytes: Uint8Array;
  readonly functions: FunctionCounts;
  /** Where each declared function's entry in the code section starts, with its length field; then the end of the last one. */
  readonly bodyStarts: Uint32Array;
}

/** How many functions V8's serialised form has entries for. */
export interface FunctionCounts {
  readonly imported: number;
  readonly declared: number;
}

const SECTION = { import: 2, function: 3, code: 10 };
const IMPORT = { function: 0, table: 1, memory: 2, global: 3, tag: 4 };

/** Magic number and version. */
const HEADER = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);

/**
 * A body of three bytes: no locals, `unreachable`, `end`. It is valid for a function of any type. Its length field is one byte longer than it
 * needs to be, so that a function whose own body is the same is not taken for a stub.
 */
const STUB = Uint8Array.of(0x83, 0x00, 0x00, 0x00, 0x0b);

/**
 * Reads the wire bytes of a module that V8 has compiled.
 *
 * @throws {RangeError} when it meets what it does not know, such as an import of a later proposal.
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
 * Counts the functions. It takes microseconds, because it skips the code.
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

function* sections(wireBytes: Uint8Array): Generator<{ id: number; end: number; reader: Reader }> {
  if (HEADER.some((byte, at) => wireBytes[at] !== byte)) throw new RangeError('Not a module of version 1');
  const reader = new Reader(wireBytes, HEADER.length);
  while (reader.at < wireBytes.length) {
    const start = reader.at;
    const id = reader.byte();
    const length = reader.number();
    const end = reader.at + length;
    if (end > wireBytes.length) throw new RangeError(`The section at byte ${start} is longer than the module`);
    yield { id, end, reader };
    reader.at = end;
  }
}

/**
 * Makes the same module with the bodies of only the given functions; the others trap. The types, imports, tables, memories and globals are the
 * same, so without inlining V8 makes the same code of the functions that are kept.
 *
 * @param wireBytes - of a module that V8 has compiled, or that module itself
 * @param functions - their indices among the declared functions, without the imported ones
 * @param forCompiling - whether to leave out what no code depends on, too: the contents of data segments, the names of exports,
 *   and custom sections, except those for compilers (`metadata.code.*`)
 * @param analysis - of the same module; it saves the search for the functions
 * @throws {RangeError} when the module cannot be read, or does not have all of these functions.
 */
export function withOnlyBodies(
  wireBytes: Uint8Array | WebAssembly.Module,
  functions: ReadonlySet<number> | 'all' | 'smallest',
  forCompiling = false,
  analysis?: ModuleAnalysis,
): Uint8Array {
  const addon = loadAddon().addon;
  if (!addon) throw new RangeError('A module cannot be cut without the addon');
  const kept = functions === 'all' ? undefined : functions === 'smallest' ? null : Uint32Array.from(functions).sort();
  return addon.withOnlyBodies(wireBytes, kept, STUB, forCompiling, analysis);
}

/** The functions whose bodies are not stubs of {@link withOnlyBodies}. */
export function realFunctions({ wireBytes, bodyStarts }: WasmBinary): Set<number> {
  const real = new Set<number>();
  for (let i = 0; i < bodyStarts.length - 1; i++) {
    if (Buffer.compare(STUB, wireBytes.subarray(bodyStarts[i], bodyStarts[i + 1])) !== 0) real.add(i);
  }
  return real;
}

function expectEnd(reader: Reader, end: number): void {
  if (reader.at !== end) throw new RangeError(`A section ends at byte ${reader.at}, expected ${end}`);
}

function readBodies(reader: Reader): Uint32Array {
  const { bytes } = reader;
  const count = reader.number();
  if (count > bytes.length) throw new RangeError(`${count} functions in ${bytes.length} bytes`);
  const starts = new Uint32Array(count + 1);
  for (let i = 0; i < count; i++) {
    starts[i] = reader.at;
    const length = reader.number();
    reader.at += length;
  }
  if (reader.at > bytes.length) throw new RangeError(`The code ends at byte ${reader.at} of ${bytes.length}`);
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

/** Types of one byte are 0x66 and above. 0x65 and 0x62 (shared, exact) are followed by another type. */
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
      throw new RangeError(`The module ends at byte ${this.bytes.length}, in the middle of a section`);
    return byte;
  }

  /** LEB128 of up to 64 bits. Signed numbers are only skipped, so their value does not matter. */
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
