import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { DirectAnswer, DirectReader } from '../../dist/stores/direct.js';
import { DirectRedis } from '../../dist/stores/direct-redis.js';
import { RedisStore } from '../../dist/stores/redis.js';
import { parseRedisUrl } from '../../dist/stores/redis-connection.js';
import { assertNoSecret, redisMissing, SECRET, startFake, startRedis, urlOf } from '../support/redis-server.js';

const readerOf = (url: string) => new DirectRedis(parseRedisUrl(url));
const command = (...words: string[]) =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
const READING = command('GET', 'wasm-module-cache:a') + command('PTTL', 'wasm-module-cache:a');

async function answerOf(reader: DirectReader, name = 'a'): Promise<DirectAnswer> {
  for (;;) {
    const answer = reader.answer(name, 0);
    if (answer) return answer;
    await setTimeout(1);
  }
}

/** A server that answers the first thing that it is asked with this. */
async function serve(answer: string): Promise<{ port: number; asked: () => string }> {
  let asked = '';
  let isAnswered = false;
  const port = await startFake((data, socket) => {
    asked += data;
    if (isAnswered) return;
    isAnswered = true;
    socket.write(answer);
  });
  return { port, asked: () => asked };
}

describe('DirectRedis', () => {
  it('reads what a store has put, of a real server, without an event loop', { skip: redisMissing() }, async () => {
    const server = await startRedis({ requirepass: SECRET });
    const url = urlOf(server, 3).replace('//', `//:${encodeURIComponent(SECRET)}@`);
    const store = new RedisStore({ url });
    const large = Buffer.alloc(3_000_000, 'large');
    await store.put('engine/large', large);
    await store.put('engine/small', Buffer.from('small'));
    const reader = readerOf(url);
    for (const name of ['engine/small', 'engine/none', 'engine/large']) reader.ask(name);
    const read = (name: string) => {
      const end = performance.now() + 20_000;
      for (;;) {
        const answer = reader.answer(name, 1000);
        if (answer) return answer.bytes && Buffer.from(answer.bytes);
        assert.ok(performance.now() < end);
      }
    };
    assert.ok(read('engine/large')?.equals(large));
    assert.equal(read('engine/none'), undefined);
    assert.equal(read('engine/small')?.toString(), 'small');
    assert.equal(reader.answer('engine/small', 0), undefined);
    reader.close();
    await store.close();
  });

  it('logs in first, and renews what has less than half of its time left', async () => {
    const { port, asked } = await serve('+OK\r\n+OK\r\n$9\r\nVERSION.x\r\n:1295999999\r\n');
    const reader = readerOf(`redis://user:word@127.0.0.1:${port}/2`);
    reader.ask('a');
    assert.equal(Buffer.from((await answerOf(reader)).bytes ?? []).toString(), 'x');
    const login = command('AUTH', 'user', 'word') + command('SELECT', '2');
    const renewal = command('EXPIRE', 'wasm-module-cache:a', '2592000');
    while (asked().length < (login + READING + renewal).length) {
      reader.answer('a', 0); // The time may have come with the next bytes.
      await setTimeout(1);
    }
    assert.equal(asked(), login + READING + renewal);
  });

  for (const left of [1_296_000_000, -1, -2]) {
    it(`renews nothing when the time left is ${left}`, async () => {
      const { port, asked } = await serve(`$9\r\nVERSION.x\r\n:${left}\r\n`);
      const reader = readerOf(`redis://127.0.0.1:${port}`);
      reader.ask('a');
      await answerOf(reader);
      await setTimeout(20);
      assert.equal(asked(), READING);
    });
  }

  for (const [what, answer, message] of [
    ['an error', '-ERR no\r\n', /: ERR no$/],
    ['a log-in that is wanted', '-NOAUTH Authentication required.\r\n', /: NOAUTH Authentication required\.$/],
    ['another kind of answer', ':3\r\n', /: a number as the answer, not a value$/],
    ['a value that no store put there', '$3\r\nabc\r\n', /: 3 bytes as a, which no such store put there$/],
    ['garbage', 'HTTP/1.1 400\r\n', /not understood/],
    ['more answers than questions', '$-1\r\n:-2\r\n+OK\r\n', /: an answer that nobody asked for$/],
  ] as const) {
    it(`fails for ${what}`, async () => {
      const { port } = await serve(answer);
      const reader = readerOf(`redis://127.0.0.1:${port}`);
      reader.ask('a');
      await assert.rejects(answerOf(reader), (error: Error) => {
        assert.match(error.message, message);
        return error.message.startsWith(`redis://127.0.0.1:${port}/0: `);
      });
      assert.throws(() => reader.answer('a', 0), message, 'again');
    });
  }

  it('shows no error that repeats the password', async () => {
    const { port } = await serve(`-ERR unknown command AUTH ${SECRET}\r\n`);
    const reader = readerOf(`redis://:${encodeURIComponent(SECRET)}@127.0.0.1:${port}`);
    reader.ask('a');
    await assert.rejects(answerOf(reader), (error: Error) => {
      assertNoSecret(error);
      return /because the password is part of it$/.test(error.message);
    });
  });
});
