/**
 * Artifacts on a web server.
 *
 * @module wasm-module-cache/stores/http
 */

import type { ArtifactStore, GetOptions, PutOptions, StoredValue, StoreOptions } from '../artifact-store.js';
import { CacheError } from '../cache-error.js';
import { HttpAddress, type HttpStoreOptions } from './http-address.js';
import { type HttpAnswer, type HttpRequest, HttpTransport } from './http-request.js';

// Captured: programs replace globals.
const { getBuiltinModule } = process;

export type { HttpStoreOptions };

const STRONG_ETAG = /^"[^"]*"$/;

/**
 * Bytes by name on a web server, by GET, PUT, HEAD and DELETE of `url/name`: nginx with its DAV module (`dav_methods PUT DELETE;
 * create_full_put_path on;`), or any server or CDN for reading. An answer that is neither 2xx nor simply missing (404, 410) is a
 * `CacheError` with the method, the address and the status. GET and HEAD follow at most five redirects, and never from https to http. The
 * headers, which may hold credentials, go to no other origin.
 *
 * For bazel-remote the URL ends in `/ac`, `hashNames` is true, and the server runs with `--disable_http_ac_validation`. Without that flag it
 * accepts only Bazel's own messages there, and under `/cas` only values whose hash is their name. It deletes nothing for a client.
 *
 * An operation keeps the process alive until its answer is there; an idle connection does not. After the abort of `background` it does so
 * only while a server does not take the bytes of a put, or the system still looks up the host's name; without a connection it fails then.
 * No operation has a deadline of its own. Proxies of the environment are not used.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http';
 * import type { AddressInfo } from 'node:net';
 * import { HttpStore } from 'wasm-module-cache/stores/http';
 *
 * const server = createServer((_, response) => response.end('bytes')).listen(0, '127.0.0.1');
 * await new Promise((resolve) => server.once('listening', resolve));
 * const { port } = server.address() as AddressInfo;
 *
 * const store = new HttpStore({ url: `http://127.0.0.1:${port}/wasm`, username: 'reader', password: 'secret' });
 * const value = await store.get('a/b.artifact', { signal: AbortSignal.timeout(5000) });
 * console.log(Buffer.from(value?.bytes ?? []).toString()); // bytes
 * await store.close();
 * server.close();
 * ```
 */
export class HttpStore implements ArtifactStore {
  readonly description: string;
  readonly isConditional: boolean;
  readonly #address: HttpAddress;
  readonly #transport = new HttpTransport();

  /**
   * Does not connect yet.
   *
   * @throws {TypeError} that names the wrong option, but not its value.
   */
  constructor(options: HttpStoreOptions) {
    const { conditional = false } = options;
    this.#address = new HttpAddress(options);
    this.description = this.#address.base;
    this.isConditional = conditional;
  }

  async get(name: string, { maxSize, check, ...options }: GetOptions = {}): Promise<StoredValue | undefined> {
    const answer = await this.#ask('GET', name, options, { maxSize, check });
    if (isMissing(answer)) return undefined;
    if (answer.status !== 200) throw this.#unexpected('GET', name, answer);
    return { bytes: answer.bytes, version: this.isConditional ? strongETag(answer) : undefined };
  }

  async put(name: string, bytes: Uint8Array, options: PutOptions = {}): Promise<boolean> {
    const headers: Record<string, string> = { 'content-type': 'application/octet-stream' };
    if (this.isConditional && options.ifVersion === null) headers['if-none-match'] = '*';
    if (this.isConditional && typeof options.ifVersion === 'string') {
      options.signal?.throwIfAborted();
      if (!STRONG_ETAG.test(options.ifVersion)) return false; // not a version of this store
      headers['if-match'] = options.ifVersion;
    }
    const answer = await this.#ask('PUT', name, options, { headers, body: bytes });
    if (answer.status === 412 && this.isConditional) return false;
    if (![200, 201, 204].includes(answer.status)) throw this.#unexpected('PUT', name, answer);
    return true;
  }

  async has(name: string, options?: StoreOptions): Promise<boolean> {
    const answer = await this.#ask('HEAD', name, options);
    if (isMissing(answer)) return false;
    if (answer.status !== 200) throw this.#unexpected('HEAD', name, answer);
    return true;
  }

  async delete(name: string, options?: StoreOptions): Promise<void> {
    const answer = await this.#ask('DELETE', name, options);
    if (!isMissing(answer) && (answer.status < 200 || answer.status > 299)) {
      throw this.#unexpected('DELETE', name, answer);
    }
  }

  async close(): Promise<void> {
    this.#transport.close();
  }

  #ask(
    method: HttpRequest['method'],
    name: string,
    options: StoreOptions = {},
    {
      headers = {},
      body,
      check,
      maxSize = this.#address.maxSize,
    }: Pick<HttpRequest, 'headers' | 'body' | 'check'> & Pick<GetOptions, 'maxSize'> = {},
  ): Promise<HttpAnswer> {
    const { signal, background } = options;
    return this.#transport.request({
      method,
      url: this.#address.of(name),
      headers: { ...this.#address.headers, ...headers },
      body,
      check,
      maxSize: Math.min(maxSize, this.#address.maxSize),
      signal,
      background,
    });
  }

  #unexpected(method: string, name: string, { status }: HttpAnswer): CacheError {
    const meaning = getBuiltinModule('node:http').STATUS_CODES[status] ?? '';
    return new CacheError('Other', `${method} ${this.#address.of(name).href}: ${status} ${meaning}`.trimEnd());
  }
}

function isMissing({ status }: HttpAnswer): boolean {
  return status === 404 || status === 410;
}

function strongETag({ headers }: HttpAnswer): string | undefined {
  return STRONG_ETAG.test(headers.etag ?? '') ? headers.etag : undefined;
}
