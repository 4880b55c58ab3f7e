/**
 * Artifacts in Redis. Needs `@redis/client` or `redis`.
 *
 * @module wasm-module-cache/stores/redis
 */

import nodeUtil from 'node:util';
import type { ArtifactStore, GetOptions, PutOptions, StoredValue, StoreOptions } from '../artifact-store.js';
import { CacheError } from '../cache-error.js';
import { TooLargeError } from '../too-large-error.js';
import { parseRedisUrl } from './redis-address.js';
import type { Client, Connection } from './redis-client.js';
import { GivenConnection } from './redis-given-connection.js';
import { OwnConnection } from './redis-own-connection.js';

// Loaded when a value is written: node:crypto takes 5 ms or more.
const { getBuiltinModule } = process;

/** Before each name, in the server's keys. */
const DEFAULT_PREFIX = 'wasm-module-cache:';
/** In seconds: longer than any release lives in a fleet. Reading a value renews it. */
const DEFAULT_TTL = 30 * 24 * 60 * 60;
const MAX_TTL = 2 ** 31 - 1;
/** Each value starts with a version of so many bytes, new with every put. It is random, because writers know nothing of each other. */
const VERSION_LENGTH = 8;
/** Redis' own limit for a value, in bytes. */
const MAX_VALUE = 2 ** 29;
/** Limit for an answer that is not a value, in bytes. */
const MAX_ANSWER = 2 ** 10;
/** Limit for one step of a list, in bytes. */
const MAX_STEP = 2 ** 24;

/** The keys that a server looks at in one step of a list. It takes a fraction of a millisecond, in which it answers nobody else. */
const SCAN_COUNT = 1000;

/**
 * Stores a value if the version there is the one that the writer saw. It runs on the server, because others may write between two
 * commands. It is sent as text: it is short compared with a value, which would be sent twice if the server did not know a digest.
 */
const PUT_IF_VERSION = `
if redis.call('GETRANGE', KEYS[1], 0, ${VERSION_LENGTH - 1}) ~= ARGV[1] then return 0 end
if ARGV[3] == '0' then redis.call('SET', KEYS[1], ARGV[2]) else redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end
return 1`;

/**
 * The part of a client that `RedisStore` uses. `createClient()` and `createCluster()` of `redis` or `@redis/client` make one.
 *
 * @example
 * ```ts
 * import { createClient } from '@redis/client';
 * import { type RedisClientLike, RedisStore } from 'wasm-module-cache/stores/redis';
 *
 * const client: RedisClientLike = createClient({ socket: { host: 'cache.internal' } });
 * console.log(new RedisStore({ client }).description); // redis://cache.internal:6379/0
 * ```
 */
export interface RedisClientLike {
  /** Whether it is connected, or tries to be. */
  readonly isOpen: boolean;
  /** Called if the client is not open. */
  connect(): Promise<unknown>;
  /** Returns the client with other options; the store asks for answers in Buffers. */
  withCommandOptions(options: object): object;
}

/**
 * Options of {@link RedisStore}: either `client` or `url`, and how long values live.
 *
 * @example
 * ```ts
 * import { RedisStore, type RedisStoreOptions } from 'wasm-module-cache/stores/redis';
 *
 * const options: RedisStoreOptions = {
 *   url: 'rediss://reader:secret@cache.internal/2',
 *   prefix: 'staging:wasm:',
 *   ttl: 7 * 24 * 60 * 60,
 * };
 * console.log(new RedisStore(options).description); // rediss://cache.internal:6379/2
 * ```
 */
export interface RedisStoreOptions {
  /** A client of your own, connected or not. It is not closed with the store. */
  client?: RedisClientLike | undefined;
  /**
   * `redis://user:password@host:port/database`, or `rediss://` with TLS. Only the host is required. The store loads the package
   * `@redis/client` or `redis` at the first operation.
   */
  url?: string | undefined;
  /** Before each name, in the server's keys. Default: `wasm-module-cache:`. */
  prefix?: string | undefined;
  /**
   * The server deletes a value that was neither replaced nor read for so many seconds; `0`: never. Reading renews the time when less
   * than half of it is left. Default: 30 days.
   */
  ttl?: number | undefined;
}

