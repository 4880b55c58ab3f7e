import nodeModule from 'node:module';
import { CacheError } from '../cache-error.js';
import { withSignal } from './with-signal.js';

/** RESP's `$`: bulk strings. Values and keys come as Buffers, so that no byte is taken for text. */
const AS_BUFFERS = { 36: Buffer };

/**
 * Milliseconds for name look-up, TCP, TLS and log-in together. A lost SYN is repeated after one second; who waits
 * longer than for a second one has no use for a cache. In steps, so that a program that blocks its event loop for as
 * long, by compiling for one, does not miss an answer that is there already.
 */
const CONNECT_TIMEOUT = 2000;
const CONNECT_STEPS = 10;
/**
 * Milliseconds without a byte after which a server is given up. An idle connection ends by it, too, and is made again
 * when needed.
 */
const SILENCE_TIMEOUT = 10_000;
/**
 * Milliseconds for what nobody waits for any more: enough for a slow connection to be there for the next operation;
 * then a dead server no longer keeps a process alive, and what is left of an abandoned transfer is not in the way.
 */
const LINGER = 500;

/** Before each name, in the server's keys. */
export const DEFAULT_PREFIX = 'wasm-module-cache:';
/** Before the bytes of each value, new with every put. Random, because writers know nothing of each other. */
export const VERSION_LENGTH = 8;
/** Seconds: longer than any release lives in a fleet; what is used stays. */
export const DEFAULT_TTL = 30 * 24 * 60 * 60;

/** The commands that the store uses, of a client or of a cluster. */
interface Commands {
  get(key: string): Promise<Buffer | null>;
  exists(key: string): Promise<number>;
  pTTL(key: string): Promise<number>;
  expire(key: string, seconds: number): Promise<number>;
  set(key: string, value: Buffer, options: { EX?: number; NX?: true }): Promise<unknown>;
  unlink(key: string): Promise<number>;
  eval(script: string, options: { keys: string[]; arguments: (string | Buffer)[] }): Promise<unknown>;
  scan(cursor: string, options: { MATCH: string; COUNT: number }): Promise<{ cursor: Buffer; keys: Buffer[] }>;
}

/** What of a client of `@redis/client` is used beside commands. */
export interface Client extends Commands {
  readonly isOpen: boolean;
  readonly isReady?: boolean;
  readonly options?: ClientOptions | undefined;
  /** Of a cluster only. */
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
    [name: string]: unknown;
  };
  username?: string | undefined;
  password?: string | undefined;
  database?: number | undefined;
  keyPrefix?: string | Buffer;
  [name: string]: unknown;
}

/** Where a URL leads. */
interface Target {
  host: string;
  port: number;
  tls: boolean;
  database: number;
  username: string | undefined;
  password: string | undefined;
  description: string;
}

/** Runs commands, for as long as somebody waits. */
export interface Connection {
  readonly description: string;
  /** Texts that must not be in any error. */
  readonly secrets: string[];
  run<T>(commands: (client: Client) => Promise<T>, signal: AbortSignal | undefined): Promise<T>;
  close(): void;
}

function secretsOf({ password }: { password?: string | undefined }): string[] {
  return password ? [password, encodeURIComponent(password)] : [];
}

/** @throws {TypeError} that shows nothing of the URL: where it cannot be read, any part may be of a password. */
export function parseRedisUrl(text: string): Target {
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
  const target = { port: Number(port || 6379), tls: protocol === 'rediss:', database: Number(pathname.slice(1)) };
  return {
    ...target,
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    username: username || undefined,
    password: password || undefined,
    description: `${protocol}//${hostname}:${target.port}/${target.database}`,
  };
}

function unusableUrl(text: string): TypeError {
  return new TypeError(
    'The option url must be like rediss://user:password@host:6379/0, with % codes for special characters in user and password. ' +
      `The ${text.length} characters given are not; they are not shown, because a password may be among them.`,
  );
}

/**
 * A client of ours, made when it is first needed, and again when it was lost: it never connects again by itself, so
 * that nothing waits for a dead server longer than for one attempt.
 */
