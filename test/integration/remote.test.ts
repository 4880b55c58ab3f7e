// The store behind the folder: real processes with the hook, and real servers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { createServer } from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { encodeArtifact } from '../../dist/artifact/artifact.js';
import { unpackArtifact } from '../../dist/artifact/packed.js';
import { openStore } from '../../dist/stores/open-store.js';
import { decodeProgramRecord, encodeProgramRecord } from '../../dist/stores/program-record.js';
import { everythingModule, observeEverything } from '../support/everything.js';
import { type Fault, FaultyProxy } from '../support/faulty-proxy.js';
import { until } from '../support/learning.js';
import { filesIn, register, root, runProgramAsync, temporaryDirectory } from '../support/processes.js';
import { redisMissing, startRedis } from '../support/redis-server.js';
import { FAULTS, type FaultScene, faultScene, QUIET_FAULTS } from '../support/remote-faults.js';
import { makeCertificate, nginxMissing, opensslMissing, startNginx } from '../support/servers.js';

const major = Number(process.versions.node.split('.')[0]);
const SECRET = 'correct-horse-battery-staple';
const LIST = 'programs/programs_remote.mjs.json';
const EXPECTED = observeEverything(new WebAssembly.Module(everythingModule(70_000)));
const WAYS = ['Module', 'compile', 'instantiate', 'compileStreaming', 'instantiateStreaming'];
/** Long enough for a busy machine, for tests that are not about time. */
const PATIENT = '60s';
/** Milliseconds that a busy machine may add, less than {@link PATIENT}. */
const UNNOTICED = 30_000;

/** A preload that counts started threads, and prints a line if it is loaded in one. */
const counting = path.join(temporaryDirectory(), 'counting.mjs');
writeFileSync(
  counting,
  `import { isMainThread } from 'node:worker_threads';
   if (!isMainThread) console.log('LOADED IN A THREAD');
   globalThis.threads = 0;
   process.on('worker', (worker) => {
     globalThis.threads++;
     worker.once('exit', () => (globalThis.ended = performance.now()));
   });`,
);

interface Run {
  directory?: string;
  url?: string | undefined;
  args?: string[];
  env?: Record<string, string>;
  nodeOptions?: string[];
  program?: string;
  hooked?: boolean;
}

interface Ran {
  status: number | null;
  stdout: string;
  stderr: string;
  wall: number;
  observed: string[];
  restored: boolean;
  milliseconds: number;
  threads: number;
  stats: Record<'hits' | 'misses' | 'saves' | 'untrusted' | 'errors', number>;
}

async function run({ directory = temporaryDirectory(), url, args = ['Module'], ...more }: Run): Promise<Ran> {
  const { env = {}, nodeOptions = [], program = 'remote.mjs', hooked = true } = more;
  const start = performance.now();
  const result = await runProgramAsync(program, {
    nodeOptions: [...nodeOptions, '--import', pathToFileURL(counting).href, ...(hooked ? ['--import', register] : [])],
    args,
    env: {
      WASM_CACHE_DIR: directory,
      WASM_CACHE_SECRET: SECRET,
      WASM_CACHE_REMOTE_TIMEOUT: PATIENT,
      ...(url ? { WASM_CACHE_REMOTE: url } : {}),
      ...env,
    },
  });
  const wall = performance.now() - start;
  const printed = result.stdout.startsWith('{') ? JSON.parse(result.stdout) : {};
  return { ...result, wall, ...printed };
}

/** {@link run}, and checks that everything except the hook's counters is as without the hook. */
async function equal(options: Run): Promise<Ran> {
  const ran = await run(options);
  assert.deepEqual([ran.status, ran.stderr], [0, ''], ran.stderr);
  assert.deepEqual(ran.observed, EXPECTED);
  return ran;
}

/** Machine A: learns, and resolves when it has pushed everything. */
async function learn(url: string, options: Run = {}): Promise<void> {
  const directory = options.directory ?? temporaryDirectory();
  const store = await openStore(url);
  await equal({
    args: ['Module', 'hot'],
    ...options,
    directory,
    url,
    env: { WASM_CACHE_LEARN: 'hot', ...options.env },
  });
  while (!(await store.has(LIST))) await sleep(50);
  await store.close?.();
  await learnersAreGone(directory);
}

