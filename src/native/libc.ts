import fs from 'node:fs';

// Captured: programs replace them.
const { closeSync, openSync, readSync } = fs;

/** ELF with 64 bits, little endian. */
const MAGIC = Buffer.from('\x7fELF\x02\x01', 'latin1');
const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
const MAX_PROGRAM_HEADERS = 1000;
/** The type of the program header that says where the path of the dynamic linker is. */
const INTERPRETER = 3;
const MAX_PATH = 4096;

/**
 * Which libc a Linux binary was linked with, told by the path of its dynamic linker. The distribution does not tell it, and musl loads
 * an addon that was built for glibc and crashes in it. The path can be anywhere in the file: at its end after patchelf.
 *
 * @throws when the file cannot be read.
 */
export function libcOf(binary: string): 'glibc' | 'musl' {
  const file = openSync(binary, 'r');
  try {
    return interpreterOf(file).includes('/ld-musl-') ? 'musl' : 'glibc';
  } finally {
    closeSync(file);
  }
}

function interpreterOf(file: number): Buffer {
  const header = read(file, 0, HEADER_SIZE);
  if (header.length < HEADER_SIZE || !header.subarray(0, MAGIC.length).equals(MAGIC)) return Buffer.alloc(0);
  const count = Math.min(header.readUInt16LE(56), MAX_PROGRAM_HEADERS);
  const table = read(file, Number(header.readBigUInt64LE(32)), count * PROGRAM_HEADER_SIZE);
  for (let at = 0; at + PROGRAM_HEADER_SIZE <= table.length; at += PROGRAM_HEADER_SIZE) {
    if (table.readUInt32LE(at) !== INTERPRETER) continue;
    const length = Math.min(Number(table.readBigUInt64LE(at + 32)), MAX_PATH);
    return read(file, Number(table.readBigUInt64LE(at + 8)), length);
  }
  return Buffer.alloc(0);
}

/** What the file has there, which may be less. */
function read(file: number, position: number, length: number): Buffer {
  // Beyond this, `readSync` throws.
  if (!Number.isSafeInteger(position)) return Buffer.alloc(0);
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(file, bytes, 0, length, position));
}
