import assert from 'node:assert/strict';
import { it } from 'node:test';
import { CODE_MAGIC, decodeCode, encodeCode } from '../../dist/artifact/hook-code.js';

const code = Uint8Array.from({ length: 1000 }, (_, index) => index % 251);

for (const isOfHit of [false, true]) {
  it(`gives back what was encoded, ${isOfHit ? 'of a hit' : 'of a miss'}`, () => {
    const bytes = Buffer.concat(encodeCode({ code, isOfHit }));
    assert.ok(bytes.toString('latin1').startsWith(CODE_MAGIC));
    assert.deepEqual(
      { ...decodeCode(bytes), code: [...(decodeCode(bytes)?.code ?? [])] },
      { code: [...code], isOfHit },
    );
  });
}

it('refuses every cut and every changed bit', () => {
  const bytes = Buffer.concat(encodeCode({ code: code.subarray(0, 20), isOfHit: true }));
  for (let length = 0; length < bytes.length; length++) assert.equal(decodeCode(bytes.subarray(0, length)), undefined);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    assert.equal(decodeCode(changed), undefined, `bit ${bit}`);
  }
});
