import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { HttpStore, type HttpStoreOptions } from '../../dist/stores/http.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { artifactStoreContract } from '../../dist/testing.js';
import { bodyOf, listening, serve, serveRaw, within } from '../support/faulty-servers.js';
import { runProgramAsync, temporaryDirectory } from '../support/processes.js';
import { nginxMissing, startNginx } from '../support/servers.js';

const credentials = { username: 'fleet', password: 's3cret /@ ü' };
const skip = nginxMissing();
/** A separate folder for each test. */
let folders = 0;

if (skip) it('HttpStore over nginx', { skip });
else {
  const [open, closed] = await Promise.all([startNginx(), startNginx(credentials)]);
  const storeAt = (url: string, options: Partial<HttpStoreOptions> = {}) =>
    new HttpStore({ url: `${url}${folders++}`, ...options });
  artifactStoreContract('HttpStore over nginx', () => storeAt(open.url));
  artifactStoreContract('HttpStore over nginx with basic auth', () => storeAt(closed.url, credentials));

  it('logs in with the credentials of the URL, and shows them to nobody', async () => {
    const url = new URL(closed.url);
    Object.assign(url, credentials);
    const store = new HttpStore({ url });
    assert.equal(await store.put('own/x', Buffer.from('x')), true);
    assert.equal(store.description, closed.url);
    await store.close();
  });

  it('names the request that was refused to wrong credentials', async () => {
    const store = new HttpStore({ url: closed.url, username: 'fleet', password: 'guessed' });
    const refused = (method: string) => ({ message: `${method} ${closed.url}a/b: 401 Unauthorized` });
    await assert.rejects(store.get('a/b'), ofKind('Other'));
    await assert.rejects(store.get('a/b'), refused('GET'));
    await assert.rejects(store.has('a/b'), refused('HEAD'));
    await assert.rejects(store.put('a/b', Buffer.alloc(10)), refused('PUT'));
    await assert.rejects(store.put('a/b', Buffer.alloc(5_000_000)), refused('PUT'));
    await assert.rejects(store.delete('a/b'), refused('DELETE'));
    await store.close();
  });

  it('gives up at the signal if the server is stopped, and works again after it', async () => {
    const server = await startNginx();
    const store = new HttpStore({ url: server.url });
    await store.put('a', Buffer.alloc(3_000_000, 1));
    server.process.kill('SIGSTOP');
    for (const ask of [
      (signal: AbortSignal) => store.get('a', { signal }),
      (signal: AbortSignal) => store.has('a', { signal }),
      (signal: AbortSignal) => store.put('b', Buffer.alloc(20_000_000), { signal }),
      (signal: AbortSignal) => store.delete('a', { signal }),
    ]) {
      await within(300, assert.rejects(ask(AbortSignal.timeout(100)), { name: 'TimeoutError' }));
    }
    server.process.kill('SIGCONT');
    assert.equal(await store.get('b'), undefined, 'what was cut off is not there');
    server.process.kill('SIGSTOP');
    const asked = Promise.allSettled([store.get('a'), store.put('b', Buffer.alloc(20_000_000))]);
    await sleep(50);
    server.process.kill('SIGKILL');
    for (const { status } of await asked) assert.equal(status, 'rejected');
    await within(100, assert.rejects(store.get('a'), /ECONNREFUSED/));
    await store.close();
  });
}

// Not awaited: without nginx, node:test would finish before it has seen the rest of this file.
const etags = serve(etagServer());
artifactStoreContract('HttpStore over a server with ETags', async () => {
  return new HttpStore({ url: `${await etags}${folders++}`, conditional: true });
});

