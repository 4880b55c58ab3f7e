import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import aws4 from 'aws4';
import { temporaryDirectory } from './processes.js';

process.env.PATH += ':/usr/sbin'; // Debian's place for nginx, which is not in every user's PATH

/** Milliseconds that no server takes to start, even on a busy machine. */
const START_TIMEOUT = 300_000;

/** Servers that Debian packages. Each test file starts its own, on free ports of 127.0.0.1, which write to a temporary folder. */
export interface Server {
  url: string;
  /** `SIGSTOP` and `SIGKILL` simulate faults of a network. */
  process: ChildProcess;
}

/**
 * Why the tests that need these programs are skipped, for `skip`; `false` if all programs are there.
 *
 * @throws in CI, where no test may be skipped.
 */
export function whyMissing(debianPackages: string, ...programs: string[]): string | false {
  const missing = programs.filter((program) => spawnSync('which', [program]).status !== 0);
  if (missing.length === 0) return false;
  const reason = `${missing.join(', ')} not found: apt-get install ${debianPackages}`;
  if (process.env.CI) throw new Error(reason);
  console.error(`\nSKIPPED, AND SO NOT TESTED: ${reason}\n`);
  return reason;
}

export const opensslMissing = () => whyMissing('openssl', 'openssl');

/** The files of a new key and certificate for this machine. */
export function makeCertificate(): { key: string; cert: string } {
  const folder = temporaryDirectory();
  const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];
  const files = ['-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', '-x509', ...curve, ...files, '-subj', '/CN=test', '-addext', names], {
    stdio: 'ignore',
  });
  return { key, cert };
}

export const nginxMissing = () => whyMissing('nginx-light', 'nginx');

/** An nginx that stores files with its DAV module, optionally with a user name and a password. */
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
      log_format bytes '$request_method $status $request_length $bytes_sent';
      access_log access.log bytes;
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

export const cephMissing = () => whyMissing('radosgw ceph-mon ceph-osd', 'radosgw', 'ceph-mon', 'ceph-osd');

export interface S3Server extends Server {
  bucket: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
}

/** Ceph's S3 server over a cluster of one monitor and one disk in memory. `process` is the S3 server. Starting takes 5 s. */
export async function startCeph(folder = temporaryDirectory()): Promise<S3Server> {
  const [monitorPort, port] = [await freePort(), await freePort()];
  const [cluster, monitor] = [randomUUID(), `[v2:127.0.0.1:${monitorPort}/0]`];
  const env = { ...process.env, CEPH_CONF: path.join(folder, 'ceph.conf') };
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { env, cwd: folder, stdio: 'pipe', encoding: 'utf8' });
  for (const each of ['mon', 'osd']) mkdirSync(path.join(folder, each), { recursive: true });
  writeFileSync(
    path.join(folder, 'ceph.conf'),
    `[global]
    fsid = ${cluster}
    mon host = ${monitor}
    public addr = 127.0.0.1
    ms bind ipv6 = false
    run dir = ${folder}
    admin socket =
    log file = ${folder}/$name.log
    mon data = ${folder}/mon
    osd data = ${folder}/osd
    keyring = ${folder}/keyring
    osd objectstore = memstore
    memstore device bytes = 1073741824
    osd pool default size = 1
    osd pool default min size = 1
    osd pool default pg num = 1
    osd pool default pg autoscale mode = off
    osd crush chooseleaf type = 0
    mon allow pool size one = true
    mon data avail crit = 0
    # Each pool that is made waits for the monitor some times, by default for a second.
    paxos propose interval = 0.05
    paxos min wait = 0.01
    rgw frontends = beast endpoint=127.0.0.1:${port}
`,
  );
  writeFileSync(path.join(folder, 'keyring'), '', { mode: 0o600 });
  const addKey = (...args: string[]) => run('ceph-authtool', 'keyring', '--gen-key', '-n', ...args);
  addKey('mon.', '--cap', 'mon', 'allow *');
  addKey('client.admin', '--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *');
  addKey('osd.0', '--cap', 'mon', 'allow profile osd', '--cap', 'osd', 'allow *');
  run('monmaptool', '--create', '--addv', 'a', monitor, '--fsid', cluster, 'map');
  run('ceph-mon', '--mkfs', '-i', 'a', '--monmap', 'map', '--keyring', 'keyring');
  start('ceph-mon', ['-i', 'a', '-f'], { env });
  run('ceph', 'osd', 'new', cluster);
  run('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', cluster);
  start('ceph-osd', ['-i', '0', '-f'], { env });
  const credentials = { accessKeyId: 'AKIDtest', secretAccessKey: 'SECRET/of+test' };
  const { accessKeyId, secretAccessKey } = credentials;
  const keys = ['--access-key', accessKeyId, '--secret-key', secretAccessKey];
  run('radosgw-admin', 'user', 'create', '--uid', 'test', '--display-name', 'test', ...keys);
  const server = start('radosgw', ['-n', 'client.admin', '-f'], { env });
  const url = `http://127.0.0.1:${port}/`;
  await answering(url, server);
  const bucket = 'test-bucket';
  const { headers } = aws4.sign(
    { service: 's3', method: 'PUT', host: new URL(url).host, path: `/${bucket}` },
    credentials,
  );
  const { status } = await fetch(`${url}${bucket}`, { method: 'PUT', headers: headers as Record<string, string> });
  if (status !== 200) throw new Error(`no bucket: ${status}`);
  return { url, process: server, bucket, credentials };
}

/** Starts a program that ends with this process, however this process ends. */
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
