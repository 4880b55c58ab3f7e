import { secretsOf } from './redis-address.js';
import { type Client, type Connection, forStore } from './redis-client.js';
import { withSignal } from './with-signal.js';

/** A client or cluster that the user made, reconnects and closes. */
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
    client.on('error', ignore); // Without a listener a lost connection would end the program.
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
   * By default a client tries to connect for ever, and queues commands. Here the first failed attempt is an error.
   */
  async #whenReady(): Promise<void> {
    const client = this.#client;
    if (client.isReady) return;
    // A cluster only has events of its nodes, and its connect() fails by itself.
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
