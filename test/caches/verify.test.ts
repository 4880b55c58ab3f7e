import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { hostTag } from '../../dist/files/write.js';
import { FileSystemCache, ModuleHash, type VerifiedFile, verifyCache } from '../../dist/index.js';
import { assertSameModule, ofKind } from '../../dist/testing/assertions.js';
import { sample } from '../../dist/testing/sample.js';
import { snapshot } from '../support/learning.js';
import { filesIn, temporaryDirectory } from '../support/processes.js';

const onPosix = { skip: process.geteuid ? false : 'no file modes here' };
const secret = 'a-secret-of-many-letters';
const dead = spawnSync(process.execPath, ['-e', '0']).pid;

/** A folder with one valid artifact. */
function setUp({ signed = false } = {}) {
  const directory = temporaryDirectory();
  const example = sample();
  const cache = new FileSystemCache(directory, signed ? { secret } : {});
  cache.saveSync(example.key, example.engine, example.module);
  const [file = ''] = filesIn(directory);
  return { ...example, directory, cache, file };
}

interface Case {
  what: string;
  outcome: VerifiedFile['outcome'];
  reason: RegExp | undefined;
  options?: object;
  /** Changes the folder, and returns the path of the file to look for. */
  prepare(setup: ReturnType<typeof setUp>): string;
  /** The state after a repair. */
  after(file: string, setup: ReturnType<typeof setUp>): void;
}

const isUntouched = (file: string) => assert.ok(existsSync(file));
const isGone = (file: string) => assert.equal(existsSync(file), false);

const cases: Case[] = [
  { what: 'a valid artifact', outcome: 'kept', reason: undefined, prepare: ({ file }) => file, after: isUntouched },
  {
    what: 'a damaged artifact',
    outcome: 'removed',
    reason: /at byte \d+: .*checksum/,
    prepare({ file }) {
      const bytes = readFileSync(file);
      bytes[400] = (bytes[400] as number) ^ 1;
      writeFileSync(file, bytes);
      return file;
    },
    after: isGone,
  },
  {
    what: 'a truncated artifact',
    outcome: 'removed',
    reason: /where the header announces/,
    prepare({ file }) {
      truncateSync(file, 320);
      return file;
    },
    after: isGone,
  },
  {
    what: 'an artifact under the name of another module',
    outcome: 'repaired',
    reason: /belongs at .*artifact/,
    prepare({ file }) {
      const wrong = path.join(path.dirname(file), `${ModuleHash.random()}.artifact`);
      renameSync(file, wrong);
      return wrong;
    },
    after(wrong, { file, cache, key, engine, module }) {
      isGone(wrong);
      isUntouched(file);
      assertSameModule(cache.loadSync(key, engine), module);
    },
  },
  {
    what: 'an artifact in the folder of another engine',
    outcome: 'repaired',
    reason: /belongs at/,
    prepare({ file, directory }) {
      const wrong = path.join(directory, 'another-engine', path.basename(file));
      mkdirSync(path.dirname(wrong));
      renameSync(file, wrong);
      return wrong;
    },
    after: (_wrong, { file }) => isUntouched(file),
  },
  {
    what: 'a copy of an artifact in the wrong place',
    outcome: 'removed',
    reason: /stored twice/,
    prepare({ file }) {
      const copy = path.join(path.dirname(file), `${ModuleHash.random()}.artifact`);
      writeFileSync(copy, readFileSync(file));
      return copy;
    },
    after: isGone,
  },
  {
    what: 'an artifact that others may read',
    outcome: 'repaired',
    reason: /had the mode 644/,
    options: onPosix,
    prepare({ file }) {
      chmodSync(file, 0o644);
      return file;
    },
    after: (file) => assert.equal(statSync(file).mode & 0o777, 0o600),
  },
  {
    what: 'a temporary file of a dead writer',
    outcome: 'removed',
    reason: /left behind/,
    prepare({ file }) {
      const temporary = `${file}.${hostTag()}-${dead}-0-abc.tmp`;
      writeFileSync(temporary, 'half');
      return temporary;
    },
    after: isGone,
  },
  {
    what: 'a file that a writer is writing',
    outcome: 'kept',
    reason: /at work/,
    prepare({ file }) {
      const temporary = `${file}.${hostTag()}-${process.pid}-0-abc.tmp`;
      writeFileSync(temporary, 'half');
      return temporary;
    },
    after: isUntouched,
  },
  {
    what: "a day's statistics",
    outcome: 'kept',
    reason: /what became of modules/,
    prepare({ directory }) {
      const day = path.join(directory, 'statistics', '20783');
      mkdirSync(path.dirname(day), { mode: 0o700 });
      writeFileSync(day, '');
      return day;
    },
    after: isUntouched,
  },
  {
    what: 'a file that is not of this package',
    outcome: 'unknown',
    reason: /not of this package/,
    prepare({ file }) {
      const unknown = path.join(path.dirname(file), 'notes.txt');
      writeFileSync(unknown, 'text');
      return unknown;
    },
    after: isUntouched,
  },
];

