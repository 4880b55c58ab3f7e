import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { it } from 'node:test';
import zlib from 'node:zlib';
import { crc32, hmacSha256, sha256 } from '../../dist/native/digest.js';

// The addon calls functions inside Node's binary; they must agree with Node's own modules.
const sizes = [0, 1, 63, 64, 65, 1000, 600_000, 3_000_000];

for (const size of sizes) {
  it(`sha256 and hmacSha256 of ${size} bytes are those of node:crypto`, () => {
    const bytes = randomBytes(size);
    assert.equal(String(sha256(bytes)), createHash('sha256').update(bytes).digest('hex'));
    for (const secret of ['a-secret-of-16-by', 's'.repeat(200), 'Geheimnis mit Ümlauten']) {
      const parts = [Buffer.from('kind'), bytes, new Uint8Array(0), bytes.subarray(size >> 1)];
      const expected = parts.reduce((hmac, part) => hmac.update(part), createHmac('sha256', secret)).digest();
      assert.deepEqual(Buffer.from(hmacSha256(secret, parts)), expected);
    }
  });
}

it('crc32 is that of node:zlib', { skip: 'crc32' in zlib ? false : 'not in this Node' }, () => {
  for (const size of sizes) {
    const bytes = randomBytes(size);
    assert.equal(crc32(bytes), zlib.crc32(bytes));
  }
});
