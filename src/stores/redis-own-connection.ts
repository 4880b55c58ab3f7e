import diagnostics_channel from 'node:diagnostics_channel';
import nodeNet from 'node:net';
import { type RedisAddress, secretsOf } from './redis-address.js';
import { type Client, type Connection, clientOptions, forStore, loadClient } from './redis-client.js';
import { withSignal } from './with-signal.js';

/**
 * Milliseconds for name look-up, TCP, TLS and log-in together: enough for one lost packet, which is repeated after a second. The time is
 * counted in steps, so that a program that blocks its event loop, for example by compiling, does not miss an answer that has come.
 */
const CONNECT_TIMEOUT = 2000;
const CONNECT_STEPS = 10;
/**
 * Milliseconds that a connection attempt or a transfer goes on after the last caller gave up. A slow connection is then ready for the
 * next operation. After that, a dead server must not keep the process alive, nor an abandoned transfer delay the next one.
 */
const LINGER = 500;
/** Allowance for answers that are not values, such as errors and that of the log-in, in bytes. */
const SMALL_ANSWERS = 2 ** 16;
/** Milliseconds between two checks of the received bytes. A fast network brings ten megabytes in that time. */
const MEASURED_EVERY = 20;

/**
 * A client of our own, made when it is first needed, and again after the connection was lost. It does not reconnect by itself, so that
 * nobody waits for a dead server longer than for one attempt.
 */
export class OwnConnection implements Connection {
  readonly description: string;
  readonly secrets: string[];
  readonly #address: RedisAddress;
  #client: Client | undefined;
  #connected: Promise<Client> | undefined;
  /** Ends the socket in every state. The client itself can only end one that is connected. */
  #drop: ((reason: Error) => void) | undefined;
  #waiting = 0;
  #unanswered = 0;
  #meter: Meter | undefined;
  #linger: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(address: RedisAddress) {
    this.description = address.description;
    this.secrets = secretsOf(address);
    this.#address = address;
  }

  async run<T>(
    commands: (client: Client) => Promise<T>,
    signal: AbortSignal | undefined,
    maxBytes: number,
  ): Promise<T> {
    // Only a waiting caller keeps the process alive.
    if (this.#waiting++ === 0) this.#client?.ref();
    clearTimeout(this.#linger);
    try {
      return await withSignal(this.#answer(commands, signal, maxBytes), signal);
    } finally {
      if (--this.#waiting === 0) {
        this.#client?.unref();
        // Connection attempts and writes keep a process alive in spite of unref.
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

  async #answer<T>(
    commands: (client: Client) => Promise<T>,
    signal: AbortSignal | undefined,
    maxBytes: number,
  ): Promise<T> {
    this.#unanswered++;
    try {
      if (this.#isClosed) throw new Error('the store is closed');
      this.#connected ??= this.#connect();
      const client = await this.#connected;
      this.#meter?.expect(maxBytes);
      return await commands(forStore(client, signal));
    } catch (error) {
      throw whyDropped(error);
    } finally {
      if (--this.#unanswered === 0) {
        clearTimeout(this.#linger);
        this.#meter?.reset();
      }
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
      const { host, port, tls } = this.#address;
      const below = tls ? nodeNet.connect({ host, port, noDelay: true }) : undefined;
      const client = loadClient().createClient(clientOptions(this.#address, controller.signal, below));
      // Without a listener the event would end the program. After an invalid answer the client would wait for another one.
      client.on('error', (error) => drop(error as Error));
      let steps = 0;
      timer = setInterval(() => {
        if (++steps === CONNECT_STEPS) drop(new Error(`no connection within ${CONNECT_TIMEOUT} ms`));
      }, CONNECT_TIMEOUT / CONNECT_STEPS);
      const [connecting, socket = below] = captureSocket(() => client.connect());
      if (socket) this.#meter = new Meter(socket, drop);
      await connecting;
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

  /** Makes the next operation connect again, unless one already has. */
  #forget(drop: unknown): void {
    if (this.#drop !== drop) return;
    this.#meter?.stop();
    this.#meter = undefined;
    this.#client = undefined;
    this.#connected = undefined;
    this.#drop = undefined;
  }
}

/** Ends a connection that brings more than was asked for. The client itself would keep all of it. */
class Meter {
  readonly #socket: nodeNet.Socket;
  readonly #timer: NodeJS.Timeout;
  #limit = SMALL_ANSWERS;

  constructor(socket: nodeNet.Socket, drop: (reason: Error) => void) {
    this.#socket = socket;
    this.#timer = setInterval(() => {
      if (socket.bytesRead > this.#limit) drop(new Error('the server sent more than it was asked for'));
    }, MEASURED_EVERY).unref();
  }

  /** Allows so many bytes more. */
  expect(bytes: number): void {
    this.#limit += bytes + Math.ceil(bytes / 64); // TLS adds some
  }

  /** Takes back what was not used, when all answers are there. */
  reset(): void {
    this.#limit = this.#socket.bytesRead + SMALL_ANSWERS;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** The result of `connect`, and the socket that it opens, which the client does not show. */
function captureSocket<T>(connect: () => T): [T, nodeNet.Socket | undefined] {
  let socket: nodeNet.Socket | undefined;
  const capture = (message: unknown) => {
    ({ socket } = message as { socket: nodeNet.Socket });
  };
  diagnostics_channel.subscribe('net.client.socket', capture);
  try {
    const result = connect();
    return [result, socket];
  } finally {
    diagnostics_channel.unsubscribe('net.client.socket', capture);
  }
}

/** The reason, for a socket that a signal has ended. */
function whyDropped(error: unknown): unknown {
  return error instanceof Error && error.name === 'AbortError' && error.cause ? error.cause : error;
}
