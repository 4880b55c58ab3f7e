import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import { createTarDecoder, createTarPacker, type ParsedTarEntry } from 'modern-tar';
import { damaged } from './manifest.js';

/** What is to become a file of a tar file. */
export interface NewEntry {
  name: string;
  size: number;
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** What a tar file has next; to be read before the one after it is asked for, or it is skipped. */
export interface FoundEntry {
  name: string;
  size: number;
  /** Not a link, a folder or a device. */
  isFile: boolean;
  /** All of it: look at `size` first. */
  read(): Promise<Uint8Array>;
}

/** Writes a tar file, and ends the target; where anything fails the target is destroyed. */
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
  // Each fails when the other does, with the same error.
  const outcomes = await Promise.allSettled([pipeline(source, target, signal ? { signal } : {}), feed()]);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

/**
 * Reads a tar file, and destroys the source in the end.
 *
 * @param budget - what may still be read; whoever finds out that it is to be more adds to it
 */
export async function* readTar(source: Readable, budget: { bytes: number }): AsyncGenerator<FoundEntry, void, void> {
  const { readable, writable } = createTarDecoder({ strict: true });
  void feed(source, writable, budget);
  const reader = readable.getReader();
  try {
    for (;;) {
      const { done, value: entry } = await reader.read();
      if (done) return;
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
    await reader.cancel('enough').catch(() => {});
    source.destroy(); // That it is then done nobody waits for: a stream of somebody's own may hang.
  }
}

/** Never rejects: whoever reads the other end is told. */
async function feed(source: Readable, writable: WritableStream<Uint8Array>, budget: { bytes: number }): Promise<void> {
  const writer = writable.getWriter();
  try {
    for await (const chunk of source) {
      if (!(chunk instanceof Uint8Array)) throw damaged('it is not read as bytes');
      budget.bytes -= chunk.length;
      if (budget.bytes < 0) throw damaged('it goes on after what it announces');
      await writer.write(chunk);
    }
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => {});
  }
}

async function bytesOf({ header, body }: ParsedTarEntry): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(header.size);
  const reader = body.getReader();
  let at = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes.set(value, at);
    at += value.length;
  }
  if (at !== header.size) throw damaged(`it ends inside ${JSON.stringify(header.name)}`);
  return bytes;
}