/** The command lines of the learners of a folder. */
function learners(directory: string): string[] {
  return readdirSync('/proc').flatMap((id) => {
    if (!/^\d+$/.test(id)) return [];
    try {
      const line = readFileSync(`/proc/${id}/cmdline`, 'latin1');
      return line.includes(directory) && line.includes('learner.js') ? [`${id} ${line.replaceAll('\0', ' ')}`] : [];
    } catch {
      return [];
    }
  });
}
const learnersAreGone = (directory: string) => until('no learner', () => learners(directory).length === 0);
const artifactsIn = (directory: string) => filesIn(directory).filter((file) => file.endsWith('.artifact'));
const lines = ({ stderr }: Pick<Ran, 'stderr'>, pattern: RegExp) =>
  stderr.split('\n').filter((line) => pattern.test(line));

function writeProgram(name: string, text: string): string {
  const file = path.join(temporaryDirectory(), name);
  writeFileSync(file, text);
  return file;
}

// Takes eleven seconds, in parallel to the other tests.
const stays = run({
  program: writeProgram(
    'stays.mjs',
    `const waiting = setInterval(() => {
       if (globalThis.ended === undefined && performance.now() < 50_000) return;
       clearInterval(waiting);
       console.log(JSON.stringify({ milliseconds: globalThis.ended }));
     }, 50);`,
  ),
  url: pathToFileURL(temporaryDirectory()).href,
  env: { WASM_CACHE_REMOTE_TIMEOUT: '1s' },
});
/** A port that never answers. */
const silent = await FaultyProxy.before(1);
silent.fault = 'silent';
const silentUrl = `http://127.0.0.1:${silent.port}`;

const kinds: [
  kind: string,
  missing: string | false,
  start: (folder: string) => Promise<{ url: string; port: number }>,
][] = [
  [
    'nginx',
    nginxMissing(),
    async (folder) => {
      const { url } = await startNginx(undefined, folder);
      return { url, port: Number(new URL(url).port) };
    },
  ],
  [
    'redis',
    redisMissing(),
    async () => {
      const { port } = await startRedis();
      return { url: `redis://127.0.0.1:${port}`, port };
    },
  ],
  ['a folder', false, async (folder) => ({ url: pathToFileURL(folder).href, port: 0 })],
];

for (const [kind, missing, start] of kinds) {
  const name = `machine A learns, machine B starts with an empty folder, between them ${kind}`;
  describe(name, { skip: missing, concurrency: 2 }, () => {
    let url = '';
    let port = 0;
    // Not in a `before` hook, because the folders would be removed at its end.
    const [folderOfA, folderOfStore] = [temporaryDirectory(), temporaryDirectory()];
    before(async () => {
      ({ url, port } = await start(folderOfStore));
      await learn(url, { directory: folderOfA });
    });

    for (const way of kind === 'redis' ? WAYS : ['Module', 'instantiateStreaming']) {
      it(`B hits in its first run: ${way}`, async () => {
        const directory = temporaryDirectory();
        const { restored, stats } = await equal({ url, directory, args: [way] });
        assert.deepEqual([restored, stats.hits, stats.misses, stats.errors], [true, 1, 0, 0]);
        // And in its second run without the store.
        const again = await equal({ directory, args: [way] });
        assert.equal(again.restored, true);
      });
    }

    it('a warm folder starts no thread, and asks nothing of the server', {
      skip: port === 0 && kind === 'a folder',
    }, async () => {
      const proxy = await FaultyProxy.before(port);
      const there = new URL(url);
      there.port = String(proxy.port);
      const { threads, stats } = await equal({ url: there.href, directory: folderOfA });
      assert.deepEqual([threads, stats.hits, proxy.connections], [0, 1, 0]);
      proxy.close();
    });
  });
}

