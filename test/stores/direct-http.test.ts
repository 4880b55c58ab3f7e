import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { AnotherWayError, type DirectAnswer, type DirectReader } from '../../dist/stores/direct.js';
import { DirectHttp } from '../../dist/stores/direct-http.js';
import { assertNoSecret, SECRET, startFake } from '../support/redis-server.js';
import { freePort } from '../support/servers.js';

/** What comes of a name; the server is in this thread, so that nothing may block it. */
async function answerOf(reader: DirectReader, name = 'a/b'): Promise<DirectAnswer> {
  for (;;) {
    const answer = reader.answer(name, 0);
    if (answer) return answer;
    await setTimeout(1);
  }
}

/** A server that answers everything with these pieces, and what it was asked. */
async function serve(...pieces: (string | Buffer)[]): Promise<{ port: number; requests: string[] }> {
  const requests: string[] = [];
  const port = await startFake(async (data, socket) => {
    requests.push(data.toString('latin1'));
    for (const piece of pieces) {
      socket.write(piece);
      await setTimeout(5);
    }
    socket.end();
  });
  return { port, requests };
}

async function ask(...pieces: (string | Buffer)[]): Promise<DirectAnswer> {
  const { port } = await serve(...pieces);
  const reader = new DirectHttp({ url: `http://127.0.0.1:${port}`, maxSize: 1000 });
  reader.ask('a/b');
  return answerOf(reader);
}

const ok = (headers: string, body: string) => `HTTP/1.1 200 OK\r\n${headers}\r\n\r\n${body}`;

describe('DirectHttp', () => {
  it('asks as a client would, with what it logs in with', async () => {
    const { port, requests } = await serve(ok('Content-Length: 2', 'ab'));
    const url = `http://127.0.0.1:${port}/wasm`;
    const readers = [
      new DirectHttp({ url }),
      new DirectHttp({ url, bearerToken: 'token' }),
      new DirectHttp({ url: url.replace('//', '//user:p%40ss@') }),
    ];
    for (const reader of readers) {
      reader.ask('a/b+c');
      assert.equal(Buffer.from((await answerOf(reader, 'a/b+c')).bytes ?? []).toString(), 'ab');
      reader.close();
    }
    const request = (login: string) =>
      `GET /wasm/a/b%2Bc HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\naccept-encoding: identity\r\n${login}connection: close\r\n\r\n`;
    const basic = Buffer.from('user:p@ss').toString('base64');
    assert.deepEqual(requests, [
      request(''),
      request('authorization: Bearer token\r\n'),
      request(`authorization: Basic ${basic}\r\n`),
    ]);
  });

  it('gives each answer once, and several at a time', async () => {
    const { port } = await serve(ok('content-length: 1', 'x'));
    const reader = new DirectHttp({ url: `http://127.0.0.1:${port}` });
    for (const name of ['a', 'b', 'c']) reader.ask(name);
    for (const name of ['c', 'a', 'b']) assert.equal((await answerOf(reader, name)).bytes?.length, 1);
    assert.equal(reader.answer('a', 0), undefined);
    assert.equal(reader.answer('never asked', 0), undefined);
  });

  for (const [what, pieces, expected] of [
    ['a whole answer', [ok('content-length: 3', 'abc')], 'abc'],
    ['an empty one', [ok('content-length: 0', '')], ''],
    ['one in pieces', ['HTT', 'P/1.1 200 OK\r\ncontent-le', 'ngth: 6 \r\nx: y\r\n\r', '\nab', 'cd', 'ef'], 'abcdef'],
    ['one of an old server', [`HTTP/1.0 200 OK\r\nContent-length:2\r\n\r\n`, 'ab'], 'ab'],
    ['one without a reason', ['HTTP/1.1 200 \r\ncontent-length: 1\r\n\r\nx'], 'x'],
    ['404', ['HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nnone!'], undefined],
    ['410', ['HTTP/1.1 410 Gone\r\n\r\n'], undefined],
  ] as const) {
    it(`understands ${what}`, async () => {
      const { bytes } = await ask(...pieces);
      assert.equal(bytes && Buffer.from(bytes).toString(), expected);
    });
  }

  for (const [what, answer] of [
    ['a redirect', 'HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n'],
    ['chunks', ok('transfer-encoding: chunked', '1\r\nx\r\n0\r\n\r\n')],
    ['chunks with a length', ok('content-length: 3\r\nTransfer-Encoding: chunked', 'abc')],
    ['an encoding', ok('content-length: 3\r\nContent-Encoding: gzip', 'abc')],
    ['no length', ok('x: y', 'abc')],
    ['two lengths', ok('content-length: 3\r\ncontent-length: 4', 'abc')],
    ['a length that is none', ok('content-length: 3x', 'abc')],
    ['more than it takes', ok('content-length: 1001', 'abc')],
    ['a log-in that is wanted', 'HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n'],
    ['a part', 'HTTP/1.1 206 Partial Content\r\ncontent-length: 3\r\n\r\nabc'],
  ] as const) {
    it(`leaves to a client: ${what}`, async () => {
      const { port } = await serve(answer);
      const reader = new DirectHttp({ url: `http://127.0.0.1:${port}`, maxSize: 1000 });
      reader.ask('a/b');
      const isAnotherWay = (error: unknown) => error instanceof AnotherWayError;
      await assert.rejects(answerOf(reader), isAnotherWay);
      await setTimeout(20); // until the connection is closed
      assert.throws(() => reader.answer('a/b', 0), isAnotherWay);
    });
  }

  for (const [what, pieces, message] of [
    ['garbage', ['\x00\x01garbage'], /the answer is not HTTP$/],
    ['garbage that comes slowly', ['HTT', 'Q'], /the answer is not HTTP$/],
    ['a head without an end', [`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(17_000)}`], /the answer is not HTTP$/],
    ['an answer that is cut off', [ok('content-length: 4', 'abc')], /the server closed the connection$/],
    ['a head that is cut off', ['HTTP/1.1 200 OK\r\n'], /the server closed the connection$/],
    ['no answer', [], /the server closed the connection$/],
    ['more than was announced', [ok('content-length: 2', 'a'), 'bcd'], /more bytes than the answer announced$/],
  ] as const) {
    it(`fails for ${what}`, async () => {
      await assert.rejects(ask(...pieces), (error: Error) => {
        assert.match(error.message, message);
        return !(error instanceof AnotherWayError);
      });
    });
  }

  it('names the address in its errors, and no secret', async () => {
    const port = await freePort();
    const login = `user:${encodeURIComponent(SECRET)}@`;
    const reader = new DirectHttp({ url: `http://${login}127.0.0.1:${port}/wasm` });
    reader.ask('a/b');
    await assert.rejects(answerOf(reader), (error: Error) => {
      assertNoSecret(error);
      assert.ok(error.message.startsWith(`GET http://127.0.0.1:${port}/wasm/a/b: `), error.message);
      return true;
    });
  });
});
