import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createClient, createCluster } from '@redis/client';
import { RedisStore, type RedisStoreOptions } from '../../dist/stores/redis.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { artifactStoreContract } from '../../dist/testing.js';
import { runProgram, temporaryDirectory } from '../support/processes.js';
import {
  assertNoSecret,
  failureOf,
  type RedisServer,
  redisMissing,
  SECRET,
  startFake,
  startRedis,
  urlOf,
} from '../support/redis-server.js';
import { freePort, makeCertificate, opensslMissing } from '../support/servers.js';

const skip = redisMissing();
const noOpenssl = opensslMissing();

const stores: RedisStore[] = [];
after(async () => {
  for (const store of stores) await store.close();
});

function newStore(options: RedisStoreOptions): RedisStore {
  const store = new RedisStore(options);
  stores.push(store);
  return store;
}

let prefixes = 0;
const newPrefix = () => `test-${prefixes++}:`;

async function namesIn(store: RedisStore, prefix = ''): Promise<string[]> {
  const names: string[] = [];
  for await (const name of store.list(prefix)) names.push(name);
  return names.sort();
}

describe('RedisStore', { skip }, () => {
  let server: RedisServer;
  let locked: RedisServer;
  before(async () => {
    server = await startRedis();
    locked = await startRedis({ requirepass: SECRET });
  });

  artifactStoreContract('RedisStore with a URL', () => new RedisStore({ url: urlOf(server), prefix: newPrefix() }));

  artifactStoreContract('RedisStore with a password and a database', () => {
    const url = `redis://default:${encodeURIComponent(SECRET)}@127.0.0.1:${locked.port}/3`;
    return new RedisStore({ url, prefix: newPrefix() });
  });

  // With a client that stays connected, and with one that has to connect.
  const connected = () => createClient({ url: urlOf(server) });
  let shared: ReturnType<typeof connected>;
  before(async () => {
    shared = connected();
    await shared.connect();
  });
  after(() => shared.destroy());
  artifactStoreContract('RedisStore with a client', () => new RedisStore({ client: shared, prefix: newPrefix() }));

  it('connects a client that is not connected, once, and does not close it', async () => {
    const client = connected();
    const store = newStore({ client, prefix: newPrefix() });
    await Promise.all([store.put('a', Buffer.from('a')), store.has('b'), store.get('c')]);
    assert.equal(store.description, `redis://127.0.0.1:${server.port}/0`);
    await store.close();
    await assert.rejects(store.get('a'), ofKind('Other'));
    assert.equal(await client.ping(), 'PONG');
    client.destroy();
  });

  it('waits for a client that is connecting', async () => {
    const client = connected();
    client.connect();
    assert.equal(await newStore({ client, prefix: newPrefix() }).has('a'), false);
    client.destroy();
  });

  it('uses the key prefix of a client', async () => {
    const client = createClient({ url: urlOf(server), keyPrefix: 'app*:' });
    const prefix = newPrefix();
    const store = newStore({ client, prefix });
    await store.put('a/b', Buffer.from('a'));
    assert.deepEqual(await namesIn(store), ['a/b']);
    assert.deepEqual(await namesIn(newStore({ url: urlOf(server), prefix: `app*:${prefix}` })), ['a/b']);
    client.destroy();
  });

  it('works on a cluster', async () => {
    const node = await startRedis({ 'cluster-enabled': 'yes', dir: temporaryDirectory() });
    const admin = createClient({ url: urlOf(node) });
    await admin.connect();
    await admin.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383']);
    while (!String(await admin.sendCommand(['CLUSTER', 'INFO'])).includes('cluster_state:ok')) await delay(20);
    admin.destroy();
    const cluster = createCluster({ rootNodes: [{ url: urlOf(node) }] });
    const store = newStore({ client: cluster });
    assert.equal(await store.put('a/b', Buffer.from([0, 255]), { ifVersion: null }), true);
    const stored = await store.get('a/b');
    assert.deepEqual(Buffer.from(stored?.bytes ?? []), Buffer.from([0, 255]));
    assert.equal(await store.put('a/b', Buffer.from('new'), { ifVersion: stored?.version }), true);
    await store.put('c', Buffer.from('c'));
    assert.deepEqual(await namesIn(store), ['a/b', 'c']);
    await store.delete('c');
    assert.equal(await store.has('c'), false);
    assert.equal(store.description, 'a Redis cluster');
    cluster.destroy();
    await node.kill();
  });

  it('separates prefixes, also if prefixes and names contain pattern characters', async () => {
    const prefixes = ['a*', 'ab', 'a?', 'a[b]', 'a\\', 'a', 'ä'].map((each) => `${newPrefix()}${each}:`);
    prefixes.push(`${prefixes[0]}*`, ''.padEnd(300, '['));
    for (const [index, prefix] of prefixes.entries()) {
      await newStore({ url: urlOf(server), prefix }).put(`name-${index}`, Buffer.from(prefix));
    }
    for (const [index, prefix] of prefixes.entries()) {
      const store = newStore({ url: urlOf(server), prefix });
      const others = (await namesIn(store)).filter((name) => name !== `name-${index}`);
      // A prefix that begins with another one is inside it, like a folder.
      assert.deepEqual(others, prefix === prefixes[0] ? ['*name-7'] : []);
      assert.ok((await namesIn(store)).includes(`name-${index}`));
      assert.deepEqual(await namesIn(store, '?'), []);
      assert.deepEqual(await namesIn(store, `name-${index}`), [`name-${index}`]);
    }
  });

  it('lists many names, each once', async () => {
    const store = newStore({ url: urlOf(server), prefix: newPrefix() });
    const names = Array.from({ length: 2500 }, (_, index) => `folder/${index}`).sort();
    await Promise.all(names.map((name) => store.put(name, Buffer.from('x'))));
    assert.deepEqual(await namesIn(store, 'folder/'), names);
  });

  it('rejects for a key that somebody else uses', async () => {
    const prefix = newPrefix();
    const store = newStore({ url: urlOf(server), prefix });
    await shared.set(`${prefix}short`, 'short');
    await shared.hSet(`${prefix}hash`, 'a', 'b');
    await assert.rejects(store.get('short'), ofKind('Other'));
    await assert.rejects(
      store.get('hash'),
      ofKind('Other', ({ message }) => assert.match(message, /WRONGTYPE/)),
    );
  });

  it('refuses a value that is larger than the caller takes, without reading it', async () => {
    const store = newStore({ url: urlOf(server), prefix: newPrefix() });
    await store.put('a', Buffer.alloc(5000, 1));
    await assert.rejects(store.get('a', { maxSize: 4999 }), /more than 4999 bytes/);
    assert.equal((await store.get('a', { maxSize: 5000 }))?.bytes.length, 5000);
  });

  describe('with TLS', { skip: noOpenssl }, () => {
    const { key, cert } = noOpenssl ? { key: '', cert: '' } : makeCertificate();
    let secure: RedisServer;
    const url = () => `rediss://:${encodeURIComponent(SECRET)}@localhost:${secure.port}/1`;
    before(async () => {
      const port = await freePort();
      const tls = { 'tls-port': `${port}`, 'tls-cert-file': cert, 'tls-key-file': key, 'tls-auth-clients': 'no' };
      secure = await startRedis({ port: '0', requirepass: SECRET, ...tls }, port);
    });

    it('works with a server whose certificate is trusted, and lets the process end', () => {
      const env = { NODE_EXTRA_CA_CERTS: cert };
      const { stdout, stderr, status } = runProgram('redis.mjs', { args: [url(), 'get'], env });
      assert.deepEqual([stdout, stderr, status], ['100000\nsoon\n', '', 0]);
    });

    it('refuses one that is not', async () => {
      const { error } = await failureOf(newStore({ url: url() }).get('a'));
      assert.match(error.message, /self-signed certificate/);
      assertNoSecret(error);
    });
  });

  describe('lets values go:', () => {
    it('after the time to live, which a conditional put sets, too', async () => {
      const prefix = newPrefix();
      const store = newStore({ url: urlOf(server), prefix, ttl: 1000 });
      await store.put('a', Buffer.from('a'));
      assert.equal(await store.put('b', Buffer.from('b'), { ifVersion: null }), true);
      assert.equal(await store.put('b', Buffer.from('c'), { ifVersion: (await store.get('b'))?.version }), true);
      for (const name of ['a', 'b']) {
        const left = await shared.ttl(prefix + name);
        assert.ok(left > 990 && left <= 1000, `${left}`);
      }
      const brief = newStore({ url: urlOf(server), prefix, ttl: 1 });
      await brief.put('a', Buffer.from('a'));
      await delay(1100);
      assert.equal(await brief.get('a'), undefined);
    });

    it('is renewed by get when less than half is left, and only then', async () => {
      const prefix = newPrefix();
      const store = newStore({ url: urlOf(server), prefix, ttl: 1000 });
      await store.put('a', Buffer.from('a'));
      const leftAfterGet = async (before: number) => {
        await shared.expire(`${prefix}a`, before);
        await store.get('a');
        await store.has('a'); // on the same connection, so earlier commands are done
        return shared.ttl(`${prefix}a`);
      };
      assert.ok((await leftAfterGet(600)) <= 600);
      assert.ok((await leftAfterGet(400)) > 990);
      await shared.persist(`${prefix}a`);
      await store.get('a');
      assert.equal(await shared.ttl(`${prefix}a`), -1, 'what has none gets none');
    });

    it('never, with ttl 0', async () => {
      const prefix = newPrefix();
      const store = newStore({ url: urlOf(server), prefix, ttl: 0 });
      await store.put('a', Buffer.from('a'));
      await store.put('a', Buffer.from('b'), { ifVersion: (await store.get('a'))?.version });
      assert.equal(await shared.ttl(`${prefix}a`), -1);
    });

    it('if the memory is full and the server evicts: each is whole or gone', async () => {
      const small = await startRedis({ maxmemory: '12mb', 'maxmemory-policy': 'allkeys-lru' });
      const store = newStore({ url: urlOf(small) });
      const bytesOf = (index: number) => Buffer.alloc(300_000, index);
      for (let index = 0; index < 100; index++) assert.equal(await store.put(`${index}`, bytesOf(index)), true);
      let kept = 0;
      for (let index = 0; index < 100; index++) {
        const value = await store.get(`${index}`);
        if (value === undefined) continue;
        kept++;
        assert.ok(bytesOf(index).equals(value.bytes));
      }
      assert.ok(kept > 0 && kept < 50, `${kept} were kept`);
      await small.kill();
    });

    it('not if the memory is full and the server does not evict: put() reports it', async () => {
      const small = await startRedis({ maxmemory: '3mb', 'maxmemory-policy': 'noeviction' });
      const store = newStore({ url: urlOf(small) });
      await store.put('kept', Buffer.alloc(1000));
      const { version } = (await store.get('kept')) ?? {};
      const fill = async () => {
        for (let index = 0; ; index++) await store.put(`${index}`, Buffer.alloc(500_000));
      };
      await assert.rejects(
        fill,
        ofKind('Other', ({ message }) => assert.match(message, /put \d+: OOM/)),
      );
      await assert.rejects(
        store.put('kept', Buffer.alloc(500_000), { ifVersion: version }),
        ofKind('Other', ({ message }) => assert.match(message, /OOM/)),
      );
      assert.equal((await store.get('kept'))?.bytes.length, 1000);
      await small.kill();
    });
  });

  describe('survives a server that', () => {
    it('is killed during a transfer, and comes back', async () => {
      const mortal = await startRedis();
      const client = createClient({ url: urlOf(mortal) });
      for (const store of [newStore({ url: urlOf(mortal) }), newStore({ client })]) {
        await store.put('a', Buffer.alloc(50_000_000, 1));
      }
      const store = newStore({ url: urlOf(mortal) });
      const failures = [store, newStore({ client })].map((each) => failureOf(each.get('a')));
      await delay(8);
      await mortal.kill();
      await Promise.all(failures);
      assert.ok((await failureOf(store.get('a'))).time < 5000);
      assert.match((await failureOf(store.put('a', Buffer.alloc(1000)))).error.message, /ECONNREFUSED/);

      await startRedis({}, mortal.port);
      assert.equal(await store.get('a'), undefined);
      await store.put('a', Buffer.from('again'));
      assert.equal((await store.get('a'))?.bytes.length, 5);
      client.destroy();
    });

    it('is stopped: the signal ends every operation, and the store works again later', async () => {
      const stopped = await startRedis();
      const client = createClient({ url: urlOf(stopped) });
      for (const store of [newStore({ url: urlOf(stopped) }), newStore({ client })]) {
        await store.put('a', Buffer.from('a'));
        stopped.process.kill('SIGSTOP');
        const start = performance.now();
        const reason = new Error('enough');
        const controller = new AbortController();
        const options = { signal: controller.signal };
        const operations = [
          store.get('a', options),
          store.put('a', Buffer.alloc(20_000_000), options),
          store.put('a', Buffer.from('b'), { ...options, ifVersion: null }),
          store.has('a', options),
          store.delete('a', options),
          store.list('', options)[Symbol.asyncIterator]().next(),
        ];
        setTimeout(() => controller.abort(reason), 50);
        for (const operation of operations) await assert.rejects(operation, (error) => error === reason);
        assert.ok(performance.now() - start < 5000);
        stopped.process.kill('SIGCONT');
        await store.put('a', Buffer.from('c'));
        assert.equal((await store.get('a'))?.bytes.length, 1);
      }
      client.destroy();
      await stopped.kill();
    });

    it('refuses connections: every operation fails at once', async () => {
      const port = await freePort();
      for (const host of ['127.0.0.1', 'localhost']) {
        const store = newStore({ url: `redis://u:${encodeURIComponent(SECRET)}@${host}:${port}` });
        for (const operation of [() => store.get('a'), () => store.put('a', Buffer.alloc(9)), () => namesIn(store)]) {
          const { error, time } = await failureOf(operation());
          assert.match(error.message, /ECONNREFUSED/);
          assert.ok(time < 5000, `${time}`);
          assertNoSecret(error);
        }
      }
      const client = createClient({ url: `redis://127.0.0.1:${port}` });
      const { error, time } = await failureOf(newStore({ client }).get('a'));
      assert.match(error.message, /ECONNREFUSED/);
      assert.ok(time < 5000);
      client.destroy();
    });

    it('has no address', async () => {
      const store = newStore({ url: `redis://u:${encodeURIComponent(SECRET)}@host.invalid:1` });
      const { error } = await failureOf(store.get('a', { signal: AbortSignal.timeout(60_000) }));
      assert.match(error.message, /host\.invalid/);
      assertNoSecret(error);
    });

    it('takes connections and does not answer: no log-in within two seconds', async () => {
      const port = await startFake(() => {});
      const store = newStore({ url: `redis://u:${encodeURIComponent(SECRET)}@127.0.0.1:${port}` });
      const { error, time } = await failureOf(store.get('a'));
      assert.match(error.message, /no connection within 2000 ms/);
      assert.ok(time > 1900 && time < 8000, `${time}`);
      assertNoSecret(error);
    });

    it('sends garbage, or hangs up', async () => {
      for (const answer of ['HTTP/1.1 400 Bad Request\r\n\r\n', 'garbage', '']) {
        const port = await startFake((_, socket) => (answer ? socket.write(answer) : socket.end()));
        const { error, time } = await failureOf(newStore({ url: `redis://127.0.0.1:${port}` }).get('a'));
        assert.match(error.message, answer ? /Unknown RESP type/ : /closed unexpectedly/);
        assert.ok(time < 5000);
      }
    });

    for (const [what, flood] of [
      ['a value without end', (socket: Socket) => socket.write('$999999999999\r\n')],
      ['text without end', (socket: Socket) => socket.write('+')],
      ['answers that nobody asked for', (socket: Socket) => socket.write('$1\r\nx\r\n'.repeat(1000))],
    ] as const) {
      it(`sends ${what}: the connection ends before that fills the memory`, async () => {
        let sent = 0;
        const port = await startFake((_, socket) => {
          flood(socket);
          const chunk = Buffer.alloc(2 ** 20, 'x');
          const go = () => {
            while (!socket.destroyed && socket.write(chunk)) sent += chunk.length;
            sent += chunk.length;
          };
          socket.on('drain', go);
          go();
        });
        const store = newStore({ url: `redis://127.0.0.1:${port}` });
        await failureOf(store.get('a', { maxSize: 100_000, signal: AbortSignal.timeout(20_000) }));
        await delay(100);
        const before = sent;
        await delay(200);
        assert.equal(sent, before, 'nothing more is taken');
        assert.ok(sent < 300_000_000, `${sent} bytes were taken`);
      });
    }

    it('sends the request back', async () => {
      const port = await startFake((data, socket) => {
        socket.write(`-ERR unknown command, with args ${JSON.stringify(data.toString())}\r\n`);
      });
      const url = `redis://u:${encodeURIComponent(SECRET)}@127.0.0.1:${port}`;
      assertNoSecret((await failureOf(newStore({ url }).get('a'))).error);
      const client = createClient({ url, RESP: 2 });
      assertNoSecret((await failureOf(newStore({ client }).get('a'))).error);
      client.destroy();
    });

    it('refuses the password, or wants one', async () => {
      for (const account of ['', `:${encodeURIComponent(`${SECRET}x`)}@`, `nobody:${encodeURIComponent(SECRET)}@`]) {
        const store = newStore({ url: `redis://${account}127.0.0.1:${locked.port}` });
        const { error } = await failureOf(store.get('a'));
        assert.match(error.message, account ? /WRONGPASS/ : /NOAUTH/);
        assertNoSecret(error);
        assertNoSecret(store);
        assert.equal(store.description, `redis://127.0.0.1:${locked.port}/0`);
      }
    });

    it('has no such database', async () => {
      const { error } = await failureOf(newStore({ url: urlOf(server, 99) }).get('a'));
      assert.match(error.message, /DB index is out of range/);
    });
  });

  it('is closed: running and later operations reject', async () => {
    const stopped = await startRedis();
    const store = new RedisStore({ url: urlOf(stopped) });
    await store.has('a');
    stopped.process.kill('SIGSTOP');
    const running = failureOf(store.get('a'));
    await delay(20);
    await store.close();
    await store.close();
    await running;
    await failureOf(store.get('a'));
    await stopped.kill();
  });

  it('connects while the program blocks its event loop for longer than that may take', async () => {
    const url = `redis://:${encodeURIComponent(SECRET)}@127.0.0.1:${locked.port}`;
    const operation = newStore({ url }).has('a');
    await delay(0);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
    assert.equal(await operation, false);
  });

  it('lets a process end that has nothing else to do, without a close', () => {
    const { stdout, stderr, status } = runProgram('redis.mjs', { args: [urlOf(server), 'get'] });
    assert.deepEqual([stdout, stderr, status], ['100000\nsoon\n', '', 0]);
  });

  it('lets a process end whose server hangs', async () => {
    const stopped = await startRedis();
    stopped.process.kill('SIGSTOP');
    // A connected client without an answer, and one that gets no answer to its log-in.
    for (const url of [urlOf(stopped), `redis://:${encodeURIComponent(SECRET)}@127.0.0.1:${stopped.port}`]) {
      const { stdout, stderr, status } = runProgram('redis.mjs', { args: [url, 'abort'] });
      assert.deepEqual([stdout, stderr, status], ['TimeoutError\nTimeoutError\nsoon\n', '', 0]);
    }
    await stopped.kill();
  });
});

