import { DEFAULT_MAX_ARTIFACT_SIZE } from '../artifact/artifact.js';
import { canPack } from '../artifact/packed.js';
import { Signer } from '../artifact/signature.js';
import type { FileSystemCache } from './file-system.js';

/**
 * What a {@link RemoteCache} may be made with.
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
  /** Instead of a secret: whoever can write to the store can run code in every process that loads from it. Default false. */
  allowUnsigned?: boolean | undefined;
  /** `read-only`: saves do nothing; `write-only`: loads miss. Default `read-write`. */
  mode?: 'read-write' | 'read-only' | 'write-only' | undefined;
  /** As in `FileSystemCacheOptions`. Default `include`. */
  wireBytes?: 'include' | 'omit' | undefined;
  /** Whether artifacts are compressed. Default `zstd` where Node has it (22.15 and newer), else `none`; both are read. */
  compression?: 'zstd' | 'none' | undefined;
  /** Milliseconds that a load waits for the store. Default 250. */
  timeout?: number | undefined;
  /** Milliseconds that storing an artifact may take. Default 10000. */
  writeTimeout?: number | undefined;
  /**
   * Consecutive failures after which the store is not asked for a while. Waiting for all of a `timeout` once is enough. Default 3.
   */
  failuresUntilOpen?: number | undefined;
  /**
   * Milliseconds for which the store is not asked then. Each further time is twice as long, up to 300000, and chance makes it half to one
   * and a half of that. Default 5000.
   */
  retryAfter?: number | undefined;
  /** Saves that may wait for others. One more rejects, and is counted. Default 16. */
  maxPendingSaves?: number | undefined;
  /** Bytes of the largest artifact that is stored or loaded. Less is accepted for a module whose wire bytes are few. Default 256 MiB. */
  maxArtifactSize?: number | undefined;
  /**
   * The folder in front of the store. An artifact that comes after the `timeout` is put there, for the next load, and the folder's crash
   * guard watches over loads from the store. Default: what comes late is lost.
   */
  folder?: FileSystemCache | undefined;
}

/**
 * What happened to a {@link RemoteCache} so far.
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
  /** Operations that failed otherwise. */
  failed: number;
  /** Artifacts that were stored. */
  saves: number;
  /** Saves that were given up because too many were waiting. */
  dropped: number;
  /** Bytes of artifacts that came from the store. */
  bytesRead: number;
  /** Bytes that went to it. */
  bytesWritten: number;
}

const DEFAULT_MAX_PENDING_SAVES = 16;

/** What a `RemoteCache` works with, once its options are checked. */
export interface RemoteCacheSettings {
  signer: Signer | undefined;
  mode: 'read-write' | 'read-only' | 'write-only';
  includesWireBytes: boolean;
  packs: boolean;
  maxPendingSaves: number;
  maxArtifactSize: number;
  folder: FileSystemCache | undefined;
}

/** @throws {TypeError} when there is neither a secret nor `allowUnsigned`, or an option is not what it should be. */
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
