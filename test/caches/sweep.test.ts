import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { FoundFile } from '../../dist/caches/inventory.js';
import { sweep } from '../../dist/caches/sweep.js';
import { isSweepDue } from '../../dist/caches/sweep-due.js';
import { hostTag } from '../../dist/files/write.js';
import { FileSystemCache, ModuleHash } from '../../dist/index.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { sample } from '../../dist/testing/sample.js';
import { until } from '../support/learning.js';
import { filesIn, root, runProgram, temporaryDirectory } from '../support/processes.js';

const preloaded = (name: string) => path.join(root, 'test', 'programs', name);

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NO_LIMITS = { maxSize: Infinity, maxFiles: Infinity };
/** The number of a process that has ended. */
const dead = spawnSync(process.execPath, ['-e', '0']).pid;

/** Creates a file of so many bytes that was last used so long ago. */
function put(directory: string, name: string, { size = 100, age = 0 } = {}): string {
  const file = path.join(directory, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, Buffer.alloc(size));
  const seconds = (Date.now() - age) / 1000;
  utimesSync(file, seconds, seconds);
  return file;
}

const artifact = (engine: string) => `${engine}/${ModuleHash.random()}.artifact`;
const mark = (directory: string) => path.join(directory, 'swept');
const names = (files: string[]) => files.map((file) => path.basename(file)).sort();

