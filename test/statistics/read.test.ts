import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { encodeLine, type ModuleCounts } from '../../dist/statistics/lines.js';
import { readStatistics, sumByModule } from '../../dist/statistics/read.js';
import { temporaryDirectory } from '../support/processes.js';

const NONE: ModuleCounts = {
  ...{ key: '0123456789abcdef', name: '', wireLength: 100, nativeLength: 0 },
  ...{ restored: 0, alive: 0, misses: 0, hitTime: 0, missTime: 0, compileTime: 0 },
};

function folderWith(days: Record<string, string>): string {
  const directory = temporaryDirectory();
  mkdirSync(path.join(directory, 'statistics'));
  for (const [day, text] of Object.entries(days)) writeFileSync(path.join(directory, 'statistics', day), text);
  return directory;
}

describe('readStatistics', () => {
  it('sums up each day, in order', async () => {
    const miss = encodeLine({ ...NONE, misses: 1, missTime: 2, compileTime: 30, name: 'old-name' });
    const hit = encodeLine({ ...NONE, restored: 1, hitTime: 5, nativeLength: 50, name: 'esbuild-wasm' });
    const directory = folderWith({ '20001': hit + hit, '20000': `${miss}garbage\n${hit}`, notes: hit, '99999': hit });
    const named = { ...NONE, name: 'esbuild-wasm', nativeLength: 50 };
    assert.deepEqual(await readStatistics(directory), [
      {
        day: '2024-10-04',
        modules: [{ ...named, misses: 1, missTime: 2, compileTime: 30, restored: 1, hitTime: 5 }],
        isFull: false,
      },
      { day: '2024-10-05', modules: [{ ...named, restored: 2, hitTime: 10 }], isFull: false },
    ]);
  });

  it('finds nothing where there is nothing', async () => {
    assert.deepEqual(await readStatistics(path.join(temporaryDirectory(), 'none')), []);
    assert.deepEqual(await readStatistics(folderWith({ '20001': 'no statistics' })), []);
  });

  it('reads no more of a file than writers may write, and says that it is full', async () => {
    const line = encodeLine({ ...NONE, misses: 1 });
    const [day] = await readStatistics(folderWith({ '20001': line.repeat(20_000) }));
    assert.equal(day?.isFull, true);
    const { misses = 0 } = day?.modules[0] ?? {};
    assert.ok(misses > 5000 && misses * line.length <= 512 * 1024, String(misses));
  });

  it('does not wait for a pipe in the folder', { skip: process.platform === 'win32' }, async () => {
    const directory = folderWith({});
    execFileSync('mkfifo', [path.join(directory, 'statistics', '20001')]);
    assert.deepEqual(await readStatistics(directory), []);
  });
});

describe('sumByModule', () => {
  it('distinguishes modules without a key by their size and name', () => {
    const all = [
      { ...NONE, key: '', name: 'a', misses: 1 },
      { ...NONE, key: '', name: 'b', misses: 1 },
      { ...NONE, key: '', name: 'a', misses: 1 },
      { ...NONE, key: '', name: 'a', wireLength: 5, misses: 1 },
    ];
    assert.deepEqual(
      sumByModule(all).map(({ misses }) => misses),
      [2, 1, 1],
    );
  });
});