describe('a program before a store', { concurrency: 2 }, () => {
  const [store, folderOfA] = [temporaryDirectory(), temporaryDirectory()];
  const url = pathToFileURL(store).href;
  let artifact = '';
  let learntBytes = Buffer.alloc(0);
  let unsignedBytes = Buffer.alloc(0);
  before(async () => {
    await learn(url, { directory: folderOfA });
    [artifact = ''] = artifactsIn(store);
    learntBytes = readFileSync(artifact);
    // The artifacts of somebody who does not know the secret.
    unsignedBytes = Buffer.from(
      encodeArtifact(await unpackArtifact(learntBytes, { check: () => {}, signer: undefined })),
    );
  });

  for (const way of ['compile', 'instantiate']) {
    it(`may change the bytes right after it called ${way}()`, async () => {
      const ran = await equal({ url, args: [way, 'changed'] });
      assert.deepEqual([ran.restored, ran.stats.hits], [true, 1]);
      // Also if the store does not have the module.
      await equal({ url: pathToFileURL(temporaryDirectory()).href, args: [way, 'changed'] });
    });
  }

  it('may call twice at once: both are hits', async () => {
    const { stats } = await equal({ url, directory: folderWithEmptyList(), args: ['compile', 'twice'] });
    assert.deepEqual([stats.hits, stats.misses], [2, 0]);
  });

  it('may keep its event loop busy for longer than the deadline', async () => {
    const env = { WASM_CACHE_REMOTE_TIMEOUT: '3500ms' };
    const { stats } = await equal({ url, directory: folderWithEmptyList(), args: ['compile', 'busy'], env });
    assert.deepEqual([stats.hits, stats.errors], [1, 0]);
  });

  it('that changes V8 flags gets nothing that was fetched before', async () => {
    for (const way of ['Module', 'compile']) {
      const { restored, stats } = await equal({ url, args: [way, 'flags'] });
      assert.deepEqual([restored, stats.hits, stats.misses, stats.errors], [false, 0, 1, 0], way);
    }
  });

  it('hits in its workers, too', async () => {
    const program = writeProgram(
      'starts-worker.mjs',
      `import { Worker } from 'node:worker_threads';
       new Worker(new URL(${JSON.stringify(pathToFileURL(path.join(root, 'test/programs/remote.mjs')).href)}), {
         argv: ['Module'], execArgv: ['--import', ${JSON.stringify(register)}] });`,
    );
    const { stdout, stderr, observed, restored } = await run({ url, program });
    assert.deepEqual([stderr, observed, restored], ['', EXPECTED, true], stdout);
  });

  it('uses no store in read-only mode, and uses the store with a folder that it may not write to', async () => {
    const env = { WASM_CACHE_MODE: 'read-only' };
    const readOnly = await equal({ url, env });
    assert.deepEqual([readOnly.restored, readOnly.threads], [false, 0]);
    const file = writeProgram('file', '');
    const { restored, stats } = await equal({ url, directory: path.join(file, 'cache') });
    assert.deepEqual([restored, stats.hits], [true, 1]);
  });

  it('that uses no wasm starts no second thread for an hour, even if it ends at once', async () => {
    const directory = temporaryDirectory();
    const program = writeProgram('none.mjs', 'process.on("exit", () => console.log(JSON.stringify({ threads })));');
    const threads: number[] = [];
    for (let count = 0; count < 3; count++) threads.push((await run({ url, directory, program })).threads);
    assert.deepEqual(threads, [1, 0, 0]);
    assert.deepEqual(
      filesIn(directory).map((each) => path.dirname(each)),
      [path.join(directory, 'programs')],
    );
  });

  for (const [what, damage, counter] of [
    ['not signed', () => unsignedBytes, 'untrusted'],
    ['damaged', () => Buffer.from(learntBytes).fill(0x55, learntBytes.length - 20), 'errors'],
    ['truncated', () => learntBytes.subarray(0, learntBytes.length / 2), 'errors'],
  ] as const) {
    it(`never loads an artifact that is ${what}, says so once, and the next push replaces it`, async () => {
      const shared = temporaryDirectory();
      const name = path.relative(store, artifact);
      mkdirSync(path.dirname(path.join(shared, name)), { recursive: true });
      const copy = path.join(shared, name);
      writeFileSync(copy, damage());
      const there = pathToFileURL(shared).href;
      const { restored, stats } = await equal({ url: there });
      assert.deepEqual([restored, stats[counter], stats.hits], [false, 1, 0]);
      const debugged = await run({ url: there, env: { NODE_DEBUG: 'wasm-cache' } });
      assert.equal(lines(debugged, /asking the store/).length, 1, debugged.stderr);
      await learn(there);
      // Earlier runs may have pushed the record, so it proves nothing.
      await until('the artifact is replaced', () => !readFileSync(copy).equals(damage()));
      assert.equal((await equal({ url: there })).restored, true);
    });
  }

  it('that allows unsigned artifacts loads and pushes them', async () => {
    const shared = pathToFileURL(temporaryDirectory()).href;
    const env = { WASM_CACHE_SECRET: undefined as never, WASM_CACHE_ALLOW_UNSIGNED: '1' };
    await learn(shared, { env });
    assert.equal((await equal({ url: shared, env })).restored, true);
    // Others, with a secret, do not.
    const { restored, stats } = await equal({ url: shared });
    assert.deepEqual([restored, stats.untrusted], [false, 1]);
  });

  it('reads from the store with TLS, if the certificate is trusted', { skip: opensslMissing() }, async () => {
    const { key, cert } = makeCertificate();
    const asked: (string | undefined)[] = [];
    const server = createHttpsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
      asked.push(request.headers.authorization);
      const file = path.join(store, request.url as string);
      if (existsSync(file)) response.end(readFileSync(file));
      else response.writeHead(404).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const there = `https://localhost:${(server.address() as { port: number }).port}/`;
    const env = { WASM_CACHE_REMOTE_TOKEN: 'a-token', WASM_CACHE_REMOTE_MODE: 'read-only' };
    for (const way of ['Module', 'instantiate']) {
      const trusted = { ...env, NODE_EXTRA_CA_CERTS: cert };
      const { restored, stats } = await equal({ url: there, args: [way], env: trusted });
      assert.deepEqual([restored, stats.hits, stats.errors], [true, 1, 0]);
    }
    assert.ok(asked.length >= 4 && asked.every((each) => each === 'Bearer a-token'));
    const { restored, stats } = await equal({ url: there, env });
    assert.deepEqual([restored, stats.errors], [false, 1]);
    server.close();
  });

  it('and another one with the same list at once', async () => {
    const directory = temporaryDirectory();
    const both = await Promise.all([equal({ url, directory }), equal({ url, directory, args: ['compile'] })]);
    assert.deepEqual(
      both.map(({ restored }) => restored),
      [true, true],
    );
    assert.equal(decodeProgramRecord(readFileSync(path.join(directory, LIST)))?.length, 1);
  });

  it('is not loaded in the thread, nor are its preloads and the hook', async () => {
    const env = { NODE_OPTIONS: `--import=${register} --import=${pathToFileURL(counting).href}` };
    const { restored, threads } = await equal({ url, env, hooked: false });
    assert.equal(restored, true);
    assert.ok(threads >= 0);
  });

  it('under the permission model has a plain result, and one debug line', async () => {
    const permission = major === 20 ? '--experimental-permission' : '--permission';
    const nodeOptions = ['--no-warnings', permission, '--allow-fs-read=*', '--allow-fs-write=*', '--allow-addons'];
    const directory = temporaryDirectory();
    const { stats } = await equal({ url, directory, nodeOptions });
    assert.equal(stats.errors, 1);
    // Other processes must not be told that this one may start no threads.
    assert.equal(existsSync(path.join(directory, 'remote-down')), false);
    const debugged = await run({ url, nodeOptions, env: { NODE_DEBUG: 'wasm-cache' } });
    assert.equal(lines(debugged, /asking the store/).length, 1, debugged.stderr);
  });

  it('does not reach a store that the permission model forbids', { skip: major < 25 }, async () => {
    let connections = 0;
    const server = createServer(() => connections++).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const nodeOptions = ['--no-warnings', '--permission', '--allow-fs-read=*', '--allow-fs-write=*', '--allow-addons'];
    const { stats } = await equal({
      url: `http://127.0.0.1:${port}`,
      nodeOptions: [...nodeOptions, '--allow-worker'],
    });
    server.close();
    assert.equal(stats.errors, 1);
    assert.equal(connections, 0);
  });

  it('pushes later what it could not push, when the store is back', async () => {
    const directory = temporaryDirectory();
    const env = { WASM_CACHE_LEARN: 'hot' };
    await equal({ url: 'http://127.0.0.1:1', directory, args: ['Module', 'hot'], env });
    await until('it has learnt', () => artifactsIn(directory).length > 0);
    // Waiting for the learners is not enough: on a busy machine the last one may not have begun.
    await until('the list is forgotten', () => !existsSync(path.join(directory, LIST)));
    await learnersAreGone(directory);
    const there = pathToFileURL(temporaryDirectory()).href;
    // The mark belongs to the store that was down.
    unlinkSync(path.join(directory, 'remote-down'));
    await learn(there, { directory, args: ['Module'] });
    assert.equal((await equal({ url: there })).restored, true);
  });

  it('that runs for long has no thread after a while', async () => {
    const { stderr, milliseconds } = await stays;
    assert.equal(stderr, '');
    assert.ok(milliseconds > 9_000, `${milliseconds}`);
  });
});

