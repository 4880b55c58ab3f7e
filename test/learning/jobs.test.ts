import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { Signer } from '../../dist/artifact/signature.js';
import { LearningJobs } from '../../dist/learning/jobs.js';
import { ModuleHash } from '../../dist/module-hash.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { root, temporaryDirectory } from '../support/processes.js';

const MINUTE = 60_000;

/** A job for a module with as many wire bytes as the part. */
const jobWith = (part: string) => ({ wireLength: part.length, part: Buffer.from(part) });

function setUp() {
  const directory = path.join(temporaryDirectory(), 'cache');
  const jobs = new LearningJobs(directory);
  const key = ModuleHash.random();
  const create = (part = 'part') => jobs.create(key, jobWith(part));
  const content = () => Buffer.from(jobs.read(key).part).toString();
  /** Makes a job look so old. */
  const age = (milliseconds: number) => {
    const seconds = (Date.now() - milliseconds) / 1000;
    utimesSync(jobs.file(key), seconds, seconds);
  };
  return { directory, jobs, key, create, content, age };
}

test('a job is created with what is written to it, and only once', () => {
  const { create, content } = setUp();
  assert.equal(create('first'), true);
  assert.equal(create('second'), false);
  assert.equal(content(), 'first');
});

test('a job with more wire bytes than numbers can count is invalid', () => {
  const { jobs, key, create } = setUp();
  create();
  const file = readFileSync(jobs.file(key));
  const [header, part] = [file.subarray(0, 44), file.subarray(44)];
  header.writeBigUInt64LE(2n ** 53n, 4);
  header.writeUInt32LE((crc32(header.subarray(4)) ^ crc32(part)) >>> 0, 0);
  writeFileSync(jobs.file(key), file);
  assert.throws(() => jobs.read(key), ofKind('Other'));
});

test('a job is under way until it is done, given up or old', () => {
  const { jobs, key, create, age } = setUp();
  assert.equal(jobs.isUnderWay(key), false);
  create();
  assert.equal(jobs.isUnderWay(key), true);
  age(11 * MINUTE);
  assert.equal(jobs.isUnderWay(key), false);
  create();
  assert.equal(jobs.isUnderWay(key), true);
  jobs.giveUp(key);
  assert.equal(jobs.isUnderWay(key), false);
  jobs.remove(key);
  create();
  jobs.remove(key);
  assert.equal(jobs.isUnderWay(key), false);
});

test('others see a job at once, also in the same millisecond', () => {
  for (let round = 0; round < 100; round++) {
    const { create } = setUp();
    assert.deepEqual([create(), create()], [true, false]);
  }
});

test('jobs of several modules live side by side', () => {
  const { jobs } = setUp();
  for (const key of [ModuleHash.random(), ModuleHash.random()]) assert.equal(jobs.create(key, jobWith('part')), true);
});

test('files and folders are private', { skip: process.platform === 'win32' }, () => {
  const { directory, jobs, key, create } = setUp();
  create();
  assert.equal(statSync(jobs.file(key)).mode & 0o777, 0o600);
  for (const folder of [directory, path.dirname(jobs.file(key))]) assert.equal(statSync(folder).mode & 0o777, 0o700);
});

for (const [name, milliseconds, created] of [
  ['nine and a half minutes old', 9.5 * MINUTE, false],
  ['older than ten minutes', 10.1 * MINUTE, true],
  ['very old', 10_000 * MINUTE, true],
  ['from the near future', -1 * MINUTE, false],
  ['from the far future', -10_000 * MINUTE, true],
] as const) {
  test(`a job that is ${name} is ${created ? 'replaced' : 'left alone'}`, () => {
    const { create, content, age } = setUp();
    create('old');
    age(milliseconds);
    assert.equal(create('new'), created);
    assert.equal(content(), created ? 'new' : 'old');
    assert.equal(create('newer'), false);
  });
}

test('a job that was given up stays, without bytes, for as long as any other', () => {
  const { jobs, key, create, content, age } = setUp();
  create();
  jobs.giveUp(key);
  assert.equal(statSync(jobs.file(key)).size, 0);
  assert.equal(create(), false);
  age(11 * MINUTE);
  assert.equal(create('again'), true);
  assert.equal(content(), 'again');
});

test('giving up a missing job is no error, and creates nothing', () => {
  const { directory, jobs, key } = setUp();
  jobs.giveUp(key);
  assert.equal(existsSync(directory), false);
});

test('giving up restarts the time', () => {
  const { jobs, key, create, age } = setUp();
  create();
  age(9 * MINUTE);
  jobs.giveUp(key);
  assert.ok(Date.now() - statSync(jobs.file(key)).mtimeMs < MINUTE);
});