/**
 * Bytes by name in Redis, Valkey, or another server with their protocol. The server may evict values under `maxmemory`: an evicted value
 * is a miss. Each operation uses one key, as clusters require.
 *
 * With a URL the store makes one connection, at the first operation. It does not keep a process alive, and ends when the server sends
 * more than it was asked for. An operation fails if there is no connection within two seconds, or if the server is silent for ten; the
 * next one connects again. With a client of your own, trust the server with your memory.
 *
 * @example
 * ```ts
 * import { CacheError } from 'wasm-module-cache';
 * import { RedisStore } from 'wasm-module-cache/stores/redis';
 *
 * const store = new RedisStore({ url: 'redis://user:secret@127.0.0.1:1' }); // Nobody listens there.
 * console.log(store.description); // redis://127.0.0.1:1/0
 * try {
 *   await store.get('engine/key.artifact', { signal: AbortSignal.timeout(5000) });
 * } catch (error) {
 *   console.log(CacheError.is(error, 'Other')); // true
 * }
 * await store.close();
 * ```
 */
export class RedisStore implements ArtifactStore {
  readonly isConditional = true;
  readonly #connection: Connection;
  readonly #prefix: string;
  readonly #ttl: number;

  /**
   * Neither loads a client nor connects.
   *
   * @throws {TypeError} that names the wrong option.
   */
  constructor(options: RedisStoreOptions) {
    const { client, url, prefix = DEFAULT_PREFIX, ttl = DEFAULT_TTL } = options;
    if (typeof prefix !== 'string') throw new TypeError(`The option prefix must be text, not ${String(prefix)}`);
    if (!Number.isInteger(ttl) || ttl < 0 || ttl > MAX_TTL) {
      throw new TypeError(`The option ttl must be a whole number of seconds from 0 to ${MAX_TTL}, not ${String(ttl)}`);
    }
    if ((client === undefined) === (url === undefined)) {
      throw new TypeError(`Give one of the options client and url, not ${client ? 'both' : 'none'}`);
    }
    this.#connection = client === undefined ? new OwnConnection(parseUrl(url)) : new GivenConnection(check(client));
    this.#prefix = prefix;
    this.#ttl = ttl;
  }

  /** The server's address and the number of the database. */
  get description(): string {
    return this.#connection.description;
  }

