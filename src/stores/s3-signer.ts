import { CacheError } from '../cache-error.js';
import { CredentialSource, defaultCredentials, type S3Credentials } from './s3-credentials.js';

// Captured: programs replace globals. node:crypto is loaded on first use, because it costs start-up time.
const { getBuiltinModule } = process;

/** Bytes that are hashed at a time: 1 to 3 ms, in which the program stands still. */
const HASHED_AT_ONCE = 2 ** 20;

/** Signs requests with AWS' signature, version 4. */
export class S3Signer {
  readonly #region: string;
  readonly #credentials: CredentialSource;

  constructor(region: string, credentials: S3Credentials | (() => Promise<S3Credentials>) | undefined) {
    this.#region = region;
    this.#credentials = new CredentialSource(
      typeof credentials === 'function' ? credentials : credentials ? async () => credentials : defaultCredentials(),
    );
  }

  /** The headers with a signature. */
  async sign(
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

  /** Makes the next request ask for credentials anew. */
  forgetCredentials(): void {
    this.#credentials.forget();
  }
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
