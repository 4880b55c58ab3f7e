import { baseUrl } from './http-request.js';
import type { S3Credentials } from './s3-credentials.js';
import { encodeName, isName } from './store-names.js';

/**
 * Options of {@link S3Store}.
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
  /** The name of an existing bucket. */
  bucket: string;
  /** A name before all keys, like a folder. Default: none. */
  prefix?: string | undefined;
  /** Default: `AWS_REGION`, else `AWS_DEFAULT_REGION`, else `us-east-1`, which most other servers than AWS use. */
  region?: string | undefined;
  /** The URL of another server than AWS. Default: `AWS_ENDPOINT_URL_S3`, else `AWS_ENDPOINT_URL`, else S3 of the region. */
  endpoint?: string | URL | undefined;
  /**
   * Whether the bucket is in the path instead of the host name. Default: true for your own endpoint, which would need a wildcard in the
   * DNS, and for a bucket with a dot in its name, which no certificate covers; else false.
   */
  forcePathStyle?: boolean | undefined;
  /**
   * The credentials that sign requests, or a function that returns them, such as the AWS SDK's providers. Default: `AWS_ACCESS_KEY_ID`,
   * `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, as they are when the store is made, else what the optional peer
   * `@aws-sdk/credential-provider-node` finds: profiles, SSO, roles of containers and instances.
   */
  credentials?: S3Credentials | (() => Promise<S3Credentials>) | undefined;
  /** Whether the server respects `If-Match` and `If-None-Match: *` of a PUT. Default: true on AWS, false elsewhere. */
  isConditional?: boolean | undefined;
  /** Whether `If-Match` needs the ETag without quotes. Ceph and DigitalOcean Spaces do, against the standard. Default: false. */
  unquotedIfMatch?: boolean | undefined;
  /** Bytes. A longer value is refused as soon as its length is known. Default: 256 MiB. */
  maxSize?: number | undefined;
}

/** The URLs of a bucket's objects, and facts about the server. */
export class S3Address {
  readonly description: string;
  readonly region: string;
  /** Whether the server is AWS. */
  readonly isAws: boolean;
  /** The URL of the bucket. */
  readonly base: URL;
  /** The prefix of all keys. */
  readonly prefix: string;

  /** @throws {TypeError} that names the wrong option, but not its value. */
  constructor(options: S3StoreOptions) {
    const { env } = process;
    const { bucket, prefix = '', region = env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1' } = options;
    const endpoint = options.endpoint || env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || undefined;
    if (!/^[A-Za-z\d][\w.-]{1,62}$/.test(bucket)) throw new TypeError('S3Store: bucket is not a valid bucket name');
    if (!/^[a-z\d-]+$/.test(region)) throw new TypeError('S3Store: region is not a valid region name');
    const folder = prefix.replace(/\/$/, '');
    if (folder && !isName(folder)) throw new TypeError('S3Store: prefix is not a valid name');

    const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
    const base = baseOf(endpoint ?? `https://s3.${region}.${suffix}`);
    this.isAws = /(^|\.)amazonaws\.com(\.cn)?$/.test(base.hostname);
    this.description = `s3://${bucket}${folder && `/${folder}`}${endpoint ? ` at ${base.href.replace(/\/$/, '')}` : ''}`;
    const { forcePathStyle = !this.isAws || bucket.includes('.') } = options;
    if (forcePathStyle) base.pathname += `${bucket}/`;
    else base.hostname = `${bucket}.${base.hostname}`;
    this.base = base;
    this.prefix = folder && `${folder}/`;
    this.region = region;
  }

  /** @throws {CacheError} kind `Other` for an invalid name. */
  of(name: string): URL {
    return new URL(encodeName(this.prefix + name), this.base);
  }
}

function baseOf(endpoint: string | URL): URL {
  const base = baseUrl('S3Store: endpoint', endpoint);
  if (base.username || base.password) throw new TypeError('S3Store: endpoint must not contain a user name');
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return base;
}