describe('a sweep', () => {
  it('removes nothing from a folder within its limits, and reports the contents', async () => {
    const directory = temporaryDirectory();
    for (const age of [0, 30 * DAY, -30 * DAY]) put(directory, artifact('engine'), { age });
    const before = { files: 3, size: 300 };
    assert.deepEqual(await sweep(directory, NO_LIMITS), { before, after: before, removed: [] });
  });

  it('cuts a folder that is too large to 70 % of its limit, the least recently used artifacts first', async () => {
    const directory = temporaryDirectory();
    const files = [5, 1, 4, 2, 3].map((age) => ({
      age,
      file: put(directory, artifact('engine'), { age: age * HOUR }),
    }));
    const report = await sweep(directory, { maxSize: 450, maxFiles: Infinity });
    const oldest = files.filter(({ age }) => age >= 4).map(({ file }) => file);
    assert.deepEqual(names(report?.removed ?? []), names(oldest));
    assert.deepEqual(report?.after, { files: 3, size: 300 });
    assert.equal(filesIn(directory).filter((file) => file.endsWith('.artifact')).length, 3);
  });

  it('with dryRun changes nothing, and reports what it would remove', async () => {
    const directory = temporaryDirectory();
    const files = [1, 2, 3].map((age) => put(directory, artifact('engine'), { age: age * HOUR }));
    const report = await sweep(directory, { maxSize: 250, maxFiles: Infinity }, { dryRun: true });
    assert.deepEqual(names(report?.removed ?? []), names(files.slice(1)));
    assert.deepEqual(report?.after, { files: 1, size: 100 });
    assert.deepEqual(filesIn(directory), files.toSorted());
  });

  it('removes unwanted artifacts first, and then cuts to another part of the limit', async () => {
    const directory = temporaryDirectory();
    const files = [1, 2, 3, 4].map((age) => put(directory, artifact('engine'), { age: age * HOUR }));
    const limits = { maxSize: 250, maxFiles: Infinity };
    const unwanted = (found: readonly { file: string }[]) => found.filter(({ file }) => file === files[0]) as never;
    const report = await sweep(directory, limits, { cutTo: 1, unwanted });
    assert.deepEqual(report?.removed, [files[0], files[3]]);
    assert.deepEqual(report?.after, { files: 2, size: 200 });
  });

  it('reports files that it could not remove', async () => {
    const directory = temporaryDirectory();
    const file = put(directory, artifact('engine'));
    const failed: string[] = [];
    const unwanted = (found: readonly { file: string }[]) => {
      // A folder cannot be unlinked.
      unlinkSync(file);
      mkdirSync(file);
      return [...found] as never;
    };
    const report = await sweep(directory, NO_LIMITS, { unwanted, onFailure: (each) => failed.push(each) });
    assert.deepEqual([report?.removed, failed, report?.after.files], [[], [file], 1]);
  });

  it('does the same with the number of files', async () => {
    const directory = temporaryDirectory();
    for (let age = 0; age < 20; age++) put(directory, artifact('engine'), { age: age * HOUR });
    const report = await sweep(directory, { maxSize: Infinity, maxFiles: 10 });
    assert.deepEqual(report?.after.files, 7);
  });

  it('takes artifacts of dead engines first, however recently they were used', async () => {
    const directory = temporaryDirectory();
    const living = [put(directory, artifact('living'), { age: 20 * DAY }), put(directory, artifact('living'))];
    const gone = [15, 16].map((days) => put(directory, artifact('dead'), { age: days * DAY }));
    const report = await sweep(directory, { maxSize: 399, maxFiles: Infinity });
    assert.deepEqual(names(report?.removed ?? []), names(gone));
    assert.ok(living.every((file) => existsSync(file)));
    assert.deepEqual(readdirSync(directory).sort(), ['living', 'swept'], 'the empty folder is gone');
  });

  it('leaves statistics 2 % of a folder, and takes the oldest days', async () => {
    const directory = temporaryDirectory();
    const days = [3, 1, 2].map((day) => put(directory, `statistics/2078${day}`, { size: 100 }));
    const kept = put(directory, artifact('engine'), { size: 9_000 });
    const report = await sweep(directory, { maxSize: 10_000, maxFiles: Infinity });
    assert.deepEqual(report?.removed, [days[1]]);
    assert.deepEqual(report?.after, { files: 3, size: 9_200 });
    assert.ok(existsSync(kept));
  });

  it('treats a time in the future as just used', async () => {
    const directory = temporaryDirectory();
    const future = put(directory, artifact('engine'), { age: -300 * DAY });
    const old = put(directory, artifact('engine'), { age: 2 * DAY });
    const report = await sweep(directory, { maxSize: 199, maxFiles: Infinity });
    assert.deepEqual(report?.removed, [old]);
    assert.ok(existsSync(future));
  });

  const leftBehind: [what: string, name: string, age: number, isRemoved: boolean][] = [
    ['a temporary file of a writer that is gone', `${artifact('e')}.${hostTag()}-${dead}-0-abc.tmp`, 0, true],
    ['one of a writer that lives', `${artifact('e')}.${hostTag()}-${process.pid}-0-abc.tmp`, 0, false],
    [
      'an old one of a process of the same number',
      `${artifact('e')}.${hostTag()}-${process.pid}-0-abc.tmp`,
      2 * DAY,
      true,
    ],
    ['one of another machine', `${artifact('e')}.other-${dead}-0-abc.tmp`, 0, false],
    ['an old one of another machine', `${artifact('e')}.other-${dead}-0-abc.tmp`, 2 * DAY, true],
    ['one of the future', `${artifact('e')}.other-${dead}-0-abc.tmp`, -2 * DAY, true],
    [
      'a temporary file of a guard whose writer is dead',
      `engine/${ModuleHash.random()}.loading.${hostTag()}-${dead}`,
      0,
      true,
    ],
    ['a guard that is being written', `engine/${ModuleHash.random()}.loading.${hostTag()}-${process.pid}`, 0, false],
    ['a guard', `engine/${ModuleHash.random()}.loading`, 2 * DAY, false],
    ['a guard of last month', `engine/${ModuleHash.random()}.loading`, 31 * DAY, true],
    ['a job', `learning/${ModuleHash.random()}.wasm`, HOUR, false],
    ['an old job', `learning/${ModuleHash.random()}.wasm`, 2 * DAY, true],
    ["a program's list", 'programs/app_main.js.json', 2 * DAY, false],
    ["a program's list of last month", 'programs/app_main.js.json', 31 * DAY, true],
    [
      'a temporary file of a record whose writer is dead',
      `programs/app_main.js.json.${hostTag()}-${dead}-0-abc.tmp`,
      0,
      true,
    ],
    ['an unknown file beside the records', 'programs/notes.txt', 300 * DAY, false],
    ["a day's statistics", 'statistics/20783', 34 * DAY, false],
    ["an old day's statistics", 'statistics/20783', 36 * DAY, true],
    ['an unknown file beside the statistics', 'statistics/notes.txt', 300 * DAY, false],
    ['an unknown file', 'engine/notes.txt', 300 * DAY, false],
    ['an unknown file beside the engines', 'notes.txt', 300 * DAY, false],
    ['an unknown file that looks a little like ours', `engine/${'0'.repeat(32)}.artifact`, 300 * DAY, false],
    ['an unknown file deeper down', `engine/folder/${ModuleHash.random()}.artifact`, 300 * DAY, false],
    ['an unknown file beside the jobs', 'learning/notes.txt', 300 * DAY, false],
  ];
  for (const [what, name, age, isRemoved] of leftBehind) {
    it(`${isRemoved ? 'removes' : 'leaves'} ${what}`, async () => {
      const directory = temporaryDirectory();
      const file = put(directory, name, { age });
      // Over the limits, too, unknown files stay.
      await sweep(
        directory,
        name.includes('notes') || name.includes('folder') ? { maxSize: 1, maxFiles: 1 } : NO_LIMITS,
      );
      assert.equal(existsSync(file), !isRemoved);
    });
  }

  it("neither removes nor counts a user's own files, whatever their names are", async () => {
    const directory = temporaryDirectory();
    const names = [
      `engine/${ModuleHash.random()}.artifact`,
      `engine/${ModuleHash.random()}.loading`,
      'engine/video.mp4',
      'programs/mine.json',
      `verdicts/${ModuleHash.random()}.json`,
      `learning/${ModuleHash.random()}.wasm`,
      'statistics/10000',
      'notes/10000',
    ];
    const own = names.map((name) => {
      const file = put(directory, name);
      writeFileSync(file, '\0asm and some text of mine '.repeat(10_000));
      utimesSync(file, 1e9, 1e9);
      return file;
    });
    const ours = put(directory, artifact('engine'), { age: DAY });
    const unwanted = (found: readonly FoundFile[]) => [...found];
    assert.deepEqual((await sweep(directory, { maxSize: 1, maxFiles: 1 }, { unwanted }))?.removed, [ours]);
    assert.deepEqual(
      own.filter((file) => !existsSync(file)),
      [],
    );
  });

  it('evicts nothing for the sake of files of others', async () => {
    const directory = temporaryDirectory();
    const ours = put(directory, artifact('engine'), { age: DAY });
    for (const name of ['engine/video.mp4', 'folder/large', 'statistics/large']) {
      truncateSync(put(directory, name), 1e9);
    }
    const report = await sweep(directory, { maxSize: 1e6, maxFiles: 2 });
    assert.deepEqual(report?.removed, []);
    assert.equal(report?.before.files, 1);
    assert.ok(existsSync(ours));
  });

  it('writes through no link', { skip: process.platform === 'win32' }, async () => {
    const directory = temporaryDirectory();
    const victim = put(temporaryDirectory(), 'victim');
    writeFileSync(victim, 'precious');
    for (const name of ['swept', 'sweep.lock']) {
      symlinkSync(victim, path.join(directory, name));
      await sweep(directory, NO_LIMITS);
      assert.equal(readFileSync(victim, 'utf8'), 'precious');
    }
  });

  it('does not wait for a pipe', { skip: process.platform === 'win32' }, async () => {
    const directory = temporaryDirectory();
    const pipe = path.join(directory, artifact('engine'));
    mkdirSync(path.dirname(pipe));
    spawnSync('mkfifo', [pipe, path.join(directory, 'sweep.lock')]);
    await sweep(directory, { maxSize: 1, maxFiles: 1 });
    assert.ok(existsSync(pipe));
  });

  it('does not follow links out of the folder', { skip: process.platform === 'win32' }, async () => {
    const directory = temporaryDirectory();
    const elsewhere = put(temporaryDirectory(), artifact('engine'), { age: 300 * DAY });
    symlinkSync(path.dirname(elsewhere), path.join(directory, 'engine'));
    await sweep(directory, { maxSize: 1, maxFiles: 1 });
    assert.ok(existsSync(elsewhere));
  });

  it('takes few turns of the event loop, because a busy process has few', async () => {
    const directory = temporaryDirectory();
    for (let age = 0; age < 300; age++) put(directory, artifact('engine'), { age });
    let turns = 0;
    const busy = setInterval(() => {
      turns++;
      for (const start = performance.now(); performance.now() - start < 2; );
    }, 1);
    const report = await sweep(directory, { maxSize: Infinity, maxFiles: 200 });
    clearInterval(busy);
    assert.equal(report?.after.files, 140);
    assert.ok(turns < 100, `${turns} turns`);
  });

  it('of a missing folder is an error, and creates none', async () => {
    const directory = path.join(temporaryDirectory(), 'nowhere');
    assert.equal(await sweep(directory, NO_LIMITS), undefined);
    assert.equal(existsSync(directory), false);
  });
});

