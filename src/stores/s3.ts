/**
 * Artifacts in a bucket of S3 or a compatible server. Needs `aws4`.
 *
 * @module wasm-module-cache/stores/s3
 */

import type { ArtifactStore, GetOptions, PutOptions, StoredValue, StoreOptions } from '../artifact-store.js';
import { type HttpAnswer, type HttpRequest, HttpTransport } from './http-request.js';
import { S3Address, type S3StoreOptions } from './s3-address.js';
import { codeOf, elements, isMissing, textOf, unexpected } from './s3-answer.js';
import type { S3Credentials } from './s3-credentials.js';
import { S3Signer } from './s3-signer.js';
import { isName } from './store-names.js';
import { withSignal } from './with-signal.js';

export type { S3Credentials, S3StoreOptions };

/** Bytes. */
const DEFAULT_MAX_SIZE = 256 * 2 ** 20;
/** Limit for an answer to a list, in bytes: S3 sends 1,000 keys of at most 1,024 bytes, and some text about each. */
const MAX_PAGE = 4 * 2 ** 20;

const QUOTED_ETAG = /^"[^"]+"$/;

/**
 * Bytes by name in a bucket of S3 or of a server with the same protocol: `prefix/name` is the key. A failure is a `CacheError` with the
 * method, the address, the status and S3's code.
 *
 * Needs the optional peer `aws4`, which signs requests: 40 KB, and 2 to 12 ms until it has signed the first. The AWS SDK's client
 * takes 13 MB and 130 ms. A value is sent with its hash, so that the server refuses damaged values, and to
 * comply with bucket policies that demand signed contents. Values are sent in one piece, of at most 5 GB.
 *
 * The credentials need `s3:GetObject`, `s3:PutObject` and `s3:DeleteObject`; without `s3:ListBucket` S3 answers 403 instead of 404
 * for what is not there, and `list` fails. `has` cannot tell a missing bucket from a missing value, because S3 does not say.
 *
 * It keeps a process alive as `HttpStore` does. A provider of credentials may do so, too.
 *
 * @example
 * ```ts
 * import { S3Store } from 'wasm-module-cache/stores/s3';
 *
 * const store = new S3Store({
 *   bucket: 'artifacts',
 *   prefix: 'wasm',
 *   region: 'eu-central-1',
 *   credentials: async () => ({ accessKeyId: 'AKIA...', secretAccessKey: '...' }),
 * });
 * console.log(store.description, store.isConditional); // s3://artifacts/wasm true
 * await store.close();
 * ```
 */
export class S3Store implements ArtifactStore {
  readonly isConditional: boolean;
  readonly #address: S3Address;
  readonly #signer: S3Signer;
  readonly #unquotedIfMatch: boolean;
  readonly #maxSize: number;
  readonly #transport = new HttpTransport();

  /**
   * Does not connect yet.
   *
   * @throws {TypeError} that names the wrong option, but not its value.
   */
  constructor(options: S3StoreOptions) {
    const { credentials, unquotedIfMatch = false, maxSize = DEFAULT_MAX_SIZE } = options;
    this.#address = new S3Address(options);
    this.#signer = new S3Signer(this.#address.region, credentials);
    this.isConditional = options.isConditional ?? this.#address.isAws;
    this.#unquotedIfMatch = unquotedIfMatch;
    this.#maxSize = maxSize;
  }

  get description(): string {
    return this.#address.description;
  }

