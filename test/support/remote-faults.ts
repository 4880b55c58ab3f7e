// Faults of a store and what a program notices of them, for the table of faults and for its test.
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ArtifactStore } from '../../dist/artifact-store.js';
import { V8Engine } from '../../dist/index.js';
import { openStore } from '../../dist/stores/open-store.js';
import { decodeProgramRecord } from '../../dist/stores/program-record.js';
import { type Fault, FaultyProxy } from './faulty-proxy.js';
import { register, remove, runProgramAsync } from './processes.js';
import { startRedis } from './redis-server.js';
import { type Server, startCeph, startNginx } from './servers.js';

const SECRET = 'correct-horse-battery-staple';
const LIST = 'programs/programs_remote.mjs.json';

export type StoreKind = 'nginx' | 'redis' | 'ceph';

/** The observations of one process. */
interface Observed {
  status: number | null;
  /** The result of the module. */
  observed: string[];
  stderr: string;
  /** Milliseconds of the call for the module and of the whole process. */
  call: number;
  wall: number;
  stats: { hits: number; misses: number; untrusted: number; errors: number };
}

/** A filled store, and the faults that it can have. */
export interface FaultScene {
  /** By name. Each starts a fault, and returns the address for programs and a function that ends the fault. */
  faults: Record<(typeof FAULTS)[number], () => Promise<{ url: string; end?: () => unknown }>>;
  /** Runs the program with a new folder or the given one. */
  run(url: string | undefined, options?: { folder?: string; debug?: boolean; way?: string }): Promise<Observed>;
  newFolder(): string;
  close(): Promise<void>;
}

export const FAULTS = [
  'killed mid-transfer',
  'half-closed mid-transfer',
  'stopped by SIGSTOP',
  'connection refused',
  'host unknown',
  'wrong credentials',
  'never answers',
  'answers garbage',
  'answers after 5 s',
  'a byte per 50 ms',
  'evicted between list and get',
  'artifact truncated',
  'artifact damaged',
] as const;

/** Faults that are not reported, because the artifact is simply gone. */
export const QUIET_FAULTS: readonly string[] = ['evicted between list and get'];

/** @param timeout - milliseconds */
export async function faultScene(kind: StoreKind, timeout: number): Promise<FaultScene> {
  const work = mkdtempSync(path.join(tmpdir(), 'wasm-cache-faults-'));
  let folders = 0;
  const newFolder = () => path.join(work, `${folders++}`);
  mkdirSync(path.join(work, 'locked'));
  const credentials = { username: 'user', password: 'the-right-password' };
  const [server, url, locked] = await startServers(kind, work, credentials);
  const place = kind === 'ceph' ? (new URL(url).searchParams.get('endpoint') as string) : url;
  const { port, host } = new URL(place);
  const proxy = await FaultyProxy.before(Number(port));
  const at = (other: string) => url.replace(host, other);

  const run: FaultScene['run'] = async (remote, { folder = newFolder(), debug = false, way = 'Module' } = {}) => {
    const start = performance.now();
    const { status, stdout, stderr } = await runProgramAsync('remote.mjs', {
      nodeOptions: ['--import', register],
      args: [way],
      env: {
        WASM_CACHE_DIR: folder,
        WASM_CACHE_SECRET: SECRET,
        WASM_CACHE_REMOTE_TIMEOUT: `${timeout}`,
        ...(remote ? { WASM_CACHE_REMOTE: remote } : {}),
        // S3 credentials are not in the address.
        ...(remote === locked && kind === 'ceph' ? { AWS_SECRET_ACCESS_KEY: 'a-wrong-password' } : {}),
        ...(debug ? { NODE_DEBUG: 'wasm-cache' } : {}),
      },
    });
    const wall = performance.now() - start;
    const { observed = [], milliseconds = Number.NaN, stats = {} } = stdout ? JSON.parse(stdout) : {};
    return { status, observed, stderr, call: milliseconds, wall, stats };
  };

  const store = await openStore(url);
  const artifact = await learn(store, url, newFolder());
  const { bytes = new Uint8Array() } = (await store.get(artifact)) ?? {};

  const proxied = (fault: Fault) => async () => {
    proxy.fault = fault;
    return { url: at(`127.0.0.1:${proxy.port}`) };
  };
  const instead = (change: () => Promise<unknown>) => async () => {
    await change();
    return { url, end: () => store.put(artifact, bytes) };
  };
  const faults: FaultScene['faults'] = {
    'killed mid-transfer': proxied('killed'),
    'half-closed mid-transfer': proxied('half closed'),
    'stopped by SIGSTOP': async () => {
      server.process.kill('SIGSTOP');
      return { url, end: () => server.process.kill('SIGCONT') };
    },
    'connection refused': async () => ({ url: at('127.0.0.1:1') }),
    'host unknown': async () => ({ url: at('no-such-host.invalid') }),
    'wrong credentials': async () => ({ url: locked.replace(credentials.password, 'a-wrong-password') }),
    'never answers': proxied('silent'),
    'answers garbage': proxied('garbage'),
    'answers after 5 s': proxied('late'),
    'a byte per 50 ms': proxied('drip'),
    'evicted between list and get': instead(() => store.delete(artifact)),
    'artifact truncated': instead(() => store.put(artifact, bytes.subarray(0, bytes.length / 2))),
    'artifact damaged': instead(() => store.put(artifact, Buffer.from(bytes).fill(0x55, bytes.length - 100))),
  };
  const close = async () => {
    await store.close?.();
    proxy.close();
    server.process.kill('SIGKILL');
    remove(work);
  };
  return { faults, run, newFolder, close };
}