describe('a program does not wait for the store when it ends', () => {
  for (const [what, args, status] of [
    ['by itself, without any module', [], 0],
    ['by process.exit', ['compile', 'exit'], 0],
    ['by an error', ['compile', 'throw'], 1],
  ] as const) {
    it(what, async () => {
      const program = args.length > 0 ? 'remote.mjs' : writeProgram('ends.mjs', '');
      const plain = await run({ program, args: [...args], hooked: false });
      const { wall, ...ran } = await run({ program, args: [...args], url: silentUrl });
      assert.deepEqual([ran.status, ran.stdout], [status, '']);
      assert.equal(ran.stderr.replaceAll(/\(node:\d+\)/g, ''), plain.stderr.replaceAll(/\(node:\d+\)/g, ''));
      assert.ok(wall < plain.wall + UNNOTICED, `${wall} ms, without the hook ${plain.wall}`);
    });
  }

  it('while a module is under way that it does not wait for, it waits as long as for V8, or the deadline', async () => {
    const env = { WASM_CACHE_REMOTE_TIMEOUT: '250ms' };
    const plain = await run({ args: ['compile', 'unawaited'], hooked: false });
    const { wall, status, stderr } = await run({ args: ['compile', 'unawaited'], url: silentUrl, env });
    assert.deepEqual([status, stderr], [0, '']);
    assert.ok(wall < plain.wall + 250 + UNNOTICED, `${wall} ms, without the hook ${plain.wall}`);
  });
});

