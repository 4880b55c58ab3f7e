import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeLines, encodeLine, type ModuleCounts } from '../../dist/statistics/lines.js';

const COUNTS: ModuleCounts = {
  ...{ key: '0123456789abcdef', name: '@swc/wasm', wireLength: 14_000_000, nativeLength: 5_500_000 },
  ...{ restored: 2, alive: 1, misses: 3, hitTime: 12.345, missTime: 1.5, compileTime: 100 },
};
const LINE = '1 0123456789abcdef 14000000 5500000 2 1 3 12345 1500 100000 @swc/wasm\n';

describe('a line of statistics', () => {
  it('is numbers and a name', () => {
    assert.equal(encodeLine(COUNTS), LINE);
    assert.deepEqual(decodeLines(LINE), [COUNTS]);
  });

  it('may lack key and name', () => {
    const unknown = { ...COUNTS, key: '', name: '' };
    assert.equal(encodeLine(unknown), '1 - 14000000 5500000 2 1 3 12345 1500 100000 -\n');
    assert.deepEqual(decodeLines(encodeLine(unknown)), [unknown]);
  });

  for (const [what, line] of Object.entries({
    'of another version': LINE.replace('1 ', '2 '),
    'that was cut off': `${LINE.slice(0, 40)}\n`,
    'with a number too many': LINE.replace(' 2 ', ' 2 2 '),
    'with a negative number': LINE.replace(' 2 ', ' -2 '),
    'with a number that is too large': LINE.replace(' 2 ', ` ${'9'.repeat(16)} `),
    'with a key that is none': LINE.replace('0123456789abcdef', '0123456789ABCDEF'),
    'with markup for a name': LINE.replace('@swc/wasm', '<script>'),
    'with a name that is too long': LINE.replace('@swc/wasm', 'x'.repeat(65)),
    'that ends as on Windows': LINE.replace('\n', '\r\n'),
    empty: '\n',
  })) {
    it(`is skipped if it is one ${what}, and the others are read`, () => {
      assert.deepEqual(decodeLines(LINE + line + LINE), [COUNTS, COUNTS]);
    });
  }
});
