import { secretsOf } from './redis-address.js';
import { type Client, type Connection, forStore } from './redis-client.js';
import { withSignal } from './with-signal.js';

/** A client or cluster of somebody else, who decides when it connects again, and closes it. */
export class GivenConnection implements Connection {
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
   * By default a client tries for ever to connect, and keeps commands meanwhile. Here the first failed attempt is an
   * error.
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

function ignore(): void {}
