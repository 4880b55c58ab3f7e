import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { freePort, start, whyMissing } from './servers.js';

/** A Redis server on a port of its own of 127.0.0.1, ended with the test file. */
export interface RedisServer {
  port: number;
  process: ChildProcess;
  /** Ends it at once, and resolves when it is gone. */
  kill(): Promise<void>;
}

export const redisMissing = () => whyMissing('redis-server', 'redis-server');

/** @param options - as on its command line, without the dashes; on a given port when it has to be where one was */
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
