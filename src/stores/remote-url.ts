/** The address of a remote store, as `WASM_CACHE_REMOTE` gives it. */
export interface RemoteAddress {
  kind: 'redis' | 's3' | 'http' | 'folder';
  /** The given address, possibly with a user name and a password. */
  url: string;
}

const KINDS: Record<string, RemoteAddress['kind']> = {
  'redis:': 'redis',
  'rediss:': 'redis',
  's3:': 's3',
  'http:': 'http',
  'https:': 'http',
  'file:': 'folder',
};

/** The parameters that an S3 address may have. */
const OF_S3 = ['region', 'endpoint'];

/**
 * Reads the address of a store: `redis://`, `rediss://`, `s3://bucket/prefix?region=...&endpoint=https://...`, `http://`, `https://`, or
 * `file:///folder`.
 *
 * @throws {TypeError} that says what is wrong, never with a user name or a password.
 */
export function parseRemoteUrl(text: string): RemoteAddress {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    // The error of URL contains the whole text.
    throw new TypeError(`${withoutSecrets(text)} is not a URL such as redis://host:6379 or s3://bucket/prefix`);
  }
  const kind = KINDS[url.protocol];
  if (kind === undefined) {
    const known = Object.keys(KINDS).map((scheme) => `${scheme}//`);
    throw new TypeError(`${withoutSecrets(text)} must start with one of ${known.join(', ')}`);
  }
  if (kind === 'folder' ? url.host !== '' : url.hostname === '') {
    throw new TypeError(
      `${withoutSecrets(text)} ${kind === 'folder' ? 'names a host, not a folder' : 'names no host'}`,
    );
  }
  if (kind === 's3' && [...url.searchParams.keys()].some((name) => !OF_S3.includes(name))) {
    // The message does not say which: an unescaped password may be part of it.
    throw new TypeError(`${withoutSecrets(text)} may only have the parameters ${OF_S3.join(', ')}`);
  }
  return { kind, url: text };
}

/** A URL for people, valid or not, without anything that may be a user name, a password or a token. */
export function withoutSecrets(text: string): string {
  // Up to the last "@", because an unescaped password may contain any character.
  const [scheme = ''] = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text) ?? [];
  const at = text.lastIndexOf('@');
  const rest = at < 0 ? text.slice(scheme.length) : text.slice(at + 1);
  return scheme + rest.replace(/[?#].*$/s, '');
}
