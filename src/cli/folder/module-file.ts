import fs from 'node:fs';
import path from 'node:path';
import { ModuleHash } from '../../module-hash.js';
import { UsageError } from '../exit-codes.js';

/** A file that somebody named as a WebAssembly module. */
export interface ModuleFile {
  /** Its absolute path. */
  file: string;
  wireBytes: Uint8Array<ArrayBuffer>;
  /** What the hook looks for. */
  key: ModuleHash;
}

/** @throws {UsageError} for what cannot be read, or is of another kind. Whether V8 takes the module is not looked at. */
export async function readModuleFile(given: string): Promise<ModuleFile> {
  const file = path.resolve(given);
  let wireBytes: Uint8Array<ArrayBuffer>;
  try {
    wireBytes = await fs.promises.readFile(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new UsageError(`There is no file ${file}: name the .wasm file of a module`);
    if (code === 'EISDIR') throw new UsageError(`${file} is a folder: name the .wasm file of a module`);
    throw new UsageError(`${file} cannot be read: ${message}`);
  }
  if (WASM_MAGIC.some((byte, at) => wireBytes[at] !== byte)) {
    const start = Buffer.from(wireBytes.subarray(0, WASM_MAGIC.length)).toString('hex') || 'nothing';
    const hint = /\.wat$/.test(file) ? ' (a .wat file is text: make a .wasm file of it first)' : '';
    throw new UsageError(`${file} is not a WebAssembly binary: it begins with ${start}, not with 0061736d${hint}`);
  }
  return { file, wireBytes, key: ModuleHash.sha256(wireBytes) };
}

const WASM_MAGIC = [0x00, 0x61, 0x73, 0x6d];
