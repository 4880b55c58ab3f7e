/**
 * Artifacts in a bucket of S3, or of what speaks its language. Needs `aws4`.
 *
 * @module wasm-module-cache/stores/s3
 */

import type { ArtifactStore, PutOptions, StoredValue, StoreOptions } from '../artifact-store.js';
import { CacheError } from '../cache-error.js';
import { baseUrl, encodeName, type HttpAnswer, type HttpRequest, HttpTransport, isName } from './http-request.js';
import { CredentialSource, defaultCredentials } from './s3-credentials.js';

// Captured: programs replace globals. node:crypto is loaded on first use, it costs start-up time.
const { getBuiltinModule } = process;

/** Bytes. */
const DEFAULT_MAX_SIZE = 256 * 2 ** 20;

/** Bytes that are hashed at a time: 1 to 3 ms, in which the program stands still. */
const HASHED_AT_ONCE = 2 ** 20;

/** Milliseconds; S3 takes no request whose time is further off than 15 minutes. */
const NOTABLE_SKEW = 5 * 60_000;

const QUOTED_ETAG = /^"[^"]+"$/;

/** What these codes of S3's mean for whoever reads them in a log. */
const MEANINGS: Record<string, string> = {
  AccessDenied: 'S3 says so of what is not there, too, unless s3:ListBucket is granted',
  ExpiredToken: 'the session token has expired',
  InvalidAccessKeyId: 'the server does not know this access key',
  NoSuchBucket: 'there is no such bucket',
  NotImplemented: 'a server without conditional writes needs isConditional: false',
  SignatureDoesNotMatch: 'the secret access key is wrong',
  SlowDown: 'too many requests',
};

/**
 * What S3 requests are signed with.
 *
 * @example
 * ```ts
 * import type { S3Credentials } from 'wasm-module-cache/stores/s3';
 *
 * const inOneHour = new Date(Date.now() + 3_600_000);
 * const assumed: S3Credentials = { accessKeyId: 'AKIA...', secretAccessKey: '...', sessionToken: '...', expiration: inOneHour };
 * console.log(Object.keys(assumed).length); // 4
 * ```
 */
export interface S3Credentials {
  /** Names the secret. */
  accessKeyId: string;
  /** The secret. */
  secretAccessKey: string;
  /** What temporary credentials have besides. */
  sessionToken?: string | undefined;
  /** When they end: a provider is asked again five minutes before. Default: never. */
  expiration?: Date | undefined;
}

/**
 * Where an {@link S3Store} keeps its values.
 *
 * @example
 * ```ts
 * import { S3Store, type S3StoreOptions } from 'wasm-module-cache/stores/s3';
 *
 * const options: S3StoreOptions = { bucket: 'artifacts', endpoint: 'http://127.0.0.1:9000', isConditional: true };
 * console.log(new S3Store(options).description); // s3://artifacts at http://127.0.0.1:9000
 * ```
 */
export interface S3StoreOptions {
  /** Must exist. */
  bucket: string;
  /** Where in the bucket: a name, as of a folder. Default: the names are the keys. */
  prefix?: string | undefined;
  /** Default: `AWS_REGION`, else `AWS_DEFAULT_REGION`, else `us-east-1`, as most servers that are not AWS' have it. */
  region?: string | undefined;
  /** The URL of a server that is not AWS'. Default: `AWS_ENDPOINT_URL_S3`, else `AWS_ENDPOINT_URL`, else S3 of the region. */
  endpoint?: string | URL | undefined;
  /**
   * Whether the bucket stands in the path instead of the host name. Default: true for an endpoint of one's own, which would need a wild
   * card in the DNS, and for a bucket with a dot in its name, which no certificate covers; else false.
   */
  forcePathStyle?: boolean | undefined;
  /**
   * What requests are signed with, or a function that gives it, as the AWS SDK's providers are. Default: `AWS_ACCESS_KEY_ID`,
   * `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, as they are when the store is made, else what the optional peer
   * `@aws-sdk/credential-provider-node` finds: profiles, SSO, roles of containers and instances.
   */
  credentials?: S3Credentials | (() => Promise<S3Credentials>) | undefined;
  /** Whether the server minds `If-Match` and `If-None-Match: *` of a PUT. Default: true on AWS, false elsewhere. */
  isConditional?: boolean | undefined;
  /** Whether `If-Match` takes the ETag without quotes: so do Ceph and DigitalOcean Spaces, against the standard. Default: false. */
  unquotedIfMatch?: boolean | undefined;
  /** Bytes; a longer value is refused as soon as its length is known. Default: 256 MiB. */
  maxSize?: number | undefined;
}

