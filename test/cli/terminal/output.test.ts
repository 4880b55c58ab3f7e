import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { colorsFor, formatAge, formatDuration, formatSize, list, table } from '../../../dist/cli/terminal/output.js';

const plain = colorsFor({ isTTY: false });
const coloured = colorsFor({ isTTY: true, hasColors: () => true });

describe('sizes and times for people', () => {
  for (const [bytes, text] of [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [10_240, '10 KiB'],
    [1_048_575, '1.0 MiB'],
    [2 ** 30, '1.0 GiB'],
    [5 * 2 ** 50, '5120 TiB'],
  ] as const) {
    it(`${bytes} bytes: ${text}`, () => assert.equal(formatSize(bytes), text));
  }

  for (const [milliseconds, text] of [
    [0.04, '0 ms'],
    [1.25, '1.3 ms'],
    [999.6, '1 s'],
    [90_000, '1.5 min'],
    [59_700, '1 min'],
    [36 * 3_600_000, '1.5 d'],
    [400 * 86_400_000, '400 d'],
  ] as const) {
    it(`${milliseconds} ms: ${text}`, () => assert.equal(formatDuration(milliseconds), text));
  }

  it('tells how long ago something was', () => {
    const now = Date.parse('2026-01-02T00:00:00Z');
    assert.equal(formatAge('2026-01-01T21:00:00Z', now), '3 h ago');
    assert.equal(formatAge('2026-01-01T23:59:30Z', now), 'just now');
    assert.equal(formatAge('2026-01-02T00:00:30Z', now), 'just now');
    assert.equal(formatAge('2026-01-03T00:00:00Z', now), 'in the future');
  });
});

describe('tables and lists', () => {
  const columns = [
    { title: 'NAME', value: (row: number) => 'x'.repeat(1 + (row % 12)) },
    { title: 'NUMBER', align: 'right' as const, value: (row: number) => String(row) },
  ];

  it('are aligned from the first row to the last, however many there are', () => {
    const lines = table(columns, [...Array(250).keys()], plain).split('\n');
    assert.equal(lines.length, 251);
    assert.equal(lines[0], 'NAME          NUMBER');
    assert.equal(lines[1], 'x                  0');
    assert.equal(lines[250], 'xxxxxxxxxx       249');
  });

  it('are as wide as their characters on the terminal, and not cut', () => {
    const wide = [
      { title: 'A', value: (row: string) => row },
      { title: 'B', value: () => '.' },
    ];
    assert.equal(table(wide, ['模块', 'ab'], plain), 'A     B\n模块  .\nab    .');
  });

  it('have colours only on a terminal', () => {
    assert.ok(!table(columns, [1], plain).includes('\x1b'));
    assert.ok(table(columns, [1], coloured).startsWith('\x1b['));
    assert.ok(!list([['a', 'b']], plain).includes('\x1b'));
    assert.equal(colorsFor({ isTTY: true, hasColors: () => false }).isColorSupported, false);
  });

  it('leave out unknown values', () => {
    assert.equal(
      list(
        [
          ['name', 'value'],
          ['none', undefined],
          ['longer', '2'],
        ],
        plain,
      ),
      'name    value\nlonger  2',
    );
  });
});
