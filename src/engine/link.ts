import { type Addon, type Link as Handle, loadAddon } from '../native/addon.js';

/**
 * A TCP connection that the addon reads in a thread of its own: whoever waits for an answer needs no event loop, and
 * no thread of Node's, which takes 20 ms to start.
 */
export class Link {
  readonly #addon: Addon;
  readonly #handle: Handle;

  /**
   * Connects; the bytes are sent as soon as that is done.
   *
   * @throws {Error} when the addon is not there, or no thread can be started.
   */
  constructor(host: string, port: number, bytes: Uint8Array) {
    const { addon, error } = loadAddon();
    if (!addon) throw new Error('The addon is not there', { cause: error });
    this.#addon = addon;
    this.#handle = addon.openLink(host, port, bytes);
  }

  send(bytes: Uint8Array): void {
    this.#addon.sendOnLink(this.#handle, bytes);
  }

  /**
   * What has come since the last time; waits up to so many milliseconds for something to come, and gives `undefined` when nothing does.
   *
   * @throws {Error} when there is no more to come.
   */
  read(milliseconds: number): Buffer | undefined {
    const read = this.#addon.readLink(this.#handle, Math.max(0, Math.ceil(milliseconds)));
    if (read === null) throw new Error('the server closed the connection');
    if (typeof read === 'string') throw new Error(read);
    return read;
  }

  close(): void {
    this.#addon.closeLink(this.#handle);
  }
}
