import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryDirectory } from './processes.js';

/** Milliseconds; two tests share two cores. */
const START_TIMEOUT = 60_000;

/** Servers that Debian packages; each test file starts its own, on free ports of 127.0.0.1, with all they write in a temporary folder. */
export interface Server {
  url: string;
  /** Of which `SIGSTOP` and `SIGKILL` are the faults that a network has. */
  process: ChildProcess;
}

/**
 * Why the tests that need these programs are left out: for `skip`. `false` when all are there.
 *
 * @throws in CI, where nothing may be left out.
 */
export function whyMissing(debianPackages: string, ...programs: string[]): string | false {
  const missing = programs.filter((program) => spawnSync('which', [program]).status !== 0);
  if (missing.length === 0) return false;
  const reason = `${missing.join(', ')} not found: apt-get install ${debianPackages}`;
  if (process.env.CI) throw new Error(reason);
  console.error(`\nSKIPPED, AND SO NOT TESTED: ${reason}\n`);
  return reason;
}

export const nginxMissing = () => whyMissing('nginx-light', 'nginx');

/** An nginx that keeps files with its DAV module; with a user name and a password, only for those who have them. */
export async function startNginx(
  credentials?: { username: string; password: string },
  folder = temporaryDirectory(),
): Promise<Server> {
  const port = await freePort();
  mkdirSync(path.join(folder, 'files'), { recursive: true });
  if (credentials) {
    writeFileSync(path.join(folder, 'users'), `${credentials.username}:{PLAIN}${credentials.password}\n`);
  }
  writeFileSync(
    path.join(folder, 'nginx.conf'),
    `daemon off;
    master_process off;
    pid nginx.pid;
    events { worker_connections 256; }
    http {
      access_log off;
      ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((each) => `${each}_temp_path ${each};`).join('\n')}
      server {
        listen 127.0.0.1:${port};
        root files;
        client_max_body_size 64m;
        location / {
          dav_methods PUT DELETE;
          create_full_put_path on;
          ${credentials ? `auth_basic cache; auth_basic_user_file ${path.join(folder, 'users')};` : ''}
        }
      }
    }`,
  );
  const child = start('nginx', ['-p', folder, '-e', 'errors.log', '-c', 'nginx.conf']);
  const url = `http://127.0.0.1:${port}/`;
  await answering(url, child);
  return { url, process: child };
}

const running = new Set<ChildProcess>();
const endAll = () => {
  for (const each of running) each.kill('SIGKILL');
};
process.once('exit', endAll);

/** Starts a program that dies with this process, however that ends. */
export function start(program: string, args: string[], options: { env?: NodeJS.ProcessEnv } = {}): ChildProcess {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    ...options,
  });
  child.unref();
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

async function answering(url: string, process: ChildProcess): Promise<void> {
  for (const end = Date.now() + START_TIMEOUT; Date.now() < end; await sleep(20)) {
    if (process.exitCode !== null) break;
    const isAnswering = await fetch(url, { signal: AbortSignal.timeout(1000) }).then(
      (answer) => answer.arrayBuffer(),
      () => undefined,
    );
    if (isAnswering) return;
  }
  throw new Error(`${process.spawnargs.slice(3).join(' ')} does not answer at ${url}`);
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