async function startServers(
  kind: StoreKind,
  work: string,
  credentials: { username: string; password: string },
): Promise<[server: Pick<Server, 'process'>, url: string, locked: string]> {
  const { username, password } = credentials;
  if (kind === 'redis') {
    const [open, locked] = await Promise.all([startRedis(), startRedis({ requirepass: password })]);
    return [open, `redis://127.0.0.1:${open.port}`, `redis://:${password}@127.0.0.1:${locked.port}`];
  }
  if (kind === 'ceph') {
    const open = await startCeph(path.join(work, 'ceph'));
    process.env.AWS_ACCESS_KEY_ID = open.credentials.accessKeyId;
    process.env.AWS_SECRET_ACCESS_KEY = open.credentials.secretAccessKey;
    const address = (prefix: string) => `s3://${open.bucket}/${prefix}?endpoint=${open.url}`;
    return [open, address('artifacts'), address('locked')];
  }
  const [open, locked] = await Promise.all([
    startNginx(undefined, path.join(work, 'nginx')),
    startNginx(credentials, path.join(work, 'locked')),
  ]);
  return [open, open.url, locked.url.replace('//', `//${username}:${password}@`)];
}

/** @returns the name of the one artifact in the store. */
async function learn(store: ArtifactStore, url: string, folder: string): Promise<string> {
  const env = { WASM_CACHE_DIR: folder, WASM_CACHE_SECRET: SECRET, WASM_CACHE_REMOTE: url, WASM_CACHE_LEARN: 'hot' };
  const options = { nodeOptions: ['--import', register], args: ['Module', 'hot'] };
  const { stdout, stderr } = await runProgramAsync('remote.mjs', {
    ...options,
    env: { ...env, WASM_CACHE_REMOTE_TIMEOUT: '20s' },
  });
  if (!stdout || stderr) throw new Error(`Not learnt: ${stderr}`);
  for (let count = 0; count < 600; count++, await sleep(50)) {
    const list = await store.get(LIST);
    const [key] = (list && decodeProgramRecord(list.bytes)) ?? [];
    if (key) return `${new V8Engine().deterministicId}/${key}.artifact`;
  }
  throw new Error('Nothing was pushed');
}