describe('one sweep at a time:', () => {
  const lock = (directory: string, content: string, age = 0) => {
    const file = put(directory, 'sweep.lock', { age });
    writeFileSync(file, content);
    const seconds = (Date.now() - age) / 1000;
    utimesSync(file, seconds, seconds);
  };
  const cases: [what: string, content: string, age: number, isHeld: boolean][] = [
    ['a lock of a process that lives', `${os.hostname()} ${process.pid}\n`, 0, true],
    ['a lock of a process that is gone', `${os.hostname()} ${dead}\n`, 0, false],
    ['a lock of another machine', `another-host ${dead}\n`, 0, true],
    ['an old lock', `another-host ${dead}\n`, 11 * 60_000, false],
    ['a lock of the near future', `another-host ${dead}\n`, -60_000, true],
    ['a lock of the far future', `another-host ${dead}\n`, -DAY, false],
    ['a lock that is just being written', '', 0, true],
    ['a lock whose owner was killed before it wrote to it', '', 6000, false],
    ['an old lock without an owner', '', DAY, false],
  ];
  for (const [what, content, age, isHeld] of cases) {
    it(`${what} is ${isHeld ? 'respected' : 'broken'}`, async () => {
      const directory = temporaryDirectory();
      lock(directory, content, age);
      assert.equal((await sweep(directory, NO_LIMITS)) === undefined, isHeld);
      assert.equal(existsSync(path.join(directory, 'sweep.lock')), isHeld);
    });
  }

  for (const code of ['ENOSPC', 'EDQUOT']) {
    it(`a disk without room for the lock (${code}) is swept all the same`, () => {
      const directory = temporaryDirectory();
      const old = put(directory, artifact('engine'), { age: DAY });
      const { stdout, stderr } = runProgram('sweep.mjs', {
        nodeOptions: ['--import', preloaded('inject-faults.mjs')],
        args: [directory, '1'],
        env: { WASM_CACHE_DIR: directory, FAULTS: JSON.stringify({ writeSync: code }) },
      });
      assert.equal(stderr, '');
      assert.deepEqual(JSON.parse(stdout), { swept: true, removed: [old] });
      assert.deepEqual(readdirSync(directory), ['swept']);
    });
  }

  it('one of two at once sweeps', async () => {
    const directory = temporaryDirectory();
    const reports = await Promise.all([sweep(directory, NO_LIMITS), sweep(directory, NO_LIMITS)]);
    assert.equal(reports.filter(Boolean).length, 1);
  });
});

