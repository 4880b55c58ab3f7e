import { Link } from '../engine/link.js';
import { AnotherWayError, type DirectAnswer, type DirectReader } from './direct.js';
import type { HttpStoreOptions } from './http.js';
import { HttpAddress } from './http-address.js';

/** Bytes; Node takes 16 KiB, too. */
const MAX_HEAD = 16 * 1024;
const END_OF_HEAD = '\r\n\r\n';

interface Exchange {
  link: Link;
  /** Until the head is whole, all that has come. */
  head: Buffer;
  body: Uint8Array | undefined;
  /** Bytes of it that have come. */
  filled: number;
  error: Error | undefined;
}

/**
 * As `HttpStore.get`, of a server without TLS: a connection for each request, and an answer that says how long it is. What else
 * HTTP knows is left to a client.
 */
export class DirectHttp implements DirectReader {
  readonly #address: HttpAddress;
  readonly #exchanges = new Map<string, Exchange>();

  /** @throws {TypeError} as `HttpStore`. */
  constructor(options: HttpStoreOptions) {
    this.#address = new HttpAddress(options);
  }

  ask(name: string): void {
    const { hostname, host, port, pathname } = this.#address.of(name);
    const headers = { host, 'accept-encoding': 'identity', ...this.#address.headers, connection: 'close' };
    const lines = Object.entries(headers).map(([header, value]) => `${header}: ${value}\r\n`);
    const request = Buffer.from(`GET ${pathname} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
    const link = new Link(hostname.replace(/^\[|\]$/g, ''), Number(port || 80), request);
    this.#exchanges.set(name, { link, head: Buffer.alloc(0), body: undefined, filled: 0, error: undefined });
  }

  answer(name: string, milliseconds: number): DirectAnswer | undefined {
    const exchange = this.#exchanges.get(name);
    if (!exchange) return undefined;
    if (exchange.error) throw exchange.error;
    let answer: DirectAnswer | undefined;
    try {
      const read = exchange.link.read(milliseconds);
      answer = read && this.#take(exchange, read);
    } catch (error) {
      exchange.error = error instanceof AnotherWayError ? error : this.#failure(name, error as Error);
      throw exchange.error;
    }
    if (answer) {
      exchange.link.close();
      this.#exchanges.delete(name);
    }
    return answer;
  }

  close(): void {
    for (const { link } of this.#exchanges.values()) link.close();
  }

  #failure(name: string, { message }: Error): Error {
    const { origin, pathname } = this.#address.of(name);
    return new Error(`GET ${origin}${pathname}: ${message}`);
  }

  #take(exchange: Exchange, read: Buffer): DirectAnswer | undefined {
    if (exchange.body) return fill(exchange, exchange.body, read);
    const head = exchange.head.length > 0 ? Buffer.concat([exchange.head, read]) : read;
    exchange.head = head;
    const end = head.indexOf(END_OF_HEAD);
    const isHttp = 'HTTP/1.'.startsWith(head.toString('latin1', 0, 7));
    if (!isHttp || (end < 0 ? head.length : end) > MAX_HEAD) throw new Error('the answer is not HTTP');
    if (end < 0) return undefined;
    const length = lengthOf(head.toString('latin1', 0, end), this.#address.maxSize);
    if (length === undefined) return { bytes: undefined };
    const start = head.subarray(end + END_OF_HEAD.length);
    if (start.length === length) return { bytes: start };
    // Its memory is only taken from the system as it is filled, so that a length that is not true costs nothing.
    exchange.body = Buffer.allocUnsafeSlow(length);
    return fill(exchange, exchange.body, start);
  }
}

function fill(exchange: Exchange, body: Uint8Array, read: Buffer): DirectAnswer | undefined {
  if (exchange.filled + read.length > body.length) throw new Error('more bytes than the answer announced');
  body.set(read, exchange.filled);
  exchange.filled += read.length;
  return exchange.filled === body.length ? { bytes: body } : undefined;
}

/**
 * The length of what follows; `undefined` where nothing is stored.
 *
 * @throws {AnotherWayError} for all but the plainest answers.
 */
function lengthOf(head: string, maxSize: number): number | undefined {
  const [, status] = /^HTTP\/1\.[01] (\d{3})[ \r]/.exec(`${head}\r`) ?? [];
  if (status === '404' || status === '410') return undefined;
  const lengths = [...head.matchAll(/\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*(?=\r|$)/gi)];
  const isPlain = status === '200' && lengths.length === 1 && !/\r\n(?:transfer|content)-encoding:/i.test(head);
  const length = Number(lengths[0]?.[1]);
  if (!isPlain || length > maxSize) throw new AnotherWayError('not a plain answer');
  return length;
}
