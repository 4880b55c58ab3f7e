import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDuration, parseSize, parseToggle } from '../../dist/settings/kinds.js';

describe('parseDuration', () => {
  for (const [text, duration] of [
    ['250', 250],
    ['250ms', 250],
    [' 1.5 S ', 1500],
    ['30m', 1_800_000],
    ['2h', 7_200_000],
    ['', undefined],
    ['30d', 2_592_000_000],
    ['1w', undefined],
    ['-1s', undefined],
    ['1e3', undefined],
    ['constructor', undefined],
    ['9'.repeat(400), undefined],
  ] as const) {
    it(`reads ${JSON.stringify(text.slice(0, 20))} as ${duration}`, () => assert.equal(parseDuration(text), duration));
  }
});

describe('parseSize', () => {
  const sizes: Record<string, number> = {
    ...{ '0': 0, '100000': 100_000, '007': 7, '5B': 5, '5b': 5 },
    ...{ '1KiB': 1024, '64KiB': 65536, '512MiB': 536_870_912, '2GiB': 2_147_483_648 },
    ...{ '1kB': 1000, '1KB': 1000, '3MB': 3_000_000, '4GB': 4_000_000_000 },
    ...{ '1kib': 1024, '1KIB': 1024, '1mib': 1_048_576 },
    ...{ '1.5MiB': 1_572_864, '0.5KiB': 512, '1.0001KiB': 1024, '0.4': 0 },
    ...{ ' 64 KiB ': 65536, '64\tKiB\n': 65536 },
  };
  for (const [text, size] of Object.entries(sizes)) {
    it(`reads ${JSON.stringify(text)} as ${size}`, () => assert.equal(parseSize(text), size));
  }

  const wrong = [
    '',
    ' ',
    'KiB',
    'none',
    '-1',
    '+1',
    '1.',
    '.5',
    '1,5MiB',
    '1e3',
    '0x10',
    '1 2',
    '1K',
    '1TiB',
    '1 KiB B',
  ];
  for (const text of ['9'.repeat(400), `${'9'.repeat(400)}GiB`, '9007199254740992', '8388608GiB']) {
    it(`does not take ${text.slice(0, 20)}... for a size: numbers cannot count so many bytes`, () =>
      assert.equal(parseSize(text), undefined));
  }

  it('is fast for much white space', () => {
    const before = process.cpuUsage();
    assert.equal(parseSize(`1${' '.repeat(120_000)}!`), undefined); // took 15 s
    assert.ok(process.cpuUsage(before).user < 1_000_000, 'microseconds');
  });

  for (const text of [...wrong, '1constructor', '1toString', '1__proto__', '1none', 'NaN', 'Infinity', '٣']) {
    it(`does not take ${JSON.stringify(text)} for a size`, () => assert.equal(parseSize(text), undefined));
  }
});

describe('parseToggle', () => {
  for (const text of ['1', 'true', 'yes', 'on', 'ON', 'True', ' yes ']) {
    it(`reads ${JSON.stringify(text)} as true`, () => assert.equal(parseToggle(text), true));
  }
  for (const text of ['0', 'false', 'no', 'off', 'No', 'FALSE']) {
    it(`reads ${JSON.stringify(text)} as false`, () => assert.equal(parseToggle(text), false));
  }
  for (const text of ['', '2', 'y', 'enabled', 'constructor', '__proto__']) {
    it(`does not read ${JSON.stringify(text)}`, () => assert.equal(parseToggle(text), undefined));
  }
});
