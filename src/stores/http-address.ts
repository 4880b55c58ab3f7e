import { sha256 } from '../native/digest.js';
import { baseUrl } from './http-request.js';
import { encodeName } from './store-names.js';

/** In bytes. */
const DEFAULT_MAX_SIZE = 256 * 2 ** 20;

/**
 * Options of {@link HttpStore}.
 *
 * @example
 * ```ts
 * import { HttpStore, type HttpStoreOptions } from 'wasm-module-cache/stores/http';
 *
 * const options: HttpStoreOptions = { url: 'https://cache.internal/wasm', bearerToken: process.env.CACHE_TOKEN };
 * console.log(new HttpStore(options).description); // https://cache.internal/wasm/
 * ```
 */
export interface HttpStoreOptions {
  /** The address before the names. A user name and a password in it mean the same as the options below. */
  url: string | URL;
  /** Sent with each request, but not to another server that a redirect names. Default: none. */
  headers?: Record<string, string> | undefined;
  /** Sent as `Authorization: Bearer ...`. Default: none. */
  bearerToken?: string | undefined;
  /** For basic authentication. Default: that of the URL. */
  username?: string | undefined;
  /** For basic authentication. Default: that of the URL. */
  password?: string | undefined;
  /**
   * Whether the server respects `If-Match` and `If-None-Match: *` of a PUT and returns strong ETags. Nobody can see that from outside. With
   * a server that does not, the last writer wins. nginx' DAV module, bazel-remote and Go's webdav do not; sabre/dav (Nextcloud) and
   * WsgiDAV say that they do. Default: false.
   */
  conditional?: boolean | undefined;
  /**
   * Ask for `sha256(name)`, in 64 hexadecimal digits, instead of the name: for bazel-remote, which knows no other names. Default: false.
   */
  hashNames?: boolean | undefined;
  /** Bytes. A longer value is refused as soon as its length is known. Default: 256 MiB. */
  maxSize?: number | undefined;
}

/** The URLs of a web server's store, and the headers that are sent with each request. */
export class HttpAddress {
  /** Without user name and password. */
  readonly base: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly maxSize: number;
  readonly #hashNames: boolean;

  /** @throws {TypeError} that names the wrong option, but not its value. */
  constructor(options: HttpStoreOptions) {
    const { hashNames = false, maxSize = DEFAULT_MAX_SIZE } = options;
    const base = baseUrl('HttpStore: url', options.url);
    this.headers = headersOf(options, base);
    base.username = '';
    base.password = '';
    if (!base.pathname.endsWith('/')) base.pathname += '/';
    this.base = base.href;
    this.#hashNames = hashNames;
    this.maxSize = maxSize;
  }

  /** @throws {CacheError} kind `Other` for an invalid name. */
  of(name: string): URL {
    const path = encodeName(name);
    return new URL(this.#hashNames ? String(sha256(Buffer.from(name))) : path, this.base);
  }
}

function headersOf(options: HttpStoreOptions, { username: user, password: word }: URL): Record<string, string> {
  const { bearerToken, username = decoded(user), password = decoded(word) } = options;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw new TypeError('HttpStore: headers has an invalid name');
    if (!isHeaderValue(value)) throw new TypeError(`HttpStore: headers has a value for ${name} that cannot be sent`);
    headers[name.toLowerCase()] = value;
  }
  const credentials = [headers.authorization, bearerToken, username || password || undefined];
  if (credentials.filter((each) => each !== undefined).length > 1)
    throw new TypeError('HttpStore: set only one of headers.authorization, bearerToken and username');
  if (bearerToken !== undefined) {
    if (!isHeaderValue(bearerToken)) throw new TypeError('HttpStore: bearerToken cannot be sent in a header');
    headers.authorization = `Bearer ${bearerToken}`;
  }
  if (username || password) {
    if (username.includes(':')) throw new TypeError('HttpStore: username must not contain a colon');
    headers.authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }
  return headers;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TypeError('HttpStore: write a % in the user name or the password of url as %25');
  }
}

function isHeaderValue(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}
