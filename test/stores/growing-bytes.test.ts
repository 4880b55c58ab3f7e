import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GrowingBytes } from '../../dist/stores/growing-bytes.js';

describe('GrowingBytes', () => {
  it('keeps what was added, in memory of its own', () => {
    const bytes = new GrowingBytes(3_000_000);
    const chunk = Buffer.alloc(700_000, 'x');
    for (let i = 0; i < 4; i++) assert.ok(bytes.add(chunk));
    const copy = bytes.copy();
    assert.equal(copy.buffer.byteLength, 2_800_000);
    bytes.free();
    assert.deepEqual(copy, new Uint8Array(Buffer.alloc(2_800_000, 'x')));
  });

  it('takes exactly its limit, and no byte more', () => {
    const bytes = new GrowingBytes(10);
    assert.ok(bytes.add(Buffer.alloc(10)));
    assert.ok(!bytes.add(Buffer.alloc(1)));
    assert.equal(bytes.length, 10);
  });

  it('shows the beginning', () => {
    const bytes = new GrowingBytes(10);
    bytes.add(Buffer.from('abcdef'));
    assert.equal(Buffer.from(bytes.beginning(3)).toString(), 'abc');
  });

  it('gives its memory back at once, and takes nothing any more', () => {
    const bytes = new GrowingBytes(2 ** 28);
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 100; i++) bytes.add(Buffer.alloc(2 ** 20, 1));
    bytes.free();
    assert.ok(process.memoryUsage().rss - before < 60e6);
    assert.ok(!bytes.add(Buffer.alloc(1)));
  });
});