/**
 * Bytes by name in a bucket of S3 or of a server that speaks the same: `prefix/name` is the key. What fails is a `CacheError` with the
 * method, the address, the status and S3's code.
 *
 * Needs the optional peer `aws4`, which signs requests: 40 KB, and 2 to 12 ms until it has signed the first. The AWS SDK's client
 * takes 13 MB and 130 ms. What is stored is sent with its hash, so that the server refuses what was damaged on the way, whatever the
 * protocol, and bucket policies that ask for signed contents are met. Values are sent in one piece, of at most 5 GB.
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
  readonly description: string;
  readonly isConditional: boolean;
  readonly #base: URL;
  readonly #prefix: string;
  readonly #region: string;
  readonly #credentials: CredentialSource;
  readonly #unquotedIfMatch: boolean;
  readonly #maxSize: number;
  readonly #transport = new HttpTransport();

  /**
   * Does not connect yet.
   *
   * @throws {TypeError} that names the option that is wrong, and not its value.
   */
  constructor(options: S3StoreOptions) {
    const { env } = process;
    const { bucket, prefix = '', region = env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1' } = options;
    const { credentials, unquotedIfMatch = false, maxSize = DEFAULT_MAX_SIZE } = options;
    const endpoint = options.endpoint || env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || undefined;
    if (!/^[A-Za-z\d][\w.-]{1,62}$/.test(bucket)) throw new TypeError('S3Store: bucket is not the name of a bucket');
    if (!/^[a-z\d-]+$/.test(region)) throw new TypeError('S3Store: region is not the name of a region');
    const folder = prefix.replace(/\/$/, '');
    if (folder && !isName(folder)) throw new TypeError('S3Store: prefix is not the name of a folder');

    const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
    const base = baseOf(endpoint ?? `https://s3.${region}.${suffix}`);
    const isAws = /(^|\.)amazonaws\.com(\.cn)?$/.test(base.hostname);
    this.description = `s3://${bucket}${folder && `/${folder}`}${endpoint ? ` at ${base.href.replace(/\/$/, '')}` : ''}`;
    this.isConditional = options.isConditional ?? isAws;
    const { forcePathStyle = !isAws || bucket.includes('.') } = options;
    if (forcePathStyle) base.pathname += `${bucket}/`;
    else base.hostname = `${bucket}.${base.hostname}`;
    this.#base = base;
    this.#prefix = folder && `${folder}/`;
    this.#region = region;
    this.#credentials = new CredentialSource(
      typeof credentials === 'function' ? credentials : credentials ? async () => credentials : defaultCredentials(),
    );
    this.#unquotedIfMatch = unquotedIfMatch;
    this.#maxSize = maxSize;
  }

  async get(name: string, options?: StoreOptions): Promise<StoredValue | undefined> {
    const url = this.#url(name);
    const answer = await this.#ask('GET', url, options);
    if (isMissing(answer)) return undefined;
    if (answer.status !== 200) throw this.#unexpected('GET', url, answer);
    const { etag = '' } = answer.headers;
    return { bytes: answer.bytes, version: this.isConditional && QUOTED_ETAG.test(etag) ? etag : undefined };
  }

  async put(name: string, bytes: Uint8Array, options: PutOptions = {}): Promise<boolean> {
    const url = this.#url(name);
    const headers: Record<string, string> = { 'content-type': 'application/octet-stream' };
    const ifVersion = this.isConditional ? options.ifVersion : undefined;
    if (ifVersion === null) headers['if-none-match'] = '*';
    else if (ifVersion !== undefined) {
      options.signal?.throwIfAborted();
      if (!QUOTED_ETAG.test(ifVersion)) return false; // No version of this store's.
      headers['if-match'] = this.#unquotedIfMatch ? ifVersion.slice(1, -1) : ifVersion;
    }
    const answer = await this.#ask('PUT', url, options, { headers, body: bytes });
    if (ifVersion !== undefined && this.#isUnmet(answer)) return false;
    if (answer.status < 200 || answer.status > 299) throw this.#unexpected('PUT', url, answer);
    return true;
  }

  async has(name: string, options?: StoreOptions): Promise<boolean> {
    const url = this.#url(name);
    const answer = await this.#ask('HEAD', url, options);
    if (isMissing(answer)) return false;
    if (answer.status !== 200) throw this.#unexpected('HEAD', url, answer);
    return true;
  }

  async delete(name: string, options?: StoreOptions): Promise<void> {
    const url = this.#url(name);
    const answer = await this.#ask('DELETE', url, options);
    if (isMissing(answer)) return;
    if (answer.status < 200 || answer.status > 299) throw this.#unexpected('DELETE', url, answer);
  }

  async *list(prefix: string, options?: StoreOptions): AsyncGenerator<string> {
    for (let token: string | undefined, isTruncated = true; isTruncated; ) {
      const url = new URL(this.#base);
      url.searchParams.set('list-type', '2');
      url.searchParams.set('prefix', this.#prefix + prefix);
      if (token !== undefined) url.searchParams.set('continuation-token', token);
      const answer = await this.#ask('GET', url, options);
      const xml = textOf(answer);
      if (answer.status !== 200 || !xml.includes('<ListBucketResult')) throw this.#unexpected('GET', url, answer);
      for (const key of elements(xml, 'Key')) {
        const name = key.startsWith(this.#prefix) ? key.slice(this.#prefix.length) : '';
        // Somebody else may keep things here that this store could not ask for.
        if (isName(name) && name.startsWith(prefix)) yield name;
      }
      [token] = elements(xml, 'NextContinuationToken');
      isTruncated = token !== undefined && elements(xml, 'IsTruncated')[0] === 'true';
    }
  }

  async close(): Promise<void> {
    this.#transport.close();
  }

  #url(name: string): URL {
    return new URL(encodeName(this.#prefix + name), this.#base);
  }

  async #ask(
    method: HttpRequest['method'],
    url: URL,
    options: StoreOptions = {},
    { headers = {}, body }: { headers?: Record<string, string>; body?: Uint8Array } = {},
  ): Promise<HttpAnswer> {
    const { signal, background } = options;
    const signed = await untilAborted(this.#sign(method, url, headers, body, signal), signal);
    // Redirects are answers like others: S3 names the region of the bucket so, and a signature holds for one host only.
    const request = { method, url, headers: signed, body, maxSize: this.#maxSize, maxRedirects: 0, signal, background };
    const answer = await this.#transport.request(request);
    if (answer.status === 403 || codeOf(answer) === 'ExpiredToken') this.#credentials.forget();
    return answer;
  }

  async #sign(
    method: string,
    url: URL,
    headers: Record<string, string>,
    body: Uint8Array | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Record<string, string>> {
    signal?.throwIfAborted();
    const [aws4, credentials] = await Promise.all([loadAws4(), this.#credentials.get()]);
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    const request = {
      service: 's3',
      region: this.#region,
      method,
      host: url.host,
      path: url.pathname + url.search,
      headers: { ...headers, 'x-amz-content-sha256': await sha256(body, signal) },
    };
    const keys = sessionToken === undefined ? {} : { sessionToken };
    aws4.sign(request, { accessKeyId, secretAccessKey, ...keys });
    return request.headers;
  }

  /** Whether the condition of a PUT was not met. */
  #isUnmet(answer: HttpAnswer): boolean {
    if (answer.status === 412 || isMissing(answer)) return true;
    // What others get who put at the same time: from S3, and from Ceph.
    const code = codeOf(answer);
    if (answer.status === 409) return code === 'ConditionalRequestConflict';
    return answer.status === 500 && code === 'UnknownError' && this.#unquotedIfMatch;
  }

  #unexpected(method: string, { origin, pathname }: URL, answer: HttpAnswer): CacheError {
    const { status, headers } = answer;
    const code = codeOf(answer) ?? getBuiltinModule('node:http').STATUS_CODES[status] ?? '';
    const region = headers['x-amz-bucket-region'];
    const skew = Math.abs(Date.now() - Date.parse(headers.date ?? ''));
    let meaning = method === 'PUT' && code === 'AccessDenied' ? undefined : MEANINGS[code];
    if (status !== 404 && typeof region === 'string' && region !== this.#region) {
      meaning = `the bucket is in the region ${region}, not ${this.#region}`;
    } else if (code === 'RequestTimeTooSkewed' || (status === 403 && skew > NOTABLE_SKEW)) {
      const by = skew > NOTABLE_SKEW ? ` by ${Math.round(skew / 60_000)} minutes` : '';
      meaning = `the clocks of this machine and of the server differ${by}`;
    }
    const what = `${method} ${origin}${pathname} (${this.description}): ${status} ${code}`.trimEnd();
    return new CacheError('Other', meaning === undefined ? what : `${what}: ${meaning}`);
  }
}

function baseOf(endpoint: string | URL): URL {
  const base = baseUrl('S3Store: endpoint', endpoint);
  if (base.username || base.password) throw new TypeError('S3Store: endpoint must have no user name');
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return base;
}

async function loadAws4(): Promise<typeof import('aws4')> {
  try {
    return (await import('aws4')).default;
  } catch (cause) {
    throw new CacheError('Other', 'S3Store needs the package aws4: npm install aws4', { cause });
  }
}

async function sha256(bytes: Uint8Array = new Uint8Array(0), signal: AbortSignal | undefined): Promise<string> {
  const hash = getBuiltinModule('node:crypto').createHash('sha256');
  for (let at = 0; at < bytes.length; at += HASHED_AT_ONCE) {
    if (at > 0) await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    hash.update(bytes.subarray(at, at + HASHED_AT_ONCE));
  }
  return hash.digest('hex');
}

/** Providers of credentials know no signals. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    promise.catch(() => {});
  }
}

/** A HEAD has no code. */
function isMissing(answer: HttpAnswer): boolean {
  return answer.status === 404 && (codeOf(answer) ?? 'NoSuchKey') === 'NoSuchKey';
}

/** S3's own name for an error. Its message is not told to anybody: it may hold what was signed. */
function codeOf(answer: HttpAnswer): string | undefined {
  if (answer.status < 300) return undefined;
  const [code] = elements(textOf(answer), 'Code');
  return code !== undefined && /^(?=.*[a-z])[A-Z][A-Za-z\d]{1,39}$/.test(code) ? code : undefined;
}

function textOf({ bytes }: HttpAnswer): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

/** The texts of the elements with this name. S3's answers are flat and generated; what this does not understand are no names. */
function elements(xml: string, name: string): string[] {
  const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text = '']) =>
    text.replace(/&(?:(amp|lt|gt|quot|apos)|#(\d+)|#x([\da-f]+));/gi, (_, entity, decimal, hexadecimal) =>
      entity ? (entities[entity] ?? '') : String.fromCodePoint(decimal ? +decimal : Number.parseInt(hexadecimal, 16)),
    ),
  );
}