describe('isSweepDue', () => {
  it('is false for a new folder, and right after a sweep', async () => {
    const directory = temporaryDirectory();
    assert.equal(isSweepDue(directory), false);
    await sweep(directory, NO_LIMITS);
    assert.equal(isSweepDue(directory), false);
  });

  for (const [age, due] of [
    [0.9 * HOUR, false],
    [1.1 * HOUR, true],
    [-0.9 * HOUR, false],
    [-1.1 * HOUR, true],
  ] as const) {
    it(`is ${due} when the last sweep was ${age / HOUR} hours ago`, () => {
      const directory = temporaryDirectory();
      put(directory, 'swept', { age });
      assert.equal(isSweepDue(directory), due);
    });
  }
});

describe('FileSystemCache', () => {
  it('stays below its limits while it is written to', async () => {
    const directory = temporaryDirectory();
    const engine = new FakeEngine();
    engine.nativeCode = Buffer.concat([engine.nativeCode as Uint8Array, Buffer.alloc(10_000)]);
    const cache = new FileSystemCache(directory, { maxSize: 200_000 });
    let largest = 0;
    for (let offset = 0; offset < 100; offset++) {
      const { key, module } = sample({ engine, offset });
      await cache.save(key, engine, module);
      largest = Math.max(
        largest,
        filesIn(directory).reduce((sum, file) => sum + statSync(file).size, 0),
      );
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.ok(largest < 300_000, `${largest} bytes`);
    await until('the sweep is over', () => !existsSync(path.join(directory, 'sweep.lock')));
  });

  it('is swept after an hour', async () => {
    const directory = temporaryDirectory();
    const { key, engine, module } = sample();
    const cache = new FileSystemCache(directory);
    await cache.save(key, engine, module);
    assert.equal(existsSync(mark(directory)), false);
    put(directory, 'swept', { age: 2 * HOUR });
    cache.saveSync(ModuleHash.random(), engine, module);
    await until('it is swept', () => statSync(mark(directory)).mtimeMs > Date.now() - HOUR);
  });

  it('notes that an artifact was used, at most every hour', async () => {
    const directory = temporaryDirectory();
    const { key, engine, module, wireBytes } = sample();
    const cache = new FileSystemCache(directory);
    cache.saveSync(key, engine, module);
    const [file = ''] = filesIn(directory);
    for (const load of [
      () => cache.load(key, engine),
      () => cache.load(key, engine, { wireBytes }),
      async () => cache.loadSync(key, engine),
    ]) {
      for (const [age, isNoted] of [
        [2 * HOUR, true],
        [HOUR / 2, false],
        [-2 * HOUR, true],
      ] as const) {
        const usedAt = (Date.now() - age) / 1000;
        utimesSync(file, usedAt, usedAt);
        await load();
        const isNow = Math.abs(statSync(file).mtimeMs - Date.now()) < 60_000;
        assert.equal(isNow, isNoted);
      }
    }
    const longAgo = (Date.now() - DAY) / 1000;
    utimesSync(file, longAgo, longAgo);
    await cache.contains(key, engine);
    assert.ok(statSync(file).mtimeMs < Date.now() - HOUR, 'a look is no use');
  });

  it('does not store an artifact that exceeds the limit', async () => {
    const directory = temporaryDirectory();
    const { key, engine, module } = sample();
    const cache = new FileSystemCache(directory, { maxArtifactSize: 400 });
    await assert.rejects(cache.save(key, engine, module), { kind: 'Serialize', message: /bytes, more than 400/ });
    assert.deepEqual(filesIn(directory), []);
  });

  for (const option of ['maxSize', 'maxFiles', 'maxArtifactSize']) {
    for (const value of [0, -1, NaN, '1GiB', null]) {
      it(`refuses ${option}: ${value}`, () => {
        assert.throws(() => new FileSystemCache('folder', { [option]: value }), {
          name: 'TypeError',
          message: new RegExp(option),
        });
      });
    }
  }
});
