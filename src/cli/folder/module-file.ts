import path from 'node:path';
import { ModuleHash } from '../../module-hash.js';
import { UsageError } from '../exit-codes.js';
import { type FileStart, readPlainFile } from './plain-file.js';

/** A file that the user named as a WebAssembly module. */
export interface ModuleFile {
  /** Its absolute path. */
  file: string;
  wireBytes: Uint8Array<ArrayBuffer>;
  /** The key that the hook uses. */
  key: ModuleHash;
}

const WASM_MAGIC = [0x00, 0x61, 0x73, 0x6d];
/** V8 takes no larger module. */
export const MAX_MODULE_SIZE = 2 ** 30;

/** @throws {UsageError} when the file cannot be read, or is not a WebAssembly binary. V8 may still reject the module. */
export async function readModuleFile(given: string): Promise<ModuleFile> {
  const file = path.resolve(given);
  const { bytes: start, stats } = await read(file, WASM_MAGIC.length);
  if (WASM_MAGIC.some((byte, at) => start[at] !== byte)) {
    const found = Buffer.from(start).toString('hex') || 'nothing';
    const hint = /\.wat$/.test(file) ? ' (a .wat file is text: make a .wasm file of it first)' : '';
    throw new UsageError(`${file} is not a WebAssembly binary: it begins with ${found}, not with 0061736d${hint}`);
  }
  if (stats.size > MAX_MODULE_SIZE) {
    throw new UsageError(`${file} has ${stats.size} bytes, more than the ${MAX_MODULE_SIZE} that a module may have`);
  }
  const { bytes: wireBytes } = await read(file, MAX_MODULE_SIZE);
  return { file, wireBytes, key: ModuleHash.sha256(wireBytes) };
}

async function read(file: string, length: number): Promise<FileStart> {
  try {
    return await readPlainFile(file, length, true);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new UsageError(`There is no file ${file}: name the .wasm file of a module`);
    if (code !== undefined) throw new UsageError(`${file} cannot be read: ${message}`);
    throw new UsageError(`${message}: name the .wasm file of a module`);
  }
}
