import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { after } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { inspect } from 'node:util';
import { CacheError } from '../../dist/cache-error.js';
import { freePort, start, whyMissing } from './servers.js';

/** A Redis server on a free port of 127.0.0.1, which ends with the test file. */
export interface RedisServer {
  port: number;
  process: ChildProcess;
  /** Kills it, and resolves when it is gone. */
  kill(): Promise<void>;
}

/** Contains characters that need escaping in a URL. */
export const SECRET = 'p@ss:w/rd-4711';

export const urlOf = ({ port }: RedisServer, database = 0) => `redis://127.0.0.1:${port}/${database}`;

export const redisMissing = () => whyMissing('redis-server', 'redis-server');

/** @param options - as on its command line, without the dashes. A given port is for a server that replaces another one */
export async function startRedis(options: Record<string, string> = {}, port?: number): Promise<RedisServer> {
  const own = port ?? (await freePort());
  const all = { port: `${own}`, bind: '127.0.0.1', save: '', appendonly: 'no', dir: '/tmp', ...options };
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, ...(value.split(' ') as string[])]);
  const child = start('redis-server', args);
  const gone = once(child, 'exit');
  while (!(await isListening(own))) {
    if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
    await setTimeout(10);
  }
  const kill = async () => {
    child.kill('SIGKILL');
    await gone;
  };
  return { port: own, process: child, kill };
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Accepts connections, and answers nothing, or as the handler says. */
export async function startFake(answer: (data: Buffer, socket: Socket) => void): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    socket.on('data', (data) => answer(Buffer.from(data as Buffer), socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as { port: number }).port;
}

/** All text of an error, including its causes. */
const shown = (error: unknown) => inspect(error, { depth: Infinity, showHidden: true, getters: true });

export function assertNoSecret(error: unknown): void {
  for (const each of [SECRET, encodeURIComponent(SECRET), '4711'])
    assert.ok(!shown(error).includes(each), 'the secret');
}

/** The error of a rejection, and the milliseconds until then. */
export async function failureOf(operation: Promise<unknown>): Promise<{ error: CacheError; time: number }> {
  const start = performance.now();
  const error = await operation.then(
    () => assert.fail('it did not fail'),
    (error: unknown) => error,
  );
  assert.ok(CacheError.is(error, 'Other'), shown(error));
  return { error, time: performance.now() - start };
}
