import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createServer } from 'node:tls';
import { createClient } from '@redis/client';
import type { StoredValue } from '../../dist/artifact-store.js';
import { openStore } from '../../dist/stores/open-store.js';
import { RedisStore, type RedisStoreOptions } from '../../dist/stores/redis.js';
import { MAX_VALUE } from '../../dist/stores/resp.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { filesIn, register, root, runProgram, temporaryDirectory } from '../support/processes.js';
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

function newReader(options: RedisStoreOptions & { url: string }): RedisStore {
  const store = RedisStore.forReading(options);
  stores.push(store);
  return store;
}

const readerOf = (port: number, account = '') => newReader({ url: `redis://${account}127.0.0.1:${port}` });
const login = `u:${encodeURIComponent(SECRET)}@`;

/** As a store puts it: after its version. */
const stored = (bytes: string) => `$${8 + bytes.length}\r\nVERSION.${bytes}\r\n`;

const textOf = (value: StoredValue | undefined) => value && Buffer.from(value.bytes).toString();

describe('RedisStore.forReading', { skip }, () => {
  let server: RedisServer;
  let locked: RedisServer;
  let writer: RedisStore;
  let admin: ReturnType<typeof createClient>;
  before(async () => {
    server = await startRedis();
    locked = await startRedis({ requirepass: SECRET });
    writer = new RedisStore({ url: urlOf(server) });
    stores.push(writer);
    admin = createClient({ url: urlOf(server) });
    await admin.connect();
  });
  after(() => admin.destroy());

  it('reads what a RedisStore put, with the same version', async () => {
    const reader = newReader({ url: urlOf(server) });
    assert.equal(reader.description, writer.description);
    for (const length of [0, 1, 70_000, 30_000_000]) {
      const bytes = Buffer.alloc(length, 'bytes\r\n$-1\r\n');
      await writer.put(`folder/${length}`, bytes);
      const value = await reader.get(`folder/${length}`);
      assert.ok(value && bytes.equals(value.bytes));
      assert.equal(value.version, (await writer.get(`folder/${length}`))?.version);
      assert.equal(await reader.has(`folder/${length}`), true);
    }
    assert.equal(await reader.get('nothing'), undefined);
    assert.equal(await reader.has('nothing'), false);
  });

  it('reads many at once, over one connection', async () => {
    const names = Array.from({ length: 300 }, (_, index) => `many/ä${index}`);
    for (const [index, name] of names.entries()) await writer.put(name, Buffer.alloc(index * 100, index));
    const connections = async () => Number(/total_connections_received:(\d+)/.exec(await admin.info('stats'))?.[1]);
    const before = await connections();
    const reader = newReader({ url: urlOf(server) });
    const values = await Promise.all(names.map((name) => reader.get(name)));
    for (const [index, value] of values.entries())
      assert.ok(Buffer.alloc(index * 100, index).equals(value?.bytes ?? Buffer.from('nothing')));
    assert.equal((await connections()) - before, 1);
  });

  it('rejects all that is not reading', async () => {
    const reader = newReader({ url: urlOf(server) });
    for (const operation of [
      reader.put('a', Buffer.from('a')),
      reader.put('a', Buffer.from('a'), { ifVersion: null }),
      reader.delete('a'),
      reader.list('').next(),
    ]) {
      await assert.rejects(
        operation,
        ofKind('Other', ({ message }) => assert.match(message, /this store only reads/)),
      );
    }
  });

  it('takes the address from openStore', async () => {
    const store = await openStore(urlOf(server), {}, 'reading');
    stores.push(store as RedisStore);
    await assert.rejects(store.put('a', Buffer.from('a')), /only reads/);
    assert.equal(await store.has('nothing'), false);
  });

  it('finds a host by its name, also where only one of its addresses listens', async () => {
    assert.equal(await newReader({ url: `redis://localhost:${server.port}` }).has('nothing'), false);
  });

  it('logs in with a password, or with a user as well, and takes the database', async () => {
    const root = createClient({ url: urlOf(locked), password: SECRET });
    await root.connect();
    await root.sendCommand(['ACL', 'SETUSER', 'reader', 'on', `>${SECRET}`, '~*', '+get', '+pttl', '+select']);
    const secret = encodeURIComponent(SECRET);
    const url = (user: string) => `redis://${user}:${secret}@127.0.0.1:${locked.port}/3`;
    const filler = new RedisStore({ url: url('default'), ttl: 1000 });
    stores.push(filler);
    await filler.put('a', Buffer.from('in database 3'));
    await root.sendCommand(['SELECT', '3']);
    await root.expire('wasm-module-cache:a', 300);
    for (const user of ['', 'default', 'reader']) {
      const value = await newReader({ url: url(user), ttl: user === 'reader' ? 1000 : 0 }).get('a');
      assert.equal(textOf(value), 'in database 3');
    }
    // May not renew it, which is no reason not to have it.
    assert.ok((await root.ttl('wasm-module-cache:a')) <= 300);
    await assert.rejects(newReader({ url: url('reader') }).has('a'), /NOPERM/);
    assert.equal(await newReader({ url: url('default').replace('/3', '/2') }).get('a'), undefined);
    root.destroy();
  });

  it('sends the log-in and the first commands together, and the login is not waited for', async () => {
    const received: string[] = [];
    const port = await startFake((data, socket) => {
      received.push(data.toString());
      socket.write(`+OK\r\n+OK\r\n${stored('abc')}:-1\r\n`);
    });
    const value = await newReader({ url: `redis://${login}127.0.0.1:${port}/7`, prefix: '' }).get('a/b');
    assert.equal(textOf(value), 'abc');
    const commands = [
      ['AUTH', 'u', SECRET],
      ['SELECT', '7'],
      ['GET', 'a/b'],
      ['PTTL', 'a/b'],
    ];
    const text = (words: string[]) =>
      `*${words.length}\r\n${words.map((each) => `$${each.length}\r\n${each}\r\n`).join('')}`;
    assert.deepEqual(received, [commands.map(text).join('')]);
  });

  it('renews the time to live when less than half is left, and only then', async () => {
    const reader = newReader({ url: urlOf(server), ttl: 1000 });
    const key = 'wasm-module-cache:renewed';
    await writer.put('renewed', Buffer.from('a'));
    const leftAfterGet = async (before: number) => {
      await admin.expire(key, before);
      await reader.get('renewed');
      await reader.has('renewed'); // The same connection: what was sent before is done.
      return admin.ttl(key);
    };
    assert.ok((await leftAfterGet(600)) <= 600);
    assert.ok((await leftAfterGet(400)) > 990);
    await admin.persist(key);
    await reader.get('renewed');
    assert.equal(await admin.ttl(key), -1, 'what has none gets none');
  });

  it('reads answers in whatever pieces they come', async () => {
    const answer = Buffer.from(`+OK\r\n${stored('a\r\n$-1\r\nb')}:-1\r\n:1\r\n`);
    for (const size of [1, 2, 3, 7, 13]) {
      let isAnswered = false;
      const port = await startFake(async (_, socket) => {
        if (isAnswered) return;
        isAnswered = true;
        socket.setNoDelay(true);
        for (let at = 0; at < answer.length; at += size) {
          socket.write(answer.subarray(at, at + size));
          await delay(1);
        }
      });
      const reader = readerOf(port, login);
      const [value, has] = await Promise.all([reader.get('a'), reader.has('a')]);
      assert.equal(textOf(value), 'a\r\n$-1\r\nb');
      assert.equal(has, true);
    }
  });

  describe('rejects, and connects again, when the server', () => {
    const reply = (text: string) => (_: Buffer, socket: Socket) => void socket.write(text);
    for (const [what, answer, message] of [
      ['speaks another protocol', reply('HTTP/1.1 400 Bad Request\r\n\r\n'), /begins with byte 72/],
      ['sends garbage without an end', reply('garbage'), /begins with byte 103/],
      ['sends a list', reply('*0\r\n'), /begins with byte 42/],
      ['announces gigabytes', reply('$4294967296\r\n'), /a value of 4294967296 bytes, not of up to/],
      ['announces more than a number can be', reply(`$${'9'.repeat(30)}\r\n`), /should be a number/],
      ['sends more than it announced', reply('$8\r\nVERSION.and more\r\n'), /other than the 8 bytes/],
      ['sends less than it announced', reply('$20\r\nVERSION.\r\n:-1\r\n:1\r\n:1\r\n'), /other than the 20 bytes/],
      ['answers with another type', reply(':1\r\n:1\r\n'), /a number as the answer, where a value was asked for/],
      ['answers more than it was asked', reply(`$-1\r\n`.repeat(5)), /where a number was asked for/],
      ['hangs up', (_: Buffer, socket: Socket) => void socket.end(), /the server closed the connection/],
      ['hangs up in a value', (_: Buffer, socket: Socket) => void socket.end('$9\r\nVER'), /closed the connection/],
      ['resets the connection', (_: Buffer, socket: Socket) => void socket.resetAndDestroy(), /ECONNRESET/],
    ] as const) {
      it(what, async () => {
        let connections = 0;
        const port = await startFake((data, socket) => {
          if (++connections === 1) answer(data, socket);
          else socket.write(`${stored('again')}:-1\r\n`);
        });
        const reader = readerOf(port);
        const { error, time } = await failureOf(reader.get('a'));
        assert.match(error.message, message);
        assert.ok(time < 5000, `${time}`);
        assert.equal((await reader.get('a'))?.bytes.length, 5);
        assert.equal(connections, 2);
      });
    }

    it('answers and then hangs up, with nobody waiting', async () => {
      let connections = 0;
      const port = await startFake((_, socket) => {
        connections++;
        socket.end(`${stored('abc')}:-1\r\n`);
      });
      const reader = readerOf(port);
      assert.equal((await reader.get('a'))?.bytes.length, 3);
      await delay(100);
      assert.equal((await reader.get('a'))?.bytes.length, 3);
      assert.equal(connections, 2);
    });
  });

  it('takes no memory for values that are announced and do not come, and is not stopped by them', async () => {
    const port = await startFake((_, socket) => socket.write(`$${MAX_VALUE}\r\nabc`));
    const before = process.memoryUsage.rss();
    const readers = Array.from({ length: 8 }, () => readerOf(port));
    const signal = AbortSignal.timeout(300);
    for (const each of readers.map((reader) => reader.get('a', { signal }))) {
      await assert.rejects(each, (error) => error === signal.reason);
    }
    assert.ok(process.memoryUsage.rss() - before < 200_000_000);
  });

  it('gives up a server that says nothing for ten seconds', async () => {
    const port = await startFake((_, socket) => socket.write(`$${MAX_VALUE}\r\nabc`));
    const { error, time } = await failureOf(readerOf(port).get('a'));
    assert.match(error.message, /no byte within 10000 ms/);
    assert.ok(time > 9900 && time < 20_000, `${time}`);
  });

  describe("passes on the server's words:", () => {
    it('of a command that is refused; the connection stays', async () => {
      const reader = newReader({ url: urlOf(server) });
      await admin.hSet('wasm-module-cache:hash', 'a', 'b');
      await admin.set('wasm-module-cache:short', 'short');
      const [hash, short, has] = await Promise.allSettled([
        reader.get('hash'),
        reader.get('short'),
        reader.has('short'),
      ]);
      assert.match(String((hash as PromiseRejectedResult).reason), /could not get hash: WRONGTYPE/);
      assert.match(String((short as PromiseRejectedResult).reason), /5 bytes as short/);
      assert.equal((has as PromiseFulfilledResult<boolean>).value, true);
    });

    for (const words of ['LOADING Redis is loading the dataset in memory', 'MOVED 3999 127.0.0.1:6381']) {
      it(words, async () => {
        const port = await startFake((_, socket) => socket.write(`-${words}\r\n-${words}\r\n`));
        const { error } = await failureOf(readerOf(port).get('a'));
        assert.equal(error.message, `redis://127.0.0.1:${port}/0: could not get a: ${words}`);
      });
    }

    it('does not know the password, or wants one', async () => {
      for (const account of ['', `:${encodeURIComponent(`${SECRET}x`)}@`, `nobody:${encodeURIComponent(SECRET)}@`]) {
        const store = readerOf(locked.port, account);
        const { error } = await failureOf(store.get('a'));
        assert.match(error.message, account ? /WRONGPASS/ : /NOAUTH/);
        assertNoSecret(error);
        assertNoSecret(store);
      }
    });

    it('has no such database: nothing is read from another one', async () => {
      assert.match((await failureOf(newReader({ url: urlOf(server, 99) }).get('a'))).error.message, /DB index/);
      // All in one piece.
      const port = await startFake((_, socket) =>
        socket.write(`-ERR DB index is out of range\r\n${stored('a')}:-1\r\n`),
      );
      const { error } = await failureOf(newReader({ url: `redis://127.0.0.1:${port}/99` }).get('a'));
      assert.match(error.message, /DB index/);
    });

    it('but not those that have the password', async () => {
      const port = await startFake((data, socket) => {
        socket.write(`-ERR unknown command, with args ${JSON.stringify(data.toString())}\r\n`);
      });
      const { error } = await failureOf(readerOf(port, login).get('a'));
      assert.match(error.message, /the error is not shown/);
      assertNoSecret(error);
    });
  });

  it('bears a server that is stopped: the signal ends every operation, then it goes on', async () => {
    const stopped = await startRedis();
    const filler = new RedisStore({ url: urlOf(stopped) });
    await filler.put('a', Buffer.from('a'));
    await filler.close();
    const reader = newReader({ url: urlOf(stopped) });
    await reader.has('a');
    stopped.process.kill('SIGSTOP');
    const reason = new Error('enough');
    const controller = new AbortController();
    const options = { signal: controller.signal };
    const operations = [
      reader.get('a', options),
      reader.has('a', options),
      newReader({ url: urlOf(stopped) }).get('a', options),
    ];
    setTimeout(() => controller.abort(reason), 50);
    for (const operation of operations) await assert.rejects(operation, (error) => error === reason);
    await delay(700); // Longer than an abandoned answer is waited for.
    stopped.process.kill('SIGCONT');
    assert.equal((await reader.get('a'))?.bytes.length, 1);
    await assert.rejects(reader.get('a', options), (error) => error === reason);
    await stopped.kill();
  });

  it('bears a server that is killed, and one that is there again', async () => {
    const mortal = await startRedis();
    const filler = new RedisStore({ url: urlOf(mortal) });
    await filler.put('a', Buffer.alloc(50_000_000, 1));
    await filler.close();
    const reader = newReader({ url: urlOf(mortal) });
    assert.equal(await reader.has('a'), true);
    const failure = failureOf(reader.get('a'));
    await delay(8);
    await mortal.kill();
    await failure;
    assert.match((await failureOf(reader.get('a'))).error.message, /ECONNREFUSED/);
    const again = await startRedis({}, mortal.port);
    assert.equal(await reader.get('a'), undefined);
    await again.kill();
  });

  it('rejects at once where nobody listens, and where there is no such host', async () => {
    const port = await freePort();
    for (const host of ['127.0.0.1', 'localhost']) {
      const { error, time } = await failureOf(newReader({ url: `redis://${login}${host}:${port}` }).get('a'));
      assert.match(error.message, /ECONNREFUSED/);
      assert.ok(time < 5000, `${time}`);
      assertNoSecret(error);
    }
    const { error } = await failureOf(newReader({ url: `redis://${login}host.invalid:1` }).get('a'));
    assert.match(error.message, /host\.invalid/);
    assertNoSecret(error);
  });

  it('waits two seconds for a log-in', async () => {
    const port = await startFake(() => {});
    const { error, time } = await failureOf(readerOf(port, login).get('a'));
    assert.match(error.message, /no connection within 2000 ms/);
    assert.ok(time > 1900 && time < 8000, `${time}`);
    assertNoSecret(error);
  });

  it('connects while the program blocks its event loop for longer than that may take', async () => {
    const operation = readerOf(locked.port, `:${encodeURIComponent(SECRET)}@`).has('a');
    await delay(0);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
    assert.equal(await operation, false);
  });

  it('is closed: what runs is rejected, and so is what comes', async () => {
    const port = await startFake(() => {});
    const reader = readerOf(port);
    const running = failureOf(reader.get('a'));
    await delay(20);
    await reader.close();
    await reader.close();
    for (const failure of [running, failureOf(reader.get('a'))])
      assert.match((await failure).error.message, /is closed/);
  });

  describe('lets a process end', () => {
    it('that has nothing else to do, without a close', async () => {
      await writer.put('a', Buffer.alloc(100_000, 7));
      const { stdout, stderr, status } = runProgram('redis-reader.mjs', { args: [urlOf(server), '60000'] });
      assert.deepEqual([stdout, stderr, status], ['100000\nsoon\n', '', 0]);
    });

    it('whose server hangs, at any point', async () => {
      const stopped = await startRedis();
      const full = await startRedis({ 'tcp-backlog': '1' });
      for (const each of [stopped, full]) each.process.kill('SIGSTOP');
      // It has no room for one more: Linux does not answer.
      const fillers = Array.from({ length: 8 }, () => connect(full.port, '127.0.0.1').on('error', () => {}));
      await delay(100);
      const secret = encodeURIComponent(SECRET);
      for (const url of [urlOf(stopped), `redis://:${secret}@127.0.0.1:${stopped.port}`, urlOf(full)]) {
        const { stdout, stderr, status } = runProgram('redis-reader.mjs', { args: [url, '100'] });
        assert.deepEqual([stdout, stderr, status], ['TimeoutError\nsoon\n', '', 0]);
      }
      for (const each of fillers) each.destroy();
      await stopped.kill();
      await full.kill();
    });
  });

  describe('with TLS', { skip: noOpenssl }, () => {
    const { key, cert } = noOpenssl ? { key: '', cert: '' } : makeCertificate();
    let secure: RedisServer;
    const url = (host: string) => `rediss://:${encodeURIComponent(SECRET)}@${host}:${secure.port}/1`;
    before(async () => {
      const port = await freePort();
      const tls = { 'tls-port': `${port}`, 'tls-cert-file': cert, 'tls-key-file': key, 'tls-auth-clients': 'no' };
      secure = await startRedis({ port: '0', requirepass: SECRET, ...tls }, port);
    });

    it('reads from a server whose certificate is trusted', () => {
      const env = { NODE_EXTRA_CA_CERTS: cert };
      for (const host of ['127.0.0.1', 'localhost']) {
        const { stdout, stderr, status } = runProgram('redis-reader.mjs', { args: [url(host), '60000'], env });
        assert.deepEqual([stdout, stderr, status], ['undefined\nsoon\n', '', 0]);
      }
    });

    it('refuses one that is not, before that has seen the password', async () => {
      const { error } = await failureOf(newReader({ url: url('127.0.0.1') }).get('a'));
      assert.match(error.message, /self-signed certificate/);
      assertNoSecret(error);

      const received: Buffer[] = [];
      const fake = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (socket) => {
        socket.on('data', (data) => received.push(Buffer.from(data as Buffer))).on('error', () => {});
      });
      await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve));
      const { port } = fake.address() as { port: number };
      await failureOf(newReader({ url: `rediss://${login}127.0.0.1:${port}` }).get('a'));
      await delay(200);
      fake.close();
      assert.deepEqual(received, []);
    });

    it('rejects where the server does not speak TLS, and the other way round', async () => {
      await failureOf(
        newReader({ url: urlOf(server).replace('redis:', 'rediss:') }).get('a', {
          signal: AbortSignal.timeout(60_000),
        }),
      );
      await failureOf(newReader({ url: urlOf(secure) }).get('a'));
    });
  });

  describe('is what a hooked program has:', () => {
    /** This package as it is installed by who has no client. */
    function packageWithoutClient(): string {
      const folder = temporaryDirectory();
      for (const each of ['dist', 'package.json', 'test/programs'])
        cpSync(path.join(root, each), path.join(folder, each), { recursive: true });
      symlinkSync(path.join(root, 'prebuilds'), path.join(folder, 'prebuilds'));
      mkdirSync(path.join(folder, 'node_modules'));
      for (const each of readdirSync(path.join(root, 'node_modules'))) {
        if (each === '@redis' || each === 'redis') continue;
        symlinkSync(path.join(root, 'node_modules', each), path.join(folder, 'node_modules', each));
      }
      return folder;
    }

    it('it needs no client', async () => {
      const filled = temporaryDirectory();
      const hooked = { nodeOptions: ['--import', register], args: ['Module'], env: { WASM_CACHE_DIR: filled } };
      assert.equal(JSON.parse(runProgram('hot.mjs', hooked).stdout).restored, false);
      for (const file of filesIn(filled)) {
        const name = path.relative(filled, file).split(path.sep).join('/');
        if (name.endsWith('.artifact')) await writer.put(name, readFileSync(file));
      }

      const folder = packageWithoutClient();
      const nodeOptions = ['--import', path.join(folder, 'dist/register.js')];
      const env = {
        WASM_CACHE_DIR: temporaryDirectory(),
        WASM_CACHE_REMOTE: urlOf(server),
        WASM_CACHE_ALLOW_UNSIGNED: '1',
        WASM_CACHE_REMOTE_TIMEOUT: '20s',
      };
      const program = path.join(folder, 'test/programs/hot.mjs');
      const { stdout, status } = runProgram(program, { nodeOptions, args: ['Module', 'short'], env });
      assert.equal(status, 0);
      assert.equal(JSON.parse(stdout).restored, true);
      // All else does.
      const other = runProgram(path.join(folder, 'test/programs/redis.mjs'), { args: [urlOf(server), 'get'] });
      assert.match(other.stderr, /RedisStore needs the package @redis\/client/);
    });
  });
});