  async get(name: string, { maxSize, check, ...options }: GetOptions = {}): Promise<StoredValue | undefined> {
    const url = this.#address.of(name);
    const answer = await this.#ask('GET', url, options, { maxSize, check });
    if (isMissing(answer)) return undefined;
    if (answer.status !== 200) throw unexpected('GET', url, answer, this.#address);
    const { etag = '' } = answer.headers;
    return { bytes: answer.bytes, version: this.isConditional && QUOTED_ETAG.test(etag) ? etag : undefined };
  }

  async put(name: string, bytes: Uint8Array, options: PutOptions = {}): Promise<boolean> {
    const url = this.#address.of(name);
    const headers: Record<string, string> = { 'content-type': 'application/octet-stream' };
    const ifVersion = this.isConditional ? options.ifVersion : undefined;
    if (ifVersion === null) headers['if-none-match'] = '*';
    else if (ifVersion !== undefined) {
      options.signal?.throwIfAborted();
      if (!QUOTED_ETAG.test(ifVersion)) return false; // not a version of this store
      headers['if-match'] = this.#unquotedIfMatch ? ifVersion.slice(1, -1) : ifVersion;
    }
    const answer = await this.#ask('PUT', url, options, { headers, body: bytes });
    if (ifVersion !== undefined && this.#isUnmet(answer)) return false;
    if (answer.status < 200 || answer.status > 299) throw unexpected('PUT', url, answer, this.#address);
    return true;
  }

  async has(name: string, options?: StoreOptions): Promise<boolean> {
    const url = this.#address.of(name);
    const answer = await this.#ask('HEAD', url, options);
    if (isMissing(answer)) return false;
    if (answer.status !== 200) throw unexpected('HEAD', url, answer, this.#address);
    return true;
  }

  async delete(name: string, options?: StoreOptions): Promise<void> {
    const url = this.#address.of(name);
    const answer = await this.#ask('DELETE', url, options);
    if (isMissing(answer)) return;
    if (answer.status < 200 || answer.status > 299) throw unexpected('DELETE', url, answer, this.#address);
  }

  async *list(prefix: string, options?: StoreOptions): AsyncGenerator<string> {
    const { base, prefix: folder } = this.#address;
    for (let token: string | undefined, isTruncated = true; isTruncated; ) {
      const url = new URL(base);
      url.searchParams.set('list-type', '2');
      url.searchParams.set('prefix', folder + prefix);
      if (token !== undefined) url.searchParams.set('continuation-token', token);
      const answer = await this.#ask('GET', url, options, { maxSize: MAX_PAGE });
      const xml = textOf(answer);
      if (answer.status !== 200 || !xml.includes('<ListBucketResult'))
        throw unexpected('GET', url, answer, this.#address);
      for (const key of elements(xml, 'Key')) {
        const name = key.startsWith(folder) ? key.slice(folder.length) : '';
        // The bucket may contain foreign keys that are not valid names.
        if (isName(name) && name.startsWith(prefix)) yield name;
      }
      [token] = elements(xml, 'NextContinuationToken');
      isTruncated = token !== undefined && elements(xml, 'IsTruncated')[0] === 'true';
    }
  }

  async close(): Promise<void> {
    this.#transport.close();
  }

  async #ask(
    method: HttpRequest['method'],
    url: URL,
    options: StoreOptions = {},
    {
      headers = {},
      body,
      check,
      maxSize = this.#maxSize,
    }: Pick<HttpRequest, 'headers' | 'body' | 'check'> & Pick<GetOptions, 'maxSize'> = {},
  ): Promise<HttpAnswer> {
    const { signal, background } = options;
    // Providers of credentials do not support signals.
    const signed = await withSignal(this.#signer.sign(method, url, headers, body, signal), signal);
    const answer = await this.#transport.request({
      ...{ method, url, headers: signed, body, check, signal, background },
      maxSize: Math.min(maxSize, this.#maxSize),
      maxRedirects: 0, // A redirect names the region of the bucket, but a signature is for one host only.
    });
    if (answer.status === 403 || codeOf(answer) === 'ExpiredToken') this.#signer.forgetCredentials();
    return answer;
  }

  /** Whether the condition of a PUT was not met. */
  #isUnmet(answer: HttpAnswer): boolean {
    if (answer.status === 412 || isMissing(answer)) return true;
    // The answers of S3 and Ceph to concurrent puts.
    const code = codeOf(answer);
    if (answer.status === 409) return code === 'ConditionalRequestConflict';
    return answer.status === 500 && code === 'UnknownError' && this.#unquotedIfMatch;
  }
}