it('a value has its own memory of exactly its length, whether the length was announced or not', async () => {
  const url = await serve(({ url }, response) => {
    const length = Number(url?.slice(1));
    if (length % 2) response.setHeader('content-length', length);
    for (let left = length; left > 0; left -= 70_000) response.write(Buffer.alloc(Math.min(left, 70_000), 1));
    response.end();
  });
  await using(new HttpStore({ url, maxSize: 300_001 }), async (store) => {
    for (const length of [0, 2, 1001, 65_536, 65_538, 300_000, 300_001]) {
      const { bytes } = (await store.get(`${length}`)) ?? {};
      assert.deepEqual(
        [bytes?.length, bytes?.buffer.byteLength, bytes?.every((each) => each === 1)],
        [length, length, true],
      );
    }
    assert.equal((await store.get('1001', { maxSize: 1001 }))?.bytes.length, 1001);
    await assert.rejects(store.get('1001', { maxSize: 1000 }), /: 1001 bytes, more than 1000$/);
    await assert.rejects(store.get('1002', { maxSize: 1000 }), /: more than 1000 bytes$/);
    await assert.rejects(store.get('300002', { maxSize: 2 ** 30 }), /: more than 300001 bytes$/);
    const seen: number[] = [];
    const check = (beginning: Uint8Array) => {
      seen.push(beginning.length);
      throw new Error('not wanted');
    };
    await assert.rejects(store.get('1001', { check }), /^Error: not wanted$/);
    assert.deepEqual(seen, [512], 'the beginning of a value is checked once');
    await assert.rejects(store.get('300003'), /: 300003 bytes, more than 300001$/);
  });
});

it('checks with names of 64 digits for servers like bazel-remote, which know no others', async () => {
  const values = new Map<string, Buffer>();
  const url = await serve(async (request, response) => {
    // The rules of bazel-remote's server/http.go.
    if (!/^\/(.*\/)?ac\/[a-f0-9]{64}$/.test(request.url ?? '')) return response.writeHead(400).end();
    if (request.method === 'PUT') values.set(request.url ?? '', await bodyOf(request));
    else if (request.method !== 'GET' && request.method !== 'HEAD') return response.writeHead(405).end();
    const value = values.get(request.url ?? '');
    return value ? response.end(request.method === 'GET' ? value : '') : response.writeHead(404).end();
  });
  const store = new HttpStore({ url: `${url}ac`, hashNames: true });
  assert.equal(await store.get('engine/key.artifact'), undefined);
  await store.put('engine/key.artifact', Buffer.from('value'));
  assert.equal(Buffer.from((await store.get('engine/key.artifact'))?.bytes ?? []).toString(), 'value');
  assert.equal(await store.has('engine/key.artifact'), true);
  const hash = createHash('sha256').update('engine/key.artifact').digest('hex');
  assert.deepEqual([...values.keys()], [`/ac/${hash}`]);
  await assert.rejects(store.delete('engine/key.artifact'), {
    message: `DELETE ${url}ac/${hash}: 405 Method Not Allowed`,
  });
  await store.close();
});

describe('HttpStore conditions', () => {
  it('an ETag that is weak or missing is no version', async () => {
    for (const etag of ['W/"1"', undefined, '1']) {
      const url = await serve((_, response) => response.writeHead(200, etag ? { etag } : {}).end('x'));
      await using(new HttpStore({ url, conditional: true }), async (store) => {
        assert.equal((await store.get('a'))?.version, undefined);
      });
    }
  });

  it('a 412 is an error without a condition', async () => {
    const url = await serve((_, response) => response.writeHead(412).end());
    await using(new HttpStore({ url }), (store) =>
      assert.rejects(store.put('a', Buffer.alloc(1), { ifVersion: null }), /412 Precondition Failed/),
    );
  });
});

