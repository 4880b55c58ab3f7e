import { CacheError } from '../cache-error.js';

/** Milliseconds. Credentials that expire sooner are fetched anew, as in the AWS SDK. */
const FRESH_FOR = 5 * 60_000;

/** The AWS SDK's chain of providers: profiles, SSO, web identities, containers, instances. */
const CHAIN = '@aws-sdk/credential-provider-node';

/**
 * Credentials for S3.
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
  /** The id of the secret. */
  accessKeyId: string;
  /** The secret. */
  secretAccessKey: string;
  /** The token of temporary credentials. */
  sessionToken?: string | undefined;
  /** When they expire. A provider is asked again five minutes before. Default: never. */
  expiration?: Date | undefined;
}

/** Keeps the provider's credentials until they expire. Several callers at once share one request. */
export class CredentialSource {
  readonly #provide: () => Promise<S3Credentials>;
  #current: S3Credentials | undefined;
  #asking: Promise<S3Credentials> | undefined;

  constructor(provide: () => Promise<S3Credentials>) {
    this.#provide = provide;
  }

  async get(): Promise<S3Credentials> {
    const { expiration } = this.#current ?? {};
    if (this.#current && (!expiration || expiration.getTime() - Date.now() > FRESH_FOR)) return this.#current;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** Makes the next call ask anew, after the server refused the credentials. */
  forget(): void {
    this.#current = undefined;
  }

  async #ask(): Promise<S3Credentials> {
    try {
      const credentials = await this.#provide();
      const { accessKeyId, secretAccessKey } = credentials ?? {};
      if (!accessKeyId || !secretAccessKey) throw new Error('accessKeyId and secretAccessKey are missing');
      this.#current = credentials;
      return credentials;
    } catch (cause) {
      if (CacheError.is(cause)) throw cause;
      const why = cause instanceof Error ? cause.message : 'the provider failed';
      throw new CacheError('Other', `No credentials for S3: ${why}`, { cause });
    }
  }
}

/** The current credentials of the environment, else those of the AWS SDK's chain, if it is installed. */
export function defaultCredentials({ env } = process): () => Promise<S3Credentials> {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: token } = env;
  if (accessKeyId && secretAccessKey) {
    return async () => ({ accessKeyId, secretAccessKey, sessionToken: token || undefined });
  }
  let chain: Promise<() => Promise<S3Credentials>> | undefined;
  return async () => {
    chain ??= loadChain();
    return (await chain)();
  };
}

async function loadChain(): Promise<() => Promise<S3Credentials>> {
  let loaded: { defaultProvider(): () => Promise<S3Credentials> };
  try {
    loaded = await import(CHAIN as string);
  } catch (cause) {
    throw new CacheError(
      'Other',
      'No credentials for S3: give S3Store its option credentials, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or, ' +
        `for profiles and roles: npm install ${CHAIN}`,
      { cause },
    );
  }
  return loaded.defaultProvider();
}
