import url from 'node:url';
import type { ArtifactStore } from '../artifact-store.js';
import { FileSystemStore } from './file-system.js';
import { parseRemoteUrl } from './remote-url.js';

/**
 * The store at an address, see {@link parseRemoteUrl}. Loads only what that store needs, and does not connect yet.
 *
 * @param env - may have `WASM_CACHE_REMOTE_TOKEN`, the bearer token of a web server; S3 reads its own variables
 * @throws {TypeError} when the address is not one; an error that says so when a package is missing.
 */
export async function openStore(address: string, env: NodeJS.ProcessEnv = process.env): Promise<ArtifactStore> {
  const { kind, url: given } = parseRemoteUrl(address);
  switch (kind) {
    case 'folder':
      return new FileSystemStore(url.fileURLToPath(given), { isShared: true });
    case 'http': {
      const { HttpStore } = await import('./http.js');
      return new HttpStore({ url: given, bearerToken: env.WASM_CACHE_REMOTE_TOKEN });
    }
    case 's3': {
      const { S3Store } = await import('./s3.js');
      const { host: bucket, pathname, searchParams } = new URL(given);
      const [region, endpoint] = ['region', 'endpoint'].map((name) => searchParams.get(name) ?? undefined);
      return new S3Store({ bucket, prefix: decodeURIComponent(pathname.slice(1)), region, endpoint });
    }
    case 'redis': {
      const { RedisStore } = await import('./redis.js');
      return new RedisStore({ url: given });
    }
  }
}
