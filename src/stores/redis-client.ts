import nodeModule from 'node:module';
import type net from 'node:net';
import path from 'node:path';
import { CacheError } from '../cache-error.js';
import { packageRoot } from '../package-root.js';
import type { RedisAddress } from './redis-address.js';

/** Bulk strings (`$` in RESP) come as Buffers, because values and keys are bytes. */
const AS_BUFFERS = { 36: Buffer };

/**
 * Milliseconds of silence after which the connection ends. That ends idle connections, too; the next operation connects again.
 */
const SILENCE_TIMEOUT = 10_000;

/** The commands that the store uses, of a client or of a cluster. */
interface Commands {
  getRange(key: string, start: number, end: number): Promise<Buffer>;
  exists(key: string): Promise<number>;
  pTTL(key: string): Promise<number>;
  expire(key: string, seconds: number): Promise<number>;
  set(key: string, value: Buffer, options: { EX?: number; NX?: true }): Promise<unknown>;
  unlink(key: string): Promise<number>;
  eval(script: string, options: { keys: string[]; arguments: (string | Buffer)[] }): Promise<unknown>;
  scan(cursor: string, options: { MATCH: string; COUNT: number }): Promise<{ cursor: Buffer; keys: Buffer[] }>;
}

/** The other parts of a client of `@redis/client` that the store uses. */
export interface Client extends Commands {
  readonly isOpen: boolean;
  readonly isReady?: boolean;
  readonly options?: ClientOptions | undefined;
  /** Only a cluster has them. */
  readonly masters?: unknown[];
  nodeClient?(node: unknown): Promise<Client>;
  connect(): Promise<unknown>;
  destroy(): void;
  ref(): void;
  unref(): void;
  on(event: string, listener: (argument?: unknown) => void): unknown;
  off(event: string, listener: (argument?: unknown) => void): unknown;
  withCommandOptions(options: object): Client;
}

interface ClientOptions {
  socket?: {
    host?: string;
    port?: number;
    path?: string;
    tls?: boolean;
    signal?: AbortSignal;
    socket?: net.Socket;
    [name: string]: unknown;
  };
  username?: string | undefined;
  password?: string | undefined;
  database?: number | undefined;
  keyPrefix?: string | Buffer;
  [name: string]: unknown;
}

/** Runs commands while somebody waits. */
export interface Connection {
  readonly description: string;
  /** Texts that must not be in any error. */
  readonly secrets: string[];
  /** @param maxBytes - limit for the answers; a connection of our own ends if more comes */
  run<T>(commands: (client: Client) => Promise<T>, signal: AbortSignal | undefined, maxBytes: number): Promise<T>;
  close(): void;
}

/** The client with Buffers for answers. A command that still waits at the abort of the signal is not sent. */
export function forStore(client: Client, signal: AbortSignal | undefined): Client {
  return client.withCommandOptions({ typeMapping: AS_BUFFERS, ...(signal && { abortSignal: signal }) });
}

/** @param socket - the TCP connection, for a client that adds TLS */
export function clientOptions(
  { host, port, tls, ...account }: RedisAddress,
  signal: AbortSignal,
  socket: net.Socket | undefined,
): ClientOptions {
  const { username, password, database } = account;
  return {
    socket: {
      host,
      port,
      tls,
      signal,
      ...(socket && { socket }),
      connectTimeout: 0, // OwnConnection has one for all steps together.
      socketTimeout: SILENCE_TIMEOUT,
      reconnectStrategy: false,
    },
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    database,
    // Servers before Redis 6 and some proxies only know this version.
    RESP: 2,
    maintNotifications: 'disabled',
    disableClientInfo: true,
    disableOfflineQueue: true,
  };
}

interface ClientPackage {
  createClient(options: ClientOptions): Client;
}

/** Most programs install `redis`, which contains `@redis/client`. */
const PACKAGES = ['@redis/client', 'redis'];
let loadedPackage: ClientPackage | undefined;

export function loadClient(): ClientPackage {
  const require = nodeModule.createRequire(path.join(packageRoot, 'package.json'));
  let cause: unknown;
  for (const name of PACKAGES) {
    try {
      loadedPackage ??= require(name) as ClientPackage;
      return loadedPackage;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
      cause ??= error;
    }
  }
  throw new CacheError('Other', 'RedisStore needs the package @redis/client or redis: npm install @redis/client', {
    cause,
  });
}
