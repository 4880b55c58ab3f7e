/** The parts of a URL. */
export interface RedisAddress {
  host: string;
  port: number;
  tls: boolean;
  database: number;
  username: string | undefined;
  password: string | undefined;
  description: string;
}

/** The texts that no error may contain. */
export function secretsOf({ password }: { password?: string | undefined }): string[] {
  return password ? [password, encodeURIComponent(password)] : [];
}

/** @throws {TypeError} that shows nothing of the URL: any part of an invalid one may belong to a password. */
export function parseRedisUrl(text: string): RedisAddress {
  let url: URL;
  let username: string;
  let password: string;
  try {
    url = new URL(text);
    username = decodeURIComponent(url.username);
    password = decodeURIComponent(url.password);
  } catch {
    throw unusableUrl(text);
  }
  const { protocol, hostname, port, pathname, search, hash } = url;
  const isWhole = /^rediss?:$/.test(protocol) && hostname !== '' && /^\/?\d{0,9}$/.test(pathname);
  if (!isWhole || search !== '' || hash !== '') throw unusableUrl(text);
  const server = { port: Number(port || 6379), tls: protocol === 'rediss:', database: Number(pathname.slice(1)) };
  return {
    ...server,
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    username: username || undefined,
    password: password || undefined,
    description: `${protocol}//${hostname}:${server.port}/${server.database}`,
  };
}

function unusableUrl(text: string): TypeError {
  return new TypeError(
    'The option url must be like rediss://user:password@host:6379/0, with % codes for special characters in user and password. ' +
      `The ${text.length} characters given are not; they are not shown, because a password may be among them.`,
  );
}
