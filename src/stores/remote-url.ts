/** Where a remote store is, as `WASM_CACHE_REMOTE` says it. */
export interface RemoteAddress {
  kind: 'redis' | 's3' | 'http' | 'folder';
  /** As given, with what it has of user names and passwords. */
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

/** Parameters of an address. */
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
    // The error of URL holds all of the text.
    throw new TypeError(`${withoutSecrets(text)} is not a URL such as redis://host:6379 or s3://bucket/prefix`);
  }
  const kind = KINDS[url.protocol];
  if (kind === undefined) {
    const known = Object.keys(KINDS).map((scheme) => `${scheme}//`);
    throw new TypeError(`${withoutSecrets(text)} does not begin with one of ${known.join(', ')}`);
  }
  if (kind === 'folder' ? url.host !== '' : url.hostname === '') {
    throw new TypeError(
      `${withoutSecrets(text)} ${kind === 'folder' ? 'names a host, not a folder' : 'names no host'}`,
    );
  }
  if (kind === 's3' && [...url.searchParams.keys()].some((name) => !OF_S3.includes(name))) {
    // Not which: a password that is not escaped may have begun it.
    throw new TypeError(`${withoutSecrets(text)} has another parameter than ${OF_S3.join(', ')}`);
  }
  return { kind, url: text };
}

/** The host that is asked for at an address; empty where none is. */
export function hostOf({ kind, url }: RemoteAddress, env: NodeJS.ProcessEnv): string {
  const { hostname, searchParams } = new URL(url);
  if (kind === 'folder') return '';
  if (kind !== 's3') return hostname.replace(/^\[(.*)\]$/, '$1');
  const endpoint = searchParams.get('endpoint') || env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL;
  return endpoint && URL.canParse(endpoint) ? new URL(endpoint).hostname : 's3.amazonaws.com';
}

/** A URL, or what was meant as one, to be shown: everything that may be a user name, a password or a token is left out. */
export function withoutSecrets(text: string): string {
  // Up to the last "@", because a password that should be escaped, and is not, may hold whatever ends one.
  const [scheme = ''] = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text) ?? [];
  const at = text.lastIndexOf('@');
  const rest = at < 0 ? text.slice(scheme.length) : text.slice(at + 1);
  return scheme + rest.replace(/[?#].*$/s, '');
}