describe('HttpStore has clear errors:', () => {
  const failing = (what: string, handler: RequestListener, message: RegExp | undefined, options = {}) =>
    it(what, async () => {
      const url = await serve(handler);
      await using(new HttpStore({ url, ...options }), async (store) => {
        if (!message) assert.equal(await store.get('a/b'), undefined);
        else
          await assert.rejects(
            store.get('a/b'),
            ofKind('Other', (error) => assert.match(error.message, message)),
          );
      });
    });
  const answer = (status: number, body = '') =>
    ((_, response) => response.writeHead(status).end(body)) as RequestListener;

  failing('410 is a miss', answer(410), undefined);
  failing('a miss with a long page', answer(404, 'x'.repeat(1_000_000)), undefined);
  failing('403', answer(403), /^GET http:\/\/127\.0\.0\.1:\d+\/a\/b: 403 Forbidden$/);
  failing(
    '500 with a page without end',
    (_, response) => endless(response.writeHead(500)),
    /: 500 Internal Server Error$/,
  );
  failing('503', answer(503, 'try later'), /: 503 Service Unavailable$/);
  failing('206', answer(206, 'part'), /: 206 Partial Content$/);
  failing('a status that has no name', answer(599), /: 599$/);
  failing('more bytes than allowed, as is said before', answer(200, 'x'.repeat(11)), /: more than 10 bytes$/, {
    maxSize: 10,
  });
  failing(
    'more bytes than allowed',
    (_, response) => response.writeHead(200, { 'content-length': 11 }).write('x'),
    /: 11 bytes, more than 10$/,
    { maxSize: 10 },
  );
  failing('bytes without end', (_, response) => endless(response), /: more than 1000000 bytes$/, {
    maxSize: 1_000_000,
  });
  failing(
    'an encoding that was not asked for',
    (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
    /encoding that was not asked for/,
  );
  failing(
    'a redirect to nowhere',
    (_, response) => response.writeHead(302).end(),
    /: a redirect to nowhere: is not followed$/,
  );
  failing(
    'a redirect to another protocol',
    (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    /: a redirect to file: is not followed$/,
  );
  failing(
    'a redirect to an invalid address',
    (_, response) => response.writeHead(302, { location: 'http://user:secret@:x/' }).end(),
    /: a redirect to an invalid address$/,
  );
  failing(
    'a redirect loop',
    ({ url }, response) => response.writeHead(307, { location: `${url}` }).end(),
    /^GET http:\/\/127\.0\.0\.1:\d+\/a\/b: more than 5 redirects$/,
  );

  const raw = (what: string, bytes: string, message: RegExp, end: 'end' | 'destroy' | 'keep' = 'end') =>
    it(what, async () => {
      const url = await serveRaw((socket) => {
        socket.write(bytes);
        if (end === 'end') socket.end();
        if (end === 'destroy') socket.resetAndDestroy();
      });
      await using(new HttpStore({ url }), (store) =>
        within(
          500,
          assert.rejects(
            store.get('a/b'),
            ofKind('Other', (error) => assert.match(error.message, message)),
          ),
        ),
      );
    });
  raw('garbage', '\0\x01garbage\r\n\r\n', /: the answer is not HTTP$/);
  raw('an answer of another protocol that goes on', 'SSH-2.0-OpenSSH_9.2\r\n', /: the answer is not HTTP$/, 'keep');
  raw('nothing', '', /: socket hang up$/);
  raw('half a header', 'HTTP/1.1 200 OK\r\nContent-Le', /: (socket hang up|the answer is not HTTP)$/);
  raw('half a body', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello', /: the answer ended after 5 of 10 bytes/);
  raw(
    'half a body, and a reset',
    'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n',
    /ended after 0 of 10 bytes|ECONNRESET/,
    'destroy',
  );
  raw(
    'half a chunk',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello',
    /: the answer ended after 5 of unknown bytes/,
  );
  raw('a body without a length', 'HTTP/1.1 200 OK\r\n\r\nhello', /: an answer without a length/);
  raw(
    'another protocol from now on',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
    /closed|hang up/,
    'keep',
  );
  raw('a length that is none', 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n', /: the answer is not HTTP$/, 'keep');

  it('a refused connection', async () => {
    const url = await serveRaw(() => {}, { close: true });
    await using(new HttpStore({ url }), (store) => assert.rejects(store.get('a/b'), /GET .*: connect ECONNREFUSED/));
  });

  it('a name that is not known', () =>
    using(new HttpStore({ url: 'http://cache.invalid/' }), (store) =>
      assert.rejects(
        store.get('a/b'),
        /^CacheError: GET http:\/\/cache.invalid\/a\/b: getaddrinfo (ENOTFOUND|EAI_AGAIN)/,
      ),
    ));

  it('a name that leads out of the folder is not requested', async () => {
    let requests = 0;
    const url = await serve((_, response) => requests++ >= 0 && response.end());
    await using(new HttpStore({ url: `${url}folder` }), async (store) => {
      for (const name of [
        '..',
        '../x',
        'a/../../x',
        'a//b',
        '/x',
        'x/',
        './x',
        '',
        'a b',
        'a?b',
        'a%2e',
        'a\n',
        'http://x/',
      ]) {
        await assert.rejects(store.get(name), ofKind('Other'));
        await assert.rejects(store.put(name, Buffer.alloc(1)), ofKind('Other'));
      }
    });
    assert.equal(requests, 0);
  });
});

describe('HttpStore and time', () => {
  it('a signal ends what takes long at once, and leaves no connection behind', async () => {
    const sockets = new Set<Socket>();
    const url = await serve((request, response) => {
      sockets.add(request.socket);
      request.resume();
      if (request.url === '/body') response.writeHead(200, { 'content-length': 10 }).write('x');
      if (request.url === '/late') setTimeout(() => response.end('x'), 600_000).unref();
    });
    const store = new HttpStore({ url });
    for (const name of ['late', 'body']) {
      const reason = new Error('enough');
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), 100);
      await within(
        300,
        assert.rejects(store.get(name, { signal: controller.signal }), (error) => error === reason),
      );
    }
    await assert.rejects(store.put('late', Buffer.alloc(5_000_000), { signal: AbortSignal.timeout(100) }));
    await sleep(50);
    assert.equal(sockets.size, 3);
    for (const socket of sockets) assert.equal(socket.destroyed, true);
  });

  it('a connection with unread data is not kept', async () => {
    const sockets = new Set<Socket>();
    const url = await serve(({ socket, method }, response) => {
      sockets.add(socket);
      if (method === 'GET') endless(response.writeHead(500));
      else response.writeHead(403).end(() => setTimeout(() => socket.resume(), 50)); // nothing was read yet
    });
    await using(new HttpStore({ url }), async (store) => {
      await assert.rejects(store.get('a'), /: 500/);
      await assert.rejects(store.put('a', Buffer.alloc(50_000_000)), /: 403/);
      await sleep(200);
      assert.deepEqual(
        Array.from(sockets, ({ destroyed }) => destroyed),
        [true, true],
      );
    });
  });

  it('a signal that many operations share keeps no listener', async () => {
    const url = await serve((_, response) => response.end('x'));
    const { signal } = new AbortController();
    let listeners = 0;
    const count = (change: number, method: (...args: never[]) => void) =>
      function counted(this: AbortSignal, ...args: never[]) {
        listeners += change;
        method.apply(this, args);
      };
    signal.addEventListener = count(1, signal.addEventListener);
    signal.removeEventListener = count(-1, signal.removeEventListener);
    await using(new HttpStore({ url }), async (store) => {
      for (let i = 0; i < 3; i++) await store.get('a', { signal, background: signal });
    });
    assert.equal(listeners, 0);
  });

  it('connections are reused, and a stale one is replaced', async () => {
    const sockets = new Set<Socket>();
    const url = await serve((request, response) => {
      sockets.add(request.socket);
      response.end('x');
    });
    await using(new HttpStore({ url }), async (store) => {
      for (let i = 0; i < 5; i++) await store.get('a');
      assert.equal(sockets.size, 1);
      // Closed at the moment of its reuse.
      for (const socket of sockets) socket.resetAndDestroy();
      assert.equal((await store.get('a'))?.bytes.length, 1);
      for (const socket of sockets) socket.resetAndDestroy();
      assert.equal(await store.put('a', Buffer.alloc(100_000)), true);
    });
  });

  it('a server that dies in the middle of a transfer is an error', async () => {
    const url = await serve((request, response) => {
      if (request.method === 'PUT') request.once('data', () => request.socket.destroy());
      else {
        response.writeHead(200, { 'content-length': 5_000_000 }).write(Buffer.alloc(1_000_000));
        setTimeout(() => request.socket.destroy(), 50);
      }
    });
    await using(new HttpStore({ url }), async (store) => {
      await assert.rejects(store.get('a'), /the answer ended after \d+ of 5000000 bytes/);
      await assert.rejects(store.put('a', Buffer.alloc(5_000_000)), ofKind('Other'));
    });
  });

  describe('a process', () => {
    const run = async (how: string) => {
      const url = await serve((request, response) => {
        if (request.url === '/fast') response.end('x');
        else setTimeout(() => response.end('slow'), 1500).unref();
      });
      const { stdout, stderr } = await runProgramAsync('http-store.mjs', { args: [url, how] });
      assert.equal(stderr, '');
      return stdout.trim().split('\n');
    };
    it('waits for its requests', async () => assert.deepEqual(await run('awaited'), ['4', 'exits at once']));
    it('does not wait for idle connections', async () => assert.deepEqual(await run('done'), ['1', 'exits at once']));
    it('does not wait for aborted requests', async () =>
      assert.deepEqual(await run('aborted'), ['TimeoutError', 'exits at once']));
    it('does not wait for a late answer', async () =>
      assert.deepEqual(await run('late'), ['goes on', 'exits at once']));
    it('uses a late answer while it is alive', async () =>
      assert.deepEqual(await run('late and alive'), ['goes on', 'late: 4', 'exits at once']));
  });
});

describe('HttpStore keeps secrets:', () => {
  const secrets = {
    headers: { 'X-Api-Key': 'SECRET-key' },
    bearerToken: 'SECRET-token',
  };

  it('credentials are sent to the server, and to no other that it names', async () => {
    const seen: IncomingMessage['headers'][] = [];
    const record = ({ headers }: IncomingMessage) => seen.push(headers);
    const back = await serve((request, response) => {
      record(request);
      response.end('x');
    });
    const other = await serve((request, response) => {
      record(request);
      response.writeHead(302, { location: `${back}x` }).end();
    });
    const url = await serve((request, response) => {
      record(request);
      const location = request.url === '/a' ? '/b' : `${other.replace('//', '//user:SECRET-other@')}x`;
      response.writeHead(302, { location }).end();
    });
    await using(new HttpStore({ url, ...secrets }), (store) => store.get('a'));
    assert.deepEqual(
      seen.map(({ authorization, 'x-api-key': key }) => [authorization, key]),
      [
        ['Bearer SECRET-token', 'SECRET-key'],
        ['Bearer SECRET-token', 'SECRET-key'],
        [undefined, undefined],
        [undefined, undefined],
      ],
    );
  });

  it('https is spoken, and never left for http', async () => {
    const folder = temporaryDirectory();
    const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=cache', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const made = [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '1',
      '-keyout',
      key,
      '-out',
      cert,
      ...subject,
    ];
    execFileSync('openssl', made, { stdio: 'ignore' });
    let requests = 0;
    const plain = await serve((_, response) => requests++ >= 0 && response.end('x'));
    const server = https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, ({ url }, response) => {
      if (url === '/fast') response.end('x');
      else response.writeHead(302, { location: `${plain}x` }).end();
    });
    const url = (await listening(server)).replace('http:', 'https:');
    const run = async (how: string, env: Record<string, string>) =>
      (await runProgramAsync('http-store.mjs', { args: [url, how], env })).stdout.trim().split('\n');
    const trusting = { NODE_EXTRA_CA_CERTS: cert };
    assert.deepEqual(await run('done', trusting), ['1', 'exits at once']);
    assert.deepEqual(await run('refused', trusting), ['a redirect to http: is not followed', 'exits at once']);
    assert.match((await run('refused', {})).join(), /self-signed certificate/);
    assert.equal(requests, 0);
  });

  it('what is written is not redirected', async () => {
    const url = await serve((_, response) => response.writeHead(307, { location: '/b' }).end());
    await using(new HttpStore({ url }), async (store) => {
      await assert.rejects(store.put('a', Buffer.alloc(1)), /^CacheError: PUT .*: 307 Temporary Redirect$/);
      await assert.rejects(store.delete('a'), /^CacheError: DELETE .*: 307 Temporary Redirect$/);
    });
  });

  it('nothing that can be printed holds one', async () => {
    const printed: unknown[] = [];
    // Servers that send the request back in the places that clients print.
    const url = await serve((request, response) => {
      const { authorization = '' } = request.headers;
      response.writeHead(request.method === 'HEAD' ? 302 : 500, authorization, {
        location: `gopher://${authorization}`,
      });
      response.end(authorization);
    });
    const echo = await serveRaw((socket) => socket.pipe(socket));
    for (const each of [url, echo, await serveRaw(() => {}, { close: true })]) {
      for (const options of [
        secrets,
        { headers: { 'X-Api-Key': 'SECRET-key' }, username: 'SECRET-user', password: 'SECRET-word' },
      ]) {
        const store = new HttpStore({ url: each, ...options });
        const ask = [store.get('a'), store.has('a'), store.put('a', Buffer.alloc(1)), store.delete('a')];
        for (const outcome of await Promise.allSettled(ask)) {
          assert.equal(outcome.status, 'rejected');
          printed.push((outcome as PromiseRejectedResult).reason);
        }
        printed.push(store, store.description);
        await store.close();
      }
    }
    for (const options of [
      { url: 'http://user:SECRET@:x' },
      { url: 'SECRET' },
      { url: 'ftp://SECRET@x' },
      { url: 'http://x/?SECRET' },
      { url: 'http://SECRET%:x@x/' },
      { url: 'http://x', bearerToken: 'SECRET\n' },
      { url: 'http://x', headers: { x: 'SECRET\n' } },
      { url: 'http://x', headers: { 'SECRET\n': 'x' } },
      { url: 'http://x', username: 'SECRET:x' },
      { url: 'http://SECRET@x', bearerToken: 'SECRET' },
    ]) {
      assert.throws(
        () => new HttpStore(options),
        (error: Error) =>
          printed.push(error) > 0 && error instanceof TypeError && error.message.startsWith('HttpStore: '),
      );
    }
    for (const each of printed) {
      const text = inspect(each, { depth: 9, showHidden: true }) + JSON.stringify(each) + String(each);
      for (const secret of ['SECRET', Buffer.from('SECRET-user:SECRET-word').toString('base64')])
        assert.ok(!text.includes(secret), text);
      assert.ok(!/rawPacket|<Buffer/.test(text), text);
    }
  });
});