describe('RedisStore refuses', () => {
  const refused = (options: RedisStoreOptions, message: RegExp) => {
    assert.throws(
      () => new RedisStore(options),
      (error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, message);
        assertNoSecret(error);
        return true;
      },
    );
  };

  for (const url of [
    '',
    'localhost',
    'redis:',
    'redis://',
    'redis:///0',
    'http://localhost',
    `default:${SECRET}@localhost`,
    `redis:default:${SECRET}@localhost`,
    `redis://default:${SECRET}@localhost`,
    'redis://default:12#4711@localhost',
    'redis://default:12?4711@localhost',
    'redis://default:12/4711@localhost',
    'redis://default:4711#@localhost',
    'redis://default:4711%@localhost',
    'redis://default:4711%ff@localhost',
    'redis://default:4711 @local host',
    'redis://localhost:123456/4711',
    'redis://localhost/4711/1',
    'redis://localhost/-1',
  ]) {
    it(`the URL ${url}, without showing it`, () => refused({ url }, /The option url .* \d+ characters/s));
  }

  it('options that are not usable', () => {
    const url = 'redis://localhost';
    for (const ttl of [-1, 1.5, NaN, Infinity, '10' as unknown as number])
      refused({ url, ttl }, new RegExp(`ttl.*${ttl}`));
    refused({ url, prefix: 5 as unknown as string }, /prefix.*5/);
    refused({ url: 5 as unknown as string }, /url.*number/);
    refused({}, /client and url.*none/);
    refused({ url, client: createClient() }, /client and url.*both/);
    for (const client of [null, {}, 'client']) refused({ client: client as never }, /The option client/);
  });
});
