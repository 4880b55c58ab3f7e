import type { DirectReader } from './direct.js';
import { DirectHttp } from './direct-http.js';
import { DirectRedis } from './direct-redis.js';
import { parseRedisUrl } from './redis-connection.js';
import { parseRemoteUrl } from './remote-url.js';

/** `undefined` where there is no such way: with TLS, to S3, to a folder. @throws {TypeError} for a wrong address. */
export function openDirectly(address: string, env: NodeJS.ProcessEnv): DirectReader | undefined {
  const { kind, url } = parseRemoteUrl(address);
  if (kind === 'redis') {
    const target = parseRedisUrl(url);
    return target.tls ? undefined : new DirectRedis(target);
  }
  if (kind === 'http' && /^http:/i.test(url)) {
    return new DirectHttp({ url, bearerToken: env.WASM_CACHE_REMOTE_TOKEN });
  }
  return undefined;
}
