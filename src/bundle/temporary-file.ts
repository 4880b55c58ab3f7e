import fs from 'node:fs';
import path from 'node:path';
import { hostTag } from '../stores/file-system.js';

const CHUNK = 2 ** 20;
/** Nobody else may look at what is not done, or put something in its place. */
const PRIVATE_FILE = 0o600;
let files = 0;

/** Beside the file that it is for, where it can be renamed to that. */
export function temporaryName(file: string): string {
  const unique = `${hostTag()}-${process.pid}-${files++}-${Math.random().toString(36).slice(2)}`;
  return path.join(path.dirname(file), `.${path.basename(file)}.${unique}.tmp`);
}

/** Bytes on a disk that would take too much memory. */
export class TemporaryFile {
  readonly #name: string;
  readonly #handle: fs.promises.FileHandle;
  #size = 0;

  private constructor(name: string, handle: fs.promises.FileHandle) {
    this.#name = name;
    this.#handle = handle;
  }

  static async create(name: string): Promise<TemporaryFile> {
    return new TemporaryFile(name, await fs.promises.open(name, 'wx+', PRIVATE_FILE));
  }

  /** @returns where it begins */
  async append(bytes: Uint8Array): Promise<number> {
    const start = this.#size;
    for (let at = 0; at < bytes.length; ) {
      at += (await this.#handle.write(bytes, at, bytes.length - at, start + at)).bytesWritten;
    }
    this.#size += bytes.length;
    return start;
  }

  async *read(start: number, size: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < size; ) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK, size - at)); // whoever gets it may keep it
      const { bytesRead } = await this.#handle.read(chunk, 0, chunk.length, start + at);
      if (bytesRead === 0) throw new Error(`${this.#name} was cut off by somebody else`);
      yield chunk.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  async remove(): Promise<void> {
    await this.#handle.close().catch(() => {});
    await fs.promises.unlink(this.#name).catch(() => {});
  }
}