  /**
   * Renews the time to live with another command, without waiting, and only when less than half of it is left. `GETEX` would make
   * each read a write, also for replicas and the log, and is forbidden to readers.
   */
  async get(name: string, { signal, maxSize = MAX_VALUE }: GetOptions = {}): Promise<StoredValue | undefined> {
    const key = this.#prefix + name;
    const maxBytes = maxSize + VERSION_LENGTH + 1;
    const read = async (client: Client) => {
      // GET would return all of a value that is too large.
      const [stored, left] = await Promise.all([
        client.getRange(key, 0, maxBytes - 1),
        this.#ttl ? client.pTTL(key) : -1,
      ]);
      // It is negative without a time to live, and without a value.
      if (left >= 0 && left < (this.#ttl * 1000) / 2) client.expire(key, this.#ttl).catch(() => {});
      return stored;
    };
    const stored = await this.#run(`get ${name}`, signal, read, maxBytes);
    if (stored.length === 0) return undefined;
    if (stored.length < VERSION_LENGTH) {
      const message = `${this.description} has ${stored.length} bytes as ${name}, which no RedisStore has written`;
      throw new CacheError('Other', message);
    }
    if (stored.length >= maxBytes) throw new TooLargeError(`${this.description}: ${name}`, undefined, maxSize);
    return { bytes: ownBytes(stored), version: stored.toString('hex', 0, VERSION_LENGTH) };
  }

  async put(name: string, bytes: Uint8Array, { signal, ifVersion }: PutOptions = {}): Promise<boolean> {
    const key = this.#prefix + name;
    const value = Buffer.concat([getBuiltinModule('node:crypto').randomBytes(VERSION_LENGTH), bytes]);
    return await this.#run(`put ${name}`, signal, async (client) => {
      if (typeof ifVersion === 'string') {
        const version = Buffer.from(ifVersion, 'hex');
        // It is the version of another store.
        if (version.length !== VERSION_LENGTH || version.toString('hex') !== ifVersion) return false;
        const arguments_ = [version, value, String(this.#ttl)];
        return (await client.eval(PUT_IF_VERSION, { keys: [key], arguments: arguments_ })) === 1;
      }
      const answer = await client.set(key, value, {
        ...(this.#ttl > 0 && { EX: this.#ttl }),
        ...(ifVersion === null && { NX: true }),
      });
      return answer !== null;
    });
  }

  async has(name: string, { signal }: StoreOptions = {}): Promise<boolean> {
    return (await this.#run(`look for ${name}`, signal, (client) => client.exists(this.#prefix + name))) > 0;
  }

  async delete(name: string, { signal }: StoreOptions = {}): Promise<void> {
    await this.#run(`delete ${name}`, signal, (client) => client.unlink(this.#prefix + name));
  }

  async *list(prefix: string, { signal }: StoreOptions = {}): AsyncGenerator<string> {
    const run = <T>(commands: (client: Client) => Promise<T>) => this.#run('list names', signal, commands, MAX_STEP);
    const seen = new Set<string>(); // A scan may give a key more than once.
    for (const node of await run(async (client) => client.masters ?? [undefined])) {
      let cursor = '0';
      do {
        const found = await run(async (client) => {
          const commands = node === undefined ? client : await nodeOf(client, node);
          const start = String(client.options?.keyPrefix ?? '') + this.#prefix;
          const step = await commands.scan(cursor, { MATCH: `${escapeGlob(start + prefix)}*`, COUNT: SCAN_COUNT });
          cursor = step.cursor.toString();
          return step.keys.map((key) => key.toString().slice(start.length));
        });
        for (const name of found) {
          if (seen.has(name)) continue;
          seen.add(name);
          yield name;
        }
      } while (cursor !== '0');
    }
  }

  async close(): Promise<void> {
    this.#connection.close();
  }

  async #run<T>(
    what: string,
    signal: AbortSignal | undefined,
    commands: (client: Client) => Promise<T>,
    maxBytes = MAX_ANSWER,
  ): Promise<T> {
    signal?.throwIfAborted();
    try {
      return await this.#connection.run(commands, signal, maxBytes);
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#error(what, error);
    }
  }

  /** A server may send a command back that it does not understand, such as a log-in. */
  #error(what: string, cause: unknown): CacheError {
    if (CacheError.is(cause)) return cause;
    const start = `${this.description}: could not ${what}: `;
    const shown = nodeUtil.inspect(cause, { depth: 10 });
    const isSecret = this.#connection.secrets.some((secret) => shown.includes(secret));
    if (isSecret) return new CacheError('Other', `${start}the error is not shown, because the password is part of it`);
    return new CacheError('Other', start + messageOf(cause), { cause });
  }
}

function parseUrl(url: unknown) {
  if (typeof url !== 'string') throw new TypeError(`The option url must be text, not ${typeof url}`);
  return parseRedisUrl(url);
}

function check(client: RedisClientLike): Client {
  if (typeof client?.withCommandOptions === 'function') return client as Client;
  const given = client === null ? 'null' : typeof client;
  throw new TypeError(`The option client must be a client that createClient() of redis 5 or later made, not ${given}`);
}

/** Copies an answer that shares its memory with others. */
function ownBytes(stored: Buffer): Uint8Array {
  const bytes = stored.subarray(VERSION_LENGTH);
  return stored.buffer.byteLength === stored.length ? bytes : new Uint8Array(bytes);
}

async function nodeOf(cluster: Client, node: unknown): Promise<Client> {
  const client = (await cluster.nodeClient?.(node)) ?? cluster;
  return client.withCommandOptions({ typeMapping: { 36: Buffer } });
}

/** Escapes the characters with a meaning in a pattern of `SCAN`. */
function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&');
}

/**
 * The error of several attempts, as with two addresses of a host, has no message itself, and neither have time-outs of the client.
 */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && !error.message) return error.errors.map(messageOf).join(', ');
  return error instanceof Error ? error.message || error.constructor.name : String(error);
}