/** Faults of artifacts, which do not count as failures of the store. */
const OF_ARTIFACTS = /artifact|evicted/;

// The table with times: node test/stress/remote-faults.mjs.
describe('a program before a store that fails', { concurrency: 2 }, () => {
  for (const [kind, missing] of [
    ['nginx', nginxMissing()],
    ['redis', redisMissing()],
  ] as const) {
    describe(`has its plain result, and loses the deadline once: ${kind}`, { skip: missing, concurrency: 1 }, () => {
      const timeout = 1000;
      let scene: FaultScene;
      before(async () => {
        scene = await faultScene(kind, timeout);
      });
      after(() => scene.close());

      // A bad artifact is bad wherever it comes from.
      for (const name of FAULTS.filter((each) => kind === 'nginx' || !OF_ARTIFACTS.test(each))) {
        it(name, async () => {
          const { url, end } = (await scene.faults[name]?.()) ?? {};
          const folder = scene.newFolder();
          const way = name.length % 2 === 0 ? 'Module' : 'compile';
          const first = await scene.run(url, { folder, way, debug: true });
          const isMarked = existsSync(path.join(folder, 'remote-down'));
          const next = await scene.run(url, { folder, way });
          await end?.();
          for (const { status, observed } of [first, next]) assert.deepEqual([status, observed], [0, EXPECTED]);
          // Without NODE_DEBUG nothing is printed.
          assert.match(first.stderr, /^(WASM-CACHE \d+: .*\n)+$/);
          assert.equal(next.stderr, '');
          const expected = QUIET_FAULTS.includes(name) ? 0 : 1;
          assert.equal(first.stats.errors + first.stats.untrusted, expected);
          assert.equal(lines(first, /asking the store/).length, expected, first.stderr);
          assert.ok(first.call < timeout + UNNOTICED, `${first.call} ms`);
          // A useless artifact does not count as a failure of the store.
          const isOfStore = !OF_ARTIFACTS.test(name);
          assert.equal(isMarked, isOfStore);
          if (isMarked) assert.deepEqual([next.stats.errors, next.call < UNNOTICED], [0, true], `${next.call} ms`);
        });
      }
    });
  }
});

