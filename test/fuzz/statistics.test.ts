import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe } from 'node:test';
import fc from 'fast-check';
import { nameOf } from '../../dist/statistics/caller.js';
import { decodeLines, encodeLine } from '../../dist/statistics/lines.js';
import { readStatistics } from '../../dist/statistics/read.js';
import { arbitraryBytes, arbitraryMutations, arbitraryText, holds, mutate } from '../support/fuzz.js';
import { temporaryDirectory } from '../support/processes.js';

const directory = temporaryDirectory();
const file = path.join(directory, 'statistics', '20000');
mkdirSync(path.dirname(file));

const NAME = /^[\w.@/+-]{0,64}$/;
const counts = fc.nat(999_999);
const times = counts.map((microseconds) => microseconds / 1000);
const modules = fc.record({
  key: fc.constantFrom('', '0123456789abcdef', 'fedcba9876543210'),
  name: arbitraryText.map(nameOf),
  ...{ wireLength: counts, nativeLength: counts, restored: counts, alive: counts, misses: counts },
  ...{ hitTime: times, missTime: times, compileTime: times },
});
const texts = fc.array(modules, { maxLength: 20 }).map((all) => all.map(encodeLine).join(''));

async function assertTotal(bytes: Uint8Array): Promise<void> {
  writeFileSync(file, bytes);
  for (const { modules } of await readStatistics(directory)) {
    for (const { key, name, ...numbers } of modules) {
      assert.match(key, /^([0-9a-f]{16})?$/);
      assert.match(name, NAME);
      for (const number of Object.values(numbers)) assert.ok(number >= 0 && Number.isFinite(number));
    }
  }
}

describe('statistics', () => {
  holds('are read as they were written', [modules], (each) => {
    const { name } = each;
    assert.deepEqual(decodeLines(encodeLine(each)), [{ ...each, name }]);
  });

  holds('may be any bytes', [arbitraryBytes(2000)], assertTotal, { cost: 2 });

  holds(
    'may be damaged in any way',
    [texts, arbitraryMutations],
    (text, mutations) => assertTotal(mutate(Buffer.from(text), mutations)),
    { cost: 2 },
  );

  holds('name callers by what can be in a line, whatever their path is', [arbitraryText], (text) => {
    for (const each of [text, `/${text}`, `file:///${text}`, `C:\\${text}`, `/a/node_modules/${text}`]) {
      assert.match(nameOf(each), NAME);
    }
  });
});