export class OwnConnection implements Connection {
  readonly description: string;
  readonly secrets: string[];
  readonly #target: Target;
  #client: Client | undefined;
  #connected: Promise<Client> | undefined;
  /** Ends the socket in every state; a client can end only one that is connected. */
  #drop: ((reason: Error) => void) | undefined;
  #waiting = 0;
  #unanswered = 0;
  #linger: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(target: Target) {
    this.description = target.description;
    this.secrets = secretsOf(target);
    this.#target = target;
  }

  async run<T>(commands: (client: Client) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    // The process stays for this, and, below, for nothing else.
    if (this.#waiting++ === 0) this.#client?.ref();
    clearTimeout(this.#linger);
    try {
      return await withSignal(this.#answer(commands, signal), signal);
    } finally {
      if (--this.#waiting === 0) {
        this.#client?.unref();
        // A connection that is being made and what is being written keep a process alive, whatever unref says.
        if (this.#unanswered > 0)
          this.#linger = setTimeout(() => this.#drop?.(new Error('nobody waits')), LINGER).unref();
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#linger);
    this.#drop?.(new Error('the store is closed'));
  }

  async #answer<T>(commands: (client: Client) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    this.#unanswered++;
    try {
      if (this.#isClosed) throw new Error('the store is closed');
      this.#connected ??= this.#connect();
      return await commands(forStore(await this.#connected, signal));
    } catch (error) {
      throw whyDropped(error);
    } finally {
      if (--this.#unanswered === 0) clearTimeout(this.#linger);
    }
  }

  async #connect(): Promise<Client> {
    const controller = new AbortController();
    const drop = (reason: Error) => {
      this.#forget(drop);
      controller.abort(reason);
    };
    this.#drop = drop;
    let timer: NodeJS.Timeout | undefined;
    try {
      const client = loadClient().createClient(clientOptions(this.#target, controller.signal));
      // Without a listener the event would end the program. After an answer that is none the client would wait for
      // another one.
      client.on('error', (error) => drop(error as Error));
      let steps = 0;
      timer = setInterval(() => {
        if (++steps === CONNECT_STEPS) drop(new Error(`no connection within ${CONNECT_TIMEOUT} ms`));
      }, CONNECT_TIMEOUT / CONNECT_STEPS);
      await client.connect();
      this.#client = client;
      if (this.#waiting === 0) client.unref();
      return client;
    } catch (error) {
      this.#forget(drop);
      throw error;
    } finally {
      clearInterval(timer);
    }
  }

  /** The next operation connects again; unless one has already. */
  #forget(drop: unknown): void {
    if (this.#drop !== drop) return;
    this.#client = undefined;
    this.#connected = undefined;
    this.#drop = undefined;
  }
}

/** A client, or cluster, of somebody else, who decides when it connects again, and closes it. */
export class InjectedConnection implements Connection {
  readonly description: string;
  readonly secrets: string[];
  readonly #client: Client;
  #ready: Promise<void> | undefined;
  #isClosed = false;

  constructor(client: Client) {
    const { socket, database = 0 } = client.options ?? {};
    const { host = 'localhost', port = 6379, path, tls } = socket ?? {};
    const server = `${tls ? 'rediss' : 'redis'}://${path ?? `${host}:${port}`}/${database}`;
    this.description = client.masters ? 'a Redis cluster' : server;
    this.secrets = secretsOf(client.options ?? {});
    this.#client = client;
    client.on('error', ignore); // A lost connection must not end a program that has not thought of it.
  }

  run<T>(commands: (client: Client) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return withSignal(this.#answer(commands, signal), signal);
  }

  close(): void {
    this.#isClosed = true;
    this.#client.off('error', ignore);
  }

  async #answer<T>(commands: (client: Client) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (this.#isClosed) throw new Error('the store is closed');
    this.#ready ??= this.#whenReady().finally(() => {
      this.#ready = undefined;
    });
    await this.#ready;
    return await commands(forStore(this.#client, signal));
  }

  /**
   * By default a client tries for ever to connect, and keeps commands meanwhile: here the first failed attempt is
   * told.
   */
  async #whenReady(): Promise<void> {
    const client = this.#client;
    if (client.isReady) return;
    // A cluster tells of its nodes only, and fails by itself.
    if (client.masters || client.isReady === undefined) {
      if (!client.isOpen) await client.connect();
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: unknown) => {
        client.off('ready', settle);
        for (const event of ['error', 'end']) client.off(event, fail);
        if (error === undefined) resolve();
        else reject(error);
      };
      const fail = (error: unknown) => settle(error ?? new Error('the client was closed'));
      client.on('ready', settle);
      for (const event of ['error', 'end']) client.on(event, fail);
      if (!client.isOpen) client.connect().then(() => settle(), fail);
    });
  }
}

/** A socket that was ended by a signal says only that, with the reason as the cause. */
function whyDropped(error: unknown): unknown {
  return error instanceof Error && error.name === 'AbortError' && error.cause ? error.cause : error;
}

/** With a signal a command that has not been sent yet is not sent at all. */
function forStore(client: Client, signal: AbortSignal | undefined): Client {
  return client.withCommandOptions({ typeMapping: AS_BUFFERS, ...(signal && { abortSignal: signal }) });
}

function clientOptions({ host, port, tls, ...account }: Target, signal: AbortSignal): ClientOptions {
  const { username, password, database } = account;
  return {
    socket: {
      host,
      port,
      tls,
      signal,
      connectTimeout: 0, // The whole has one, see above.
      socketTimeout: SILENCE_TIMEOUT,
      reconnectStrategy: false,
    },
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    database,
    // Also for servers before 6 and for proxies; what 3 adds is not used.
    RESP: 2,
    maintNotifications: 'disabled',
    disableClientInfo: true,
    disableOfflineQueue: true,
  };
}

interface ClientPackage {
  createClient(options: ClientOptions): Client;
}

/** `redis` has all of `@redis/client`, and is what most programs install. */
const PACKAGES = ['@redis/client', 'redis'];
let loadedPackage: ClientPackage | undefined;

function loadClient(): ClientPackage {
  const require = nodeModule.createRequire(import.meta.url);
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

function ignore(): void {}
