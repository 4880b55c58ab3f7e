import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createNetServer } from 'node:net';
import path from 'node:path';
import { after, describe, it, mock } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { Worker } from 'node:worker_threads';
import type { Artifact } from '../../dist/artifact/artifact.js';
import type { RemoteFailure } from '../../dist/hook/remote-messages.js';
import { RemoteTier } from '../../dist/hook/remote-tier.js';
import { FileSystemCache, FileSystemStore, ModuleHash, RemoteCache, V8Engine } from '../../dist/index.js';
import { decodeProgramRecord, encodeProgramRecord, ProgramRecord } from '../../dist/stores/program-record.js';
import { until } from '../support/learning.js';
import { filesIn, temporaryDirectory } from '../support/processes.js';
import { freePort } from '../support/servers.js';

const secret = 'the-secret-of-this-fleet';
const PROGRAM = 'programs/app_main.js.json';
const engine = new V8Engine();
/** Milliseconds. On a busy machine the thread takes some hundred to start. */
const PATIENT = 20_000;

function artifact(key: ModuleHash): Artifact {
  return {
    key,
    engineId: engine.deterministicId,
    coverage: 'hot',
    generation: 3,
    final: true,
    hasLearnerCode: false,
    optimisedFor: 0,
    observedFor: 0,
    missing: 0,
    bypassedUntil: 0,
    nativeCode: new Uint8Array(1000).fill(0x90),
    wireBytes: undefined,
    wireLength: 70_000,
  };
}

interface Settings {
  url?: string;
  timeout?: number;
  directory?: string;
  secrets?: string[];
}

/** A tier in front of a store in a folder, a cache folder that does not exist yet, and the failures that the tier reported. */
function scene({ url, timeout = PATIENT, directory, secrets = [secret] }: Settings = {}) {
  const shared = temporaryDirectory();
  const store = new FileSystemStore(shared, { isShared: true });
  const own = directory ?? path.join(temporaryDirectory(), 'cache');
  const failures: RemoteFailure[] = [];
  const settings = {
    url: url ?? pathToFileURL(shared).href,
    timeout,
    allowUnsigned: false,
    mode: 'read-write' as const,
  };
  const folder = new FileSystemCache(own, { wireBytes: 'omit', secret: secrets });
  const tier = new RemoteTier(settings, folder, engine, (failure) => failures.push(failure));
  const list = () => new ProgramRecord(PROGRAM, own, true);
  const put = async (key: ModuleHash, options: ConstructorParameters<typeof RemoteCache>[1] = { secret }) => {
    await new RemoteCache(store, { ...options, timeout: 60_000 }).push(artifact(key));
  };
  return { tier, list, shared, store, folder, directory: own, failures, put };
}

function assertArtifact(found: unknown): void {
  const { key: _, wireBytes: __, ...expected } = artifact(ModuleHash.random());
  assert.ok(found);
  assert.deepEqual({ ...found, nativeCode: Uint8Array.from((found as Artifact).nativeCode) }, expected);
}