/** A server that stores values with strong ETags, and checks conditions. */
function etagServer(): (request: IncomingMessage, response: ServerResponse) => Promise<unknown> {
  const values = new Map<string, { etag: string; bytes: Buffer }>();
  let versions = 0;
  return async (request, response) => {
    const { method, url = '', headers } = request;
    const body = await bodyOf(request);
    const value = values.get(url);
    const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers;
    if (ifMatch !== undefined && ifMatch !== value?.etag) return response.writeHead(412).end();
    if (ifNoneMatch !== undefined && value) return response.writeHead(412).end();
    if (method === 'PUT') {
      values.set(url, { etag: `"${++versions}"`, bytes: body });
      return response.writeHead(value ? 204 : 201).end();
    }
    if (!value) return response.writeHead(404).end();
    if (method === 'DELETE') values.delete(url);
    if (method === 'DELETE') return response.writeHead(204).end();
    return response.writeHead(200, { etag: value.etag, 'content-length': value.bytes.length }).end(value.bytes);
  };
}

function endless(response: ServerResponse): void {
  const more = () => {
    while (!response.destroyed && response.write(Buffer.alloc(100_000)));
  };
  response.on('drain', more);
  more();
}

async function using(store: HttpStore, use: (store: HttpStore) => Promise<unknown>): Promise<void> {
  try {
    await use(store);
  } finally {
    await store.close();
  }
}