describe('what is secret', () => {
  it('is in no output, file name or argument, nor in what is stored', { skip: redisMissing() }, async () => {
    const password = 'pass-word-of-the-store';
    const token = 'bearer-token-of-the-store';
    const { port } = await startRedis({ requirepass: password });
    const proxy = await FaultyProxy.before(port);
    const address = `127.0.0.1:${proxy.port}`;
    const env = {
      WASM_CACHE_LEARN: 'hot',
      NODE_DEBUG: 'wasm-cache',
      WASM_CACHE_REMOTE_TIMEOUT: '1s',
      WASM_CACHE_REMOTE_TOKEN: token,
    };
    const secrets = [SECRET, password, token, Buffer.from(`user:${password}`).toString('base64')];
    const seen: string[] = [];
    const look = setInterval(() => seen.push(...commandLines()), 20);
    const addresses: [url: string, ...Fault[]][] = [
      [`redis://default:${password}@${address}`, 'none', 'silent', 'garbage'],
      [`redis://default:${password}-that-is-wrong@${address}`, 'none'],
      [`http://user:${password}@${address}`, 'garbage'],
      [`http://${address}/`, 'garbage'],
      [`http://user:${password}@no-such-host.invalid`, 'none'],
      [`redis://user:${password}%zz@${address}`, 'none'],
      [`nonsense://user:${password}@${address}`, 'none'],
      [`http://user:${password}@${address}:port`, 'none'],
    ];
    for (const fault of ['none', 'silent', 'garbage'] as const) {
      proxy.fault = fault;
      const urls = addresses.filter(([, ...faults]) => faults.includes(fault)).map(([url]) => url);
      const args = fault === 'none' ? ['Module', 'hot'] : ['compile'];
      await Promise.all(
        urls.map(async (url) => {
          const directory = temporaryDirectory();
          const { stdout, stderr } = await run({ directory, url, args, env });
          assert.match(stderr, /WASM-CACHE/);
          seen.push(stdout, stderr);
          if (fault === 'none') await learnersAreGone(directory);
          for (const file of filesIn(directory)) seen.push(file, readFileSync(file, 'latin1'));
        }),
      );
    }
    clearInterval(look);
    proxy.close();
    assert.ok(
      seen.some((text) => text.includes('learner.js')),
      'no learner was seen',
    );
    for (const text of seen) {
      for (const secret of secrets) assert.ok(!text.includes(secret), `${secret} is in ${text}`);
    }
  });
});

/** Settings with which nothing is fetched before the program asks for it. */
function folderWithEmptyList(): string {
  const directory = temporaryDirectory();
  mkdirSync(path.join(directory, 'programs'));
  writeFileSync(path.join(directory, LIST), encodeProgramRecord([]));
  return directory;
}

/** The command lines of all our programs and learners. */
function commandLines(): string[] {
  return readdirSync('/proc').flatMap((id) => {
    try {
      if (!/^\d+$/.test(id)) return [];
      const line = readFileSync(`/proc/${id}/cmdline`, 'latin1').replaceAll('\0', ' ');
      return line.includes(root) ? [line] : [];
    } catch {
      return [];
    }
  });
}