/** A port that never answers. */
async function silentPort(): Promise<number> {
  const server = createNetServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
  after(() => server.close());
  server.unref();
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

function milliseconds(action: () => unknown): number {
  const start = performance.now();
  action();
  return performance.now() - start;
}

const key = () => ModuleHash.random();
const question = (wanted: ModuleHash) => ({ key: String(wanted), wireLength: 70_000 });

describe('RemoteTier', () => {
  it('gives an artifact of the store to the caller who waits for it, once, and puts it into the folder', async () => {
    const { tier, folder, failures, put } = scene();
    const wanted = key();
    await put(wanted);
    assertArtifact(tier.fetchSync(question(wanted)));
    await until('it is in the folder', () => folder.readHeaderSync(wanted, engine) !== undefined);
    assert.equal(tier.fetchSync(question(wanted)), undefined);
    assert.deepEqual(failures, []);
  });

  it('gives it later to a caller who does not wait; of two callers one gets it', async () => {
    const { tier, failures, put } = scene();
    const wanted = key();
    await put(wanted);
    let turns = 0;
    const counting = setInterval(() => turns++, 1);
    const found = await Promise.all([tier.fetch(question(wanted)), tier.fetch(question(wanted))]);
    clearInterval(counting);
    const [one, ...others] = found.filter((each) => each !== undefined);
    assertArtifact(one);
    assert.deepEqual(others, []);
    assert.ok(turns > 0);
    assert.deepEqual(failures, []);
  });

  it('does not ask again for an artifact that the store does not have', async () => {
    const { tier, failures, put } = scene();
    const absent = key();
    assert.equal(tier.fetchSync(question(absent)), undefined);
    await put(absent);
    assert.equal(await tier.fetch(question(absent)), undefined);
    assert.deepEqual(failures, []);
  });

  it('fetches what the list of the program tells of, and notes the list', async () => {
    const { tier, list, store, folder, directory, put } = scene();
    const [listed, other] = [key(), key()];
    await put(listed);
    await put(other);
    await store.put(PROGRAM, encodeProgramRecord([String(listed), String(key())]));
    tier.prefetch(list());
    await until('the list is there', () => existsSync(path.join(directory, PROGRAM)));
    assert.deepEqual(readFileSync(path.join(directory, PROGRAM)), readFileSync(path.join(store.directory, PROGRAM)));
    assert.ok(folder.readHeaderSync(listed, engine));
    assert.equal(folder.readHeaderSync(other, engine), undefined);
    assertArtifact(tier.fetchSync(question(listed)));
    assertArtifact(tier.fetchSync(question(other)));
  });

  for (const [what, bytes] of [
    ['no list', undefined],
    ['what is no list', Buffer.from('<html>')],
  ] as const) {
    it(`notes an empty list where the store has ${what}`, async () => {
      const { tier, list, store, directory, failures } = scene();
      if (bytes) await store.put(PROGRAM, bytes);
      tier.prefetch(list());
      await until('the list is there', () => existsSync(path.join(directory, PROGRAM)));
      assert.deepEqual(decodeProgramRecord(readFileSync(path.join(directory, PROGRAM))), []);
      assert.deepEqual(failures, []);
    });
  }

  for (const [what, options] of [
    ['without a signature', { allowUnsigned: true }],
    ['with a signature of another secret', { secret: 'another-secret-that-is-long' }],
  ] as const) {
    it(`refuses an artifact ${what}, says so once, and goes on with others`, async () => {
      const { tier, folder, failures, put } = scene();
      const [refused, good] = [key(), key()];
      await put(refused, options);
      await put(good);
      for (let count = 0; count < 2; count++) assert.equal(tier.fetchSync(question(refused)), undefined);
      assert.deepEqual(
        failures.map(({ of }) => of),
        ['signature'],
      );
      assertArtifact(tier.fetchSync(question(good)));
      assert.equal(folder.readHeaderSync(refused, engine), undefined);
    });
  }

  for (const [what, damage] of [
    ['truncated', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
    ['changed', (bytes: Buffer) => bytes.fill(0x55, bytes.length - 8)],
    ['empty', () => Buffer.alloc(0)],
  ] as const) {
    it(`refuses an artifact that is ${what}, says so once, and goes on with others`, async () => {
      const { tier, shared, directory, failures, put } = scene();
      const [damaged, good] = [key(), key()];
      await put(damaged);
      const file = filesIn(shared).find((each) => each.endsWith('.artifact')) as string;
      writeFileSync(file, damage(readFileSync(file)));
      await put(good);
      for (let count = 0; count < 2; count++) assert.equal(tier.fetchSync(question(damaged)), undefined);
      assert.deepEqual(
        failures.map(({ of }) => of),
        ['artifact'],
      );
      assertArtifact(tier.fetchSync(question(good)));
      assert.equal(existsSync(path.join(directory, 'remote-down')), false);
    });
  }

  for (const [what, url] of [
    ['refuses connections', 'http://127.0.0.1:1'],
    ['refuses connections, for Redis', 'redis://user:password@127.0.0.1:1'],
    ['has an address that its client does not take', 'redis://127.0.0.1/no-number'],
  ] as const) {
    it(`is off after the first failure of a store that ${what}, here and for others`, async () => {
      const { tier, directory, failures } = scene({ url });
      assert.equal(tier.fetchSync(question(key())), undefined);
      assert.equal(failures.length, 1);
      assert.equal(failures[0]?.of, 'store');
      assert.doesNotMatch(failures[0]?.failure ?? '', /password@127/);
      const others = milliseconds(() => {
        for (let count = 0; count < 100; count++) assert.equal(tier.fetchSync(question(key())), undefined);
      });
      assert.ok(others < 100, `${others} ms`);
      assert.equal(await tier.fetch(question(key())), undefined);
      assert.equal(failures.length, 1);

      const other = scene({ directory });
      assert.equal(other.tier.wasDown, true);
      const wanted = key();
      await other.put(wanted);
      assert.equal(other.tier.fetchSync(question(wanted)), undefined);
      for (const age of [60_000, -60_000]) {
        const seconds = (Date.now() - age) / 1000;
        utimesSync(path.join(directory, 'remote-down'), seconds, seconds);
        assert.equal(scene({ directory }).tier.wasDown, false);
      }
    });
  }

  it('waits once for a store that hangs, and no longer than the deadline', async () => {
    const { tier, failures } = scene({ url: `redis://127.0.0.1:${await silentPort()}`, timeout: 2000 });
    const first = milliseconds(() => assert.equal(tier.fetchSync(question(key())), undefined));
    assert.ok(first >= 1990, `${first} ms`);
    const second = milliseconds(() => assert.equal(tier.fetchSync(question(key())), undefined));
    assert.ok(second < 1990, `${second} ms`);
    assert.deepEqual(failures, [{ failure: 'no answer within 2000 ms', of: 'store' }]);
  });

  it('marks the store as down for seconds only, if its thread was too slow to ask it', () => {
    const { tier, directory, failures } = scene({ timeout: 1 });
    assert.equal(tier.fetchSync(question(key())), undefined);
    assert.deepEqual(failures, [{ failure: 'no answer within 1 ms', of: 'store' }]);
    assert.equal(tier.fetchSync(question(key())), undefined);
    assert.equal(failures.length, 1);
    assert.equal(scene({ directory }).tier.wasDown, true);
    const seconds = Date.now() / 1000 - 8;
    utimesSync(path.join(directory, 'remote-down'), seconds, seconds);
    assert.equal(scene({ directory }).tier.wasDown, false);
  });

  it('releases all callers at once', async () => {
    const { tier, failures } = scene({ url: `http://127.0.0.1:${await silentPort()}`, timeout: 2000 });
    const early = [tier.fetch(question(key())), tier.fetch(question(key()))];
    await setTimeout(1000);
    const deadline = performance.now() + 2000;
    let isLateReleased = false;
    const late = tier.fetch(question(key())).then(() => (isLateReleased = true));
    assert.deepEqual(await Promise.all(early), [undefined, undefined]);
    for (let turn = 0; !isLateReleased && (turn < 100 || performance.now() < deadline - 100); turn++)
      await setImmediate();
    assert.ok(isLateReleased, 'it waits for its own deadline');
    await late;
    assert.equal(failures.length, 1);
  });

  it('takes an answer that came while the program kept its event loop busy', async () => {
    const { tier, folder, failures, put } = scene({ timeout: 1000 });
    const wanted = key();
    await put(wanted);
    const found = tier.fetch(question(wanted));
    const isAnswered = () => folder.readHeaderSync(wanted, engine) !== undefined;
    for (const start = performance.now(); performance.now() < start + 1500 || !isAnswered(); ) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
    assertArtifact(await found);
    assert.deepEqual(failures, []);
  });

  it('puts late artifacts into the folder, for the next run', async () => {
    const { shared, put } = scene();
    const wanted = key();
    await put(wanted);
    const server = createServer(async ({ url = '' }, response) => {
      await setTimeout(600);
      response.end(readFileSync(path.join(shared, url)));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    const { tier, folder, failures } = scene({ url, timeout: 100 });
    assert.equal(await tier.fetch(question(wanted)), undefined);
    assert.equal(failures.length, 1);
    await until('it is in the folder', () => folder.readHeaderSync(wanted, engine) !== undefined);
    assert.equal(failures.length, 1);
    server.close();
    server.closeAllConnections();
  });

  it('works with a folder that cannot be written to', async () => {
    const file = path.join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    const { tier, failures, put } = scene({ directory: path.join(file, 'cache') });
    const wanted = key();
    await put(wanted);
    assertArtifact(tier.fetchSync(question(wanted)));
    assert.deepEqual(failures, []);
  });

  it('works with a folder that others may write to, for signed artifacts', async () => {
    const directory = path.join(temporaryDirectory(), 'cache');
    mkdirSync(directory, { mode: 0o777 });
    const { tier, put } = scene({ directory });
    const wanted = key();
    await put(wanted);
    assertArtifact(tier.fetchSync(question(wanted)));
  });

  it('ends its thread after a while without requests, and starts another one when needed', async () => {
    await setTimeout(1); // The event of the previous test comes in its own turn.
    const workers: Worker[] = [];
    const onWorker = (worker: Worker) => workers.push(worker);
    process.on('worker', onWorker);
    const { tier, put } = scene({ timeout: 5000 });
    const [first, second, never] = [key(), key(), key()];
    for (const each of [first, second, never]) await put(each);
    const alive = setInterval(() => {}, 1000); // The thread does not keep the process alive.
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      assertArtifact(tier.fetchSync(question(first)));
      await until('the event came', () => workers.length === 1);
      mock.timers.tick(14_000);
      assertArtifact(tier.fetchSync(question(second)));
      mock.timers.tick(14_000);
      const ended = once(workers[0] as Worker, 'exit');
      mock.timers.tick(2000);
      await ended;
      assertArtifact(tier.fetchSync(question(never)));
      await until('the event came', () => workers.length === 2);
      mock.timers.tick(16_000);
    } finally {
      mock.timers.reset();
      clearInterval(alive);
      process.off('worker', onWorker);
    }
  });

  it('starts no thread until it is asked', async () => {
    const workers: Worker[] = [];
    const onWorker = (worker: Worker) => workers.push(worker);
    process.on('worker', onWorker);
    scene();
    await setTimeout(1);
    process.off('worker', onWorker);
    assert.deepEqual(workers, []);
  });

  it('leaves only the mark in the folder if the store is down', async () => {
    const { tier, list, directory } = scene({ url: `http://127.0.0.1:${await freePort()}` });
    tier.prefetch(list());
    await until('it is off', () => existsSync(path.join(directory, 'remote-down')));
    assert.deepEqual(readdirSync(directory), ['remote-down']);
  });
});
