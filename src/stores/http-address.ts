import { sha256 } from '../native/digest.js';
import type { HttpStoreOptions } from './http.js';
import { baseUrl, encodeName } from './http-request.js';

/** Bytes. */
const DEFAULT_MAX_SIZE = 256 * 2 ** 20;

/** Where the names of a web server's store are, and what is sent with each request. */
export class HttpAddress {
  /** Without user name and password. */
  readonly base: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly maxSize: number;
  readonly #hashNames: boolean;

  /** @throws {TypeError} that names the option that is wrong, and not its value. */
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

  /** @throws {CacheError} kind `Other` when it is no name. */
  of(name: string): URL {
    const path = encodeName(name);
    return new URL(this.#hashNames ? String(sha256(Buffer.from(name))) : path, this.base);
  }
}

function headersOf(options: HttpStoreOptions, { username: user, password: word }: URL): Record<string, string> {
  const { bearerToken, username = decoded(user), password = decoded(word) } = options;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw new TypeError('HttpStore: headers has a name that is none');
    if (!isHeaderValue(value)) throw new TypeError(`HttpStore: headers has a value for ${name} that cannot be sent`);
    headers[name.toLowerCase()] = value;
  }
  const credentials = [headers.authorization, bearerToken, username || password || undefined];
  if (credentials.filter((each) => each !== undefined).length > 1)
    throw new TypeError('HttpStore: headers.authorization, bearerToken and username are more than one way to log in');
  if (bearerToken !== undefined) {
    if (!isHeaderValue(bearerToken)) throw new TypeError('HttpStore: bearerToken cannot be sent in a header');
    headers.authorization = `Bearer ${bearerToken}`;
  }
  if (username || password) {
    if (username.includes(':')) throw new TypeError('HttpStore: username must have no colon');
    headers.authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }
  return headers;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TypeError('HttpStore: the user name or the password in url has a % that must be written %25');
  }
}

function isHeaderValue(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}