describe('verifyCache', () => {
  for (const { what, outcome, reason, options = {}, prepare, after } of cases) {
    it(`${what} is ${outcome}`, options, async () => {
      const setup = setUp();
      const file = prepare(setup);
      const before = snapshot(setup.directory);
      const planned = await verifyCache(setup.directory, { dryRun: true });
      assert.deepEqual(snapshot(setup.directory), before, 'a dry run changes nothing');
      const report = await verifyCache(setup.directory);
      const found = report.files.find((each) => each.file === file);
      assert.equal(found?.outcome, outcome);
      if (reason) assert.match(String(found?.reason), reason);
      else assert.equal(found?.reason, undefined);
      assert.deepEqual(
        planned.files.map((each) => each.outcome),
        report.files.map((each) => each.outcome),
      );
      after(file, setup);
      assert.equal(report.totals[outcome].files >= 1, true);
      const again = await verifyCache(setup.directory);
      assert.deepEqual([again.totals.repaired.files, again.totals.removed.files], [0, 0], 'everything is in order now');
    });
  }

  it('describes each artifact: its kind, its age, and whether its engine is dead', async () => {
    const { directory, file, key, engine } = setUp();
    const longAgo = Date.now() / 1000 - 15 * 86_400;
    utimesSync(file, longAgo, longAgo);
    const { files, totals, steps } = await verifyCache(directory);
    const [found] = files;
    assert.deepEqual([found?.size, found?.isOfDeadEngine], [statSync(file).size, true]);
    assert.ok((found?.age ?? 0) > 14 * 86_400_000);
    assert.equal(String(found?.header?.key), String(key));
    assert.equal(found?.header?.engineId, engine.deterministicId);
    assert.deepEqual(totals.kept, { files: 1, size: statSync(file).size });
    assert.deepEqual(
      steps.map(({ name }) => name),
      ['list', 'check', 'repair'],
    );
    assert.ok(steps.every(({ duration }) => duration >= 0));
  });

  it('reports and keeps artifacts that are not signed with the secret', async () => {
    for (const signed of [true, false]) {
      const { directory, file } = setUp({ signed });
      const { totals } = await verifyCache(directory, { secret });
      assert.deepEqual([totals.kept.files, totals.untrusted.files], signed ? [1, 0] : [0, 1]);
      isUntouched(file);
    }
  });

  it('refuses a folder that others may write to, unless there is a secret', onPosix, async () => {
    const { directory } = setUp({ signed: true });
    chmodSync(directory, 0o777);
    await assert.rejects(verifyCache(directory), ofKind('Untrusted'));
    assert.equal((await verifyCache(directory, { secret })).totals.kept.files, 1);
  });

  it('refuses an invalid path or option, saying which', async () => {
    for (const wrong of ['', 5, null, undefined, Symbol('cache')]) {
      await assert.rejects(verifyCache(wrong as string), {
        name: 'TypeError',
        message: /cache directory must be a path/,
      });
    }
    const { directory } = setUp();
    for (const dryRun of ['yes', 1, null]) {
      const attempt = verifyCache(directory, { dryRun } as never);
      await assert.rejects(attempt, { name: 'TypeError', message: /option dryRun must be true or false/ });
    }
  });

  it('finds nothing in a missing folder, and creates none', async () => {
    const directory = path.join(temporaryDirectory(), 'nowhere');
    assert.deepEqual((await verifyCache(directory)).files, []);
    assert.equal(existsSync(directory), false);
  });
});