test('a job that was removed may be created again', () => {
  const { jobs, key, create } = setUp();
  create();
  jobs.remove(key);
  assert.equal(existsSync(jobs.file(key)), false);
  jobs.remove(key); // removing it again is no error
  assert.equal(create(), true);
});

test('a failed write throws its error and leaves nothing behind', () => {
  const { jobs, key, create } = setUp();
  const impossible = { wireLength: 1, part: 'not bytes' as never as Uint8Array };
  assert.throws(() => jobs.create(key, impossible));
  assert.equal(existsSync(jobs.file(key)), false);
  assert.equal(create(), true);
});

test('reading gives exactly what was written, or an error', () => {
  const { jobs, key } = setUp();
  const job = { wireLength: 2 ** 33 + 5, part: Buffer.from('the part') };
  jobs.create(key, job);
  assert.deepEqual({ ...jobs.read(key), part: Buffer.from(jobs.read(key).part) }, job);
  const file = readFileSync(jobs.file(key));
  for (let length = 0; length < file.length; length++) {
    writeFileSync(jobs.file(key), file.subarray(0, length));
    assert.throws(() => jobs.read(key), ofKind('Other'), `${length} bytes`);
  }
  for (let bit = 0; bit < file.length * 8; bit++) {
    const damaged = Buffer.from(file);
    damaged.writeUInt8(damaged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    writeFileSync(jobs.file(key), damaged);
    assert.throws(() => jobs.read(key), ofKind('Other'), `bit ${bit}`);
  }
});

test('a folder that cannot be written to is an error', () => {
  const { directory, jobs, key, create } = setUp();
  writeFileSync(directory, 'not a folder');
  assert.throws(() => create(), ofKind('FileWrite'));
  if (process.getuid?.() === 0) return; // root can write everywhere
  const other = new LearningJobs(temporaryDirectory());
  mkdirSync(path.dirname(other.file(key)), { mode: 0o500 });
  assert.throws(() => other.create(key, jobWith('part')), ofKind('FileWrite'));
  chmodSync(path.dirname(other.file(key)), 0o700);
  assert.throws(() => jobs.create(key, jobWith('part')), { code: 'ENOTDIR' });
});

test('of several processes at once exactly one creates the job', async () => {
  for (let round = 0; round < 3; round++) {
    const { directory, content, key } = setUp();
    const moment = String(Date.now() + 400);
    const program = path.join(root, 'test/programs/create-job.mjs');
    const outputs = await Promise.all(
      Array.from({ length: 4 }, () =>
        text(
          spawn(process.execPath, [program, directory, `${key}`, moment], { stdio: ['ignore', 'pipe', 'inherit'] })
            .stdout,
        ),
      ),
    );
    const created = outputs.filter((output) => output.startsWith('created'));
    assert.deepEqual([created.length, outputs.length], [1, 4], outputs.join(''));
    assert.equal(created[0]?.trim(), `created ${content()}`);
  }
});

for (const mask of [0, 0o777]) {
  test(`a job is private, and its owner can read it, under umask ${mask.toString(8)}`, () => {
    const directory = path.join(temporaryDirectory(), 'cache');
    const jobs = new LearningJobs(directory);
    const key = ModuleHash.random();
    const umask = process.umask(mask);
    try {
      assert.equal(jobs.create(key, jobWith('part')), true);
      assert.equal(jobs.create(key, jobWith('another')), false);
    } finally {
      process.umask(umask);
    }
    const file = jobs.file(key);
    const modes = [directory, path.dirname(file), file].map((each) => statSync(each).mode & 0o777);
    assert.deepEqual(modes, process.platform === 'win32' ? modes : [0o700, 0o700, 0o600]);
  });
}

test('where others may write, a job counts only with a signature, and only for its module', () => {
  const directory = temporaryDirectory();
  const signed = new LearningJobs(directory, new Signer(['a-secret-of-many-letters']));
  const [key, other] = [ModuleHash.random(), ModuleHash.random()];
  assert.equal(signed.create(key, jobWith('part')), true);
  assert.equal(Buffer.from(signed.read(key).part).toString(), 'part');
  copyFileSync(signed.file(key), signed.file(other));
  assert.throws(() => signed.read(other), ofKind('Untrusted'));
  const unsigned = new LearningJobs(directory);
  signed.remove(other);
  assert.equal(unsigned.create(other, jobWith('part')), true);
  assert.throws(() => signed.read(other), ofKind('Untrusted'));
});
