import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type https from 'node:https';
import net, { type AddressInfo, type Socket } from 'node:net';
import { after } from 'node:test';

/** Starts a server in this process that answers with this handler. @returns its URL */
export function serve(handler: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<string> {
  return listening(
    createServer((request, response) => {
      response.on('error', () => {});
      handler(request, response);
    }),
  );
}

export async function listening(server: Server | https.Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** A server that sends anything after a request. */
export async function serveRaw(onRequest: (socket: Socket) => void, { close = false } = {}): Promise<string> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      socket.unshift(bytes);
      onRequest(socket);
    });
    after(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  if (close) await new Promise((resolve) => server.close(resolve));
  else after(() => server.close());
  return `http://127.0.0.1:${port}/`;
}

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Milliseconds, with some to spare for two tests that share two cores. */
/** Milliseconds that a busy machine may add. What a test waits for takes longer if it is not ended. */
const BUSY = 60_000;

export async function within(milliseconds: number, operation: Promise<unknown>): Promise<void> {
  const start = performance.now();
  await operation;
  const took = performance.now() - start;
  assert.ok(took < milliseconds + BUSY, `took ${took} ms`);
}
