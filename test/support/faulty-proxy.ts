import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * What a proxy does to the answers of the server behind it:
 * - `silent`: accepts connections, and never answers.
 * - `garbage`: sends bytes of no protocol.
 * - `late`: answers after five seconds.
 * - `drip`: one byte per 50 ms.
 * - `killed`, `half closed`: resets the connection, or closes only its own side, in the middle of an artifact.
 */
export type Fault = 'none' | 'silent' | 'garbage' | 'late' | 'drip' | 'killed' | 'half closed';

/** Bytes that pass before a connection fails: enough for a program record with its headers, and a part of the smallest artifact. */
const FAILS_AFTER = 450;

/** Stands between a program and a server: counts requests, and breaks answers. */
export class FaultyProxy {
  fault: Fault = 'none';
  connections = 0;
  /** Everything that clients sent. */
  asked = '';
  readonly #server: Server;
  readonly #upstream: number;
  readonly #sockets = new Set<Socket>();

  private constructor(upstream: number) {
    this.#upstream = upstream;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#serve(client));
  }

  static async before(upstream: number): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(upstream);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    proxy.#server.unref();
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(client: Socket): void {
    const { fault } = this;
    this.connections++;
    this.#keep(client);
    if (fault === 'silent' || fault === 'garbage') {
      client.on('data', (bytes: Buffer) => {
        this.asked += bytes.toString('latin1');
        if (fault === 'garbage') client.write(Buffer.alloc(4000, '\u0007nonsense \r\n'));
      });
      return;
    }
    const server = connect(this.#upstream, '127.0.0.1');
    this.#keep(server);
    client.on('data', (bytes: Buffer) => {
      this.asked += bytes.toString('latin1');
      server.write(bytes);
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('close', () => fault === 'none' && other.destroy());
    }
    let passed = 0;
    let last = Promise.resolve();
    server.on('data', (bytes: Buffer) => {
      const left = FAILS_AFTER - passed;
      passed += bytes.length;
      const isBroken = (fault === 'killed' || fault === 'half closed') && passed > FAILS_AFTER;
      if (isBroken && left < 0) return;
      if (isBroken) {
        client.write(bytes.subarray(0, left), () => (fault === 'killed' ? client.resetAndDestroy() : client.end()));
        return;
      }
      last = last.then(async () => {
        if (fault === 'late') await sleep(5000, undefined, { ref: false });
        if (fault !== 'drip') client.write(bytes);
        else for (const byte of bytes) if (!client.destroyed) await this.#drip(client, byte);
      });
    });
  }

  async #drip(client: Socket, byte: number): Promise<void> {
    client.write(Buffer.of(byte));
    await sleep(50, undefined, { ref: false });
  }

  #keep(socket: Socket): void {
    socket.unref();
    socket.setNoDelay(true);
    socket.on('error', () => {}); // Programs may end while an answer is on its way.
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
