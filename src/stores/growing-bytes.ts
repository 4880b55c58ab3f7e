/**
 * Collects bytes of unknown length up to a limit. It takes only the memory of what came, never copies to grow, and gives all memory back
 * at once, not when the garbage collector comes: a hostile server may send hundreds of megabytes before it is refused.
 */
export class GrowingBytes {
  readonly #buffer: ArrayBuffer;
  #length = 0;

  constructor(limit: number) {
    this.#buffer = new ArrayBuffer(0, { maxByteLength: limit });
  }

  get length(): number {
    return this.#length;
  }

  /** Returns `false`, and adds nothing, if that would be more than the limit. */
  add(chunk: Uint8Array): boolean {
    const length = this.#length + chunk.length;
    if (length > this.#buffer.maxByteLength) return false;
    if (length > this.#buffer.byteLength) this.#buffer.resize(Math.min(this.#buffer.maxByteLength, length + STEP));
    new Uint8Array(this.#buffer, this.#length).set(chunk);
    this.#length = length;
    return true;
  }

  beginning(length: number): Uint8Array {
    return new Uint8Array(this.#buffer, 0, length);
  }

  /** A copy in memory of its own: V8 takes whole buffers. */
  copy(): Uint8Array {
    return new Uint8Array(this.#buffer.slice(0, this.#length));
  }

  /** Gives the memory back. Later bytes are refused. */
  free(): void {
    this.#buffer.resize(0);
    this.#length = Number.POSITIVE_INFINITY;
  }
}

/** Bytes by which the memory grows at least: each growth is a call of the system. */
const STEP = 2 ** 20;
