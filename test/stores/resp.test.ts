import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Answer, AnswerParser, ErrorAnswer, encodeCommand, MAX_VALUE } from '../../dist/stores/resp.js';

/** What is found in the bytes when they come in pieces of this size. */
function parse(text: string | Buffer, pieceSize = Infinity): Answer[] {
  const answers: Answer[] = [];
  const parser = new AnswerParser((answer) => answers.push(answer));
  const bytes = Buffer.from(text as string);
  for (let at = 0; at < bytes.length; at += pieceSize) parser.push(bytes.subarray(at, at + pieceSize));
  return answers;
}

describe('encodeCommand', () => {
  it('counts bytes, not characters', () => {
    assert.equal(encodeCommand(['GET', 'ä/€', '']), '*3\r\n$3\r\nGET\r\n$6\r\nä/€\r\n$0\r\n\r\n');
  });
});

describe('AnswerParser', () => {
  it('finds every kind of answer, however they are cut', () => {
    const value = Buffer.from(Array.from({ length: 300 }, (_, index) => index));
    const tricky = Buffer.from('\r\n$-1\r\n+OK\r\n');
    const parts = [
      ...['+OK\r\n', '-ERR no\r\n', ':-2\r\n', ':0\r\n', '$-1\r\n', '$0\r\n\r\n', '$300\r\n'],
      ...[value, '\r\n', `$${tricky.length}\r\n`, tricky, '\r\n', ':9223372036854775807\r\n', '+\r\n'],
    ];
    const all = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
    const expected = ['OK', new ErrorAnswer('ERR no'), -2, 0, null, Buffer.alloc(0), value, tricky, 2 ** 63, ''];
    for (let size = 1; size <= all.length; size++) assert.deepEqual(parse(all, size), expected, `pieces of ${size}`);
  });

  it('gives each value memory of its own, and no more', () => {
    for (const answer of parse('$3\r\nabc\r\n$2\r\nde\r\n')) {
      assert.ok(Buffer.isBuffer(answer));
      assert.equal(answer.buffer.byteLength, answer.length);
    }
  });

  it('copies a large value once, in small pieces, too', () => {
    const length = 20_000_000;
    const answers: Answer[] = [];
    const parser = new AnswerParser((answer) => answers.push(answer));
    parser.push(Buffer.from(`$${length}\r\n`));
    const piece = Buffer.alloc(1000, 7);
    const start = performance.now();
    for (let sent = 0; sent < length; sent += piece.length) parser.push(piece);
    parser.push(Buffer.from('\r\n'));
    assert.ok(performance.now() - start < 5000);
    assert.ok(Buffer.alloc(length, 7).equals(answers[0] as Buffer));
  });

  for (const [what, text, message] of [
    ['an answer of HTTP', 'HTTP/1.1 400 Bad Request', /begins with byte 72/],
    ['a list', '*1\r\n:1\r\n', /begins with byte 42/],
    ['what RESP 3 adds', '_\r\n', /begins with byte 95/],
    ['a line without an end', `+${'x'.repeat(5000)}`, /over 4096 bytes/],
    ['a line that ends otherwise', ':1\n', /does not end as lines do/],
    ['a number that is none', ':1e3\r\n', /should be a number/],
    ['a number that is empty', ':\r\n', /should be a number/],
    ['a number of too many digits', `:${'1'.repeat(20)}\r\n`, /should be a number/],
    ['a length that is none', '$a\r\n', /should be a number/],
    ['a length below -1', '$-2\r\n', /a value of -2 bytes/],
    ['a length over the limit', `$${MAX_VALUE + 1}\r\n`, /a value of \d+ bytes, not of up to \d+/],
    ['a value that is longer than its length', '$3\r\nabcd\r\n', /other than the 3 bytes/],
    ['a value that is shorter than its length', '$3\r\na\r\n:1\r\n', /other than the 3 bytes/],
  ] as const) {
    it(`refuses ${what}`, () => {
      for (const size of [1, 2, Infinity]) assert.throws(() => parse(text, size), message);
    });
  }

  it('takes no memory for a length that is not true', () => {
    const before = process.memoryUsage.rss();
    for (let count = 0; count < 8; count++) assert.deepEqual(parse(`$${MAX_VALUE}\r\nabc`), []);
    assert.ok(process.memoryUsage.rss() - before < 100_000_000);
  });
});
