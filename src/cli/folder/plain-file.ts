import fs from 'node:fs';

const { O_RDONLY, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = fs.constants;

/** The start of a file. */
export interface FileStart {
  bytes: Uint8Array<ArrayBuffer>;
  stats: fs.Stats;
}

/**
 * Reads the first bytes of a file whose name anybody may have chosen. Does not wait for a pipe or a device, and follows no link unless it is
 * asked to.
 *
 * @throws {Error} when it is not a plain file, or cannot be read.
 */
export async function readPlainFile(file: string, length: number, followsLinks = false): Promise<FileStart> {
  const handle = await fs.promises.open(file, O_RDONLY | O_NONBLOCK | (followsLinks ? 0 : O_NOFOLLOW));
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new Error(`${file} is ${stats.isDirectory() ? 'a folder' : 'not a plain file'}`);
    const bytes = new Uint8Array(Math.min(length, stats.size));
    let at = 0;
    for (let read = -1; read !== 0 && at < bytes.length; at += read) {
      read = (await handle.read(bytes, at, bytes.length - at, at)).bytesRead;
    }
    return { bytes: bytes.subarray(0, at), stats };
  } finally {
    await handle.close();
  }
}
