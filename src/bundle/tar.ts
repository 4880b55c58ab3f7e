import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import { createTarDecoder, createTarPacker, type ParsedTarEntry } from 'modern-tar';
import { damaged } from './manifest.js';

/** A file to write into a tar file. */
export interface NewEntry {
  name: string;
  size: number;
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** The next entry of a tar file. Read it before you ask for the next one; otherwise it is skipped. */
export interface FoundEntry {
  name: string;
  size: number;
  /** A regular file, not a link, a folder or a device. */
  isFile: boolean;
  /** Reads the whole entry, so check `size` first. */
  read(): Promise<Uint8Array>;
}

/** Writes a tar file, and ends the target. After an error it destroys the target. */
export async function writeTar(
  entries: Iterable<NewEntry>,
  target: Writable,
  mtime: Date,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { readable, controller } = createTarPacker();
  const source = Readable.fromWeb(readable as unknown as NodeReadableStream);
  const feed = async () => {
    try {
      for (const { name, size, chunks } of entries) {
        const writer = controller.add({ name, size, mtime, type: 'file', mode: 0o644 }).getWriter();
        for await (const chunk of chunks) await writer.write(chunk);
        await writer.close();
      }
      controller.finalize();
    } catch (error) {
      controller.error(error);
      throw error;
    }
  };
  // If one fails, the other fails with the same error.
  const outcomes = await Promise.allSettled([pipeline(source, target, signal ? { signal } : {}), feed()]);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

/**
 * Reads a tar file, and destroys the source at the end.
 *
 * @param budget - the bytes that may still be read. The caller adds to it when it knows more
 */
export async function* readTar(source: Readable, budget: { bytes: number }): AsyncGenerator<FoundEntry, void, void> {
  const { readable, writable } = createTarDecoder({ strict: true });
  void feed(source, writable, budget);
  try {
    for await (const entry of readable) {
      let isRead = false;
      const { name, size, type } = entry.header;
      const read = () => {
        isRead = true;
        return bytesOf(entry);
      };
      yield { name, size, isFile: type === 'file', read };
      if (!isRead) await entry.body.cancel();
    }
  } finally {
    source.destroy(); // Nobody waits for its end, because a user's stream may hang.
  }
}

/** Never rejects: the reader of the other end gets the error. */
async function feed(source: Readable, writable: WritableStream<Uint8Array>, budget: { bytes: number }): Promise<void> {
  const writer = writable.getWriter();
  try {
    for await (const chunk of source) {
      if (!(chunk instanceof Uint8Array)) throw damaged('it does not consist of bytes');
      budget.bytes -= chunk.length;
      if (budget.bytes < 0) throw damaged('it is longer than its manifest says');
      await writer.write(chunk);
    }
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => {});
  }
}

async function bytesOf({ header, body }: ParsedTarEntry): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(header.size);
  let at = 0;
  for await (const chunk of body) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  if (at !== header.size) throw damaged(`it ends inside ${JSON.stringify(header.name)}`);
  return bytes;
}
