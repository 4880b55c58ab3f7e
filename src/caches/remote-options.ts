import { DEFAULT_MAX_ARTIFACT_SIZE } from '../artifact/artifact.js';
import { canPack } from '../artifact/packed.js';
import { Signer } from '../artifact/signature.js';
import type { FileSystemCache } from './file-system.js';

/**
 * Options of {@link RemoteCache}.
 *
 * @example
 * ```ts
 * import { FileSystemStore, RemoteCache, type RemoteCacheOptions } from 'wasm-module-cache';
 *
 * const options: RemoteCacheOptions = { secret: 'a-secret-of-many-letters', mode: 'read-only', timeout: 100 };
 * console.log(new RemoteCache(new FileSystemStore('shared'), options).state); // closed
 * ```
 */
export interface RemoteCacheOptions {
  /**
   * Signs every artifact with HMAC-SHA-256, and only signed ones are loaded. At least 16 bytes without spaces, and hard to guess. Of
   * several secrets the first one signs, and all are accepted.
   */
  secret?: string | readonly string[] | undefined;
  /** Works without a secret. Whoever can write to the store can then run code in every process that loads from it. Default false. */
  allowUnsigned?: boolean | undefined;
  /** `read-only`: saves do nothing; `write-only`: loads miss. Default `read-write`. */
  mode?: 'read-write' | 'read-only' | 'write-only' | undefined;
  /** See `FileSystemCacheOptions`. Default `include`. */
  wireBytes?: 'include' | 'omit' | undefined;
  /** Whether artifacts are compressed. Default `zstd` if Node has it (22.15 and newer), else `none`. Both are read. */
  compression?: 'zstd' | 'none' | undefined;
  /** Milliseconds that a load waits for the store. Default 250. */
  timeout?: number | undefined;
  /** Milliseconds that storing an artifact may take. Default 10000. */
  writeTimeout?: number | undefined;
  /**
   * Consecutive failures after which the store is not asked for a while. One wait for the whole `timeout` is enough, too. Default 3.
   */
  failuresUntilOpen?: number | undefined;
  /**
   * Milliseconds for which the store is then not asked, times a random factor from 0.5 to 1.5. Doubles each further time, up to 300000.
   * Default 5000.
   */
  retryAfter?: number | undefined;
  /** The most waiting saves. One more rejects, and is counted. Default 16. */
  maxPendingSaves?: number | undefined;
  /** The size in bytes of the largest artifact to store or load. For small modules the limit is lower. Default 256 MiB. */
  maxArtifactSize?: number | undefined;
  /**
   * The folder in front of the store. A late artifact is put there, for the next load, and the folder's crash guard also guards loads
   * from the store. Default: late artifacts are lost.
   */
  folder?: FileSystemCache | undefined;
}

/**
 * The counters of a {@link RemoteCache}.
 *
 * @example
 * ```ts
 * import { FileSystemStore, RemoteCache, type RemoteCacheStats } from 'wasm-module-cache';
 *
 * const isUseful = ({ hits, bytesRead }: RemoteCacheStats) => hits > 0 && bytesRead > 0;
 * const cache = new RemoteCache(new FileSystemStore('shared'), { allowUnsigned: true });
 * console.log(isUseful(cache.stats)); // false
 * ```
 */
export interface RemoteCacheStats {
  /** Artifacts that were loaded. */
  hits: number;
  /** Loads for which the store had nothing, or nothing usable. */
  misses: number;
  /** Misses because the artifact is not signed with the secret. */
  untrusted: number;
  /** Loads for which the store was not asked, because it failed before. */
  notAsked: number;
  /** Operations that the store did not finish in time. */
  timedOut: number;
  /** Artifacts that came after the deadline. */
  late: number;
  /** Operations that failed for other reasons. */
  failed: number;
  /** Artifacts that were stored. */
  saves: number;
  /** Saves that were given up because too many were waiting. */
  dropped: number;
  /** Bytes of artifacts that came from the store. */
  bytesRead: number;
  /** Bytes of artifacts that went to the store. */
  bytesWritten: number;
}

const DEFAULT_MAX_PENDING_SAVES = 16;

/** The checked options of a `RemoteCache`. */
export interface RemoteCacheSettings {
  signer: Signer | undefined;
  mode: 'read-write' | 'read-only' | 'write-only';
  includesWireBytes: boolean;
  packs: boolean;
  maxPendingSaves: number;
  maxArtifactSize: number;
  folder: FileSystemCache | undefined;
}

/** @throws {TypeError} when there is neither a secret nor `allowUnsigned`, or an option is wrong. */
export function checkOptions(options: RemoteCacheOptions): RemoteCacheSettings {
  const { secret, allowUnsigned = false, mode = 'read-write', wireBytes = 'include', folder } = options;
  if (secret === undefined && !allowUnsigned) {
    throw new TypeError(
      'Whoever can write to the store could run code here: give the option secret, or allowUnsigned: true',
    );
  }
  const { compression = canPack() ? 'zstd' : 'none' } = options;
  checkOneOf('mode', mode, ['read-write', 'read-only', 'write-only']);
  checkOneOf('wireBytes', wireBytes, ['include', 'omit']);
  checkOneOf('compression', compression, ['zstd', 'none']);
  if (compression === 'zstd' && !canPack()) {
    throw new TypeError(`The option compression is zstd, which Node ${process.version} does not have; give none`);
  }
  const { maxPendingSaves = DEFAULT_MAX_PENDING_SAVES, maxArtifactSize = DEFAULT_MAX_ARTIFACT_SIZE } = options;
  const { timeout, writeTimeout, failuresUntilOpen, retryAfter } = options;
  const numbers = { maxPendingSaves, maxArtifactSize, timeout, writeTimeout, failuresUntilOpen, retryAfter };
  for (const [name, value] of Object.entries(numbers)) {
    if (value === undefined || value >= 1) continue;
    throw new TypeError(`The option ${name} must be a number from 1, not ${String(value)}`);
  }
  return {
    signer: secret === undefined ? undefined : new Signer([secret].flat() as string[]),
    mode,
    includesWireBytes: wireBytes === 'include',
    packs: compression === 'zstd',
    maxPendingSaves,
    maxArtifactSize,
    folder,
  };
}

function checkOneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (allowed.includes(value as string)) return;
  throw new TypeError(`The option ${name} must be one of ${allowed.join(', ')}, not ${JSON.stringify(value)}`);
}
