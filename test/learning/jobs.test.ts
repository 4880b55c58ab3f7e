import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Signer } from '../../dist/artifact/signature.js';
import { LearningJobs } from '../../dist/learning/jobs.js';
import { ModuleHash } from '../../dist/module-hash.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { root, temporaryDirectory } from '../support/processes.js';

const MINUTE = 60_000;
const ENGINE = 'engine-1';
const onPosix = { skip: process.platform === 'win32' };
const onLinux = { skip: process.platform !== 'linux' && 'needs the addon' };

/** A job for a module with as many wire bytes as the part. */
const jobWith = (part: string) =>
  ({ engineId: ENGINE, coverage: 'hot', wireLength: part.length, part: Buffer.from(part) }) as const;

function setUp() {
  const directory = path.join(temporaryDirectory(), 'cache');
  const jobs = new LearningJobs(directory);
  const key = ModuleHash.random();
  const add = (part = 'part') => jobs.add(key, jobWith(part));
  const content = () => Buffer.from(jobs.read(key).part).toString();
  /** Makes a job look so old. */
  const age = (milliseconds: number) => {
    const seconds = (Date.now() - milliseconds) / 1000;
    utimesSync(jobs.file(key), seconds, seconds);
  };
  return { directory, jobs, key, add, content, age };
}

test('a job that nobody works on may be brought up to date', () => {
  const { add, content } = setUp();
  assert.deepEqual([add('first'), content()], [true, 'first']);
  assert.deepEqual([add('2nd'), content()], [true, '2nd']);
});

test('a job that a process works on stays as it is, until that is done', onLinux, () => {
  const { jobs, key, add, content } = setUp();
  add('first');
  const taken = jobs.take(key, ENGINE);
  assert.equal(Buffer.from(taken?.content.part ?? []).toString(), 'first');
  assert.deepEqual([add('second'), content()], [false, 'first']);
  assert.equal(jobs.take(key, ENGINE), undefined);
  taken?.release();
  assert.deepEqual([add('second'), content()], [true, 'second']);
  const held = jobs.hold(key, jobWith('third'));
  assert.deepEqual([add('fourth'), jobs.hold(key, jobWith('fourth')), content()], [false, undefined, 'third']);
  held?.remove();
  assert.equal(existsSync(jobs.file(key)), false);
});

test('a process that is killed frees its job at once', onLinux, async () => {
  const { directory, jobs, key, add } = setUp();
  const program = path.join(root, 'test/programs/hold-job.mjs');
  const child = spawn(process.execPath, [program, directory, `${key}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  assert.deepEqual([add(), jobs.isUnderWay(key)], [false, true]);
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  assert.deepEqual([jobs.isUnderWay(key), add()], [false, true]);
});

test('a job whose maker died before it wrote anything is free at once', () => {
  const { jobs, key, add, content } = setUp();
  add('first');
  writeFileSync(jobs.file(key), '');
  assert.equal(jobs.take(key, ENGINE), undefined);
  assert.deepEqual([jobs.isGivenUp(key), jobs.isUnderWay(key)], [false, false]);
  assert.deepEqual([add('second'), content()], [true, 'second']);
});

test('a job that two learners died of is given up', () => {
  const { jobs, key, add } = setUp();
  for (let attempt = 0; attempt < 2; attempt++) {
    assert.equal(add(`part ${attempt}`), true, 'bringing it up to date does not make it new');
    const taken = jobs.take(key, ENGINE);
    assert.notEqual(taken, undefined);
    taken?.release(); // as the kernel does
  }
  assert.equal(jobs.take(key, ENGINE), undefined);
  assert.deepEqual([jobs.isGivenUp(key), add()], [true, false]);
});

test('a job for another engine stays in the queue', () => {
  const { jobs, key, add, content } = setUp();
  add('part');
  for (let times = 0; times < 5; times++) assert.equal(jobs.take(key, 'engine-2'), undefined);
  assert.equal(content(), 'part');
  assert.notEqual(jobs.take(key, ENGINE), undefined);
});

test('a job is under way if a process works on it, or a learner is at work', onLinux, () => {
  const { jobs, key, add } = setUp();
  assert.equal(jobs.isUnderWay(key), false);
  add();
  assert.equal(jobs.isUnderWay(key), false, 'nobody is there');
  const folder = jobs.lockFolder() as number;
  assert.equal(jobs.isUnderWay(key), true);
  assert.equal(jobs.lockFolder(), undefined, 'one learner');
  closeSync(folder);
  assert.equal(jobs.isUnderWay(key), false);
  const taken = jobs.take(key, ENGINE);
  assert.equal(jobs.isUnderWay(key), true);
  taken?.giveUp();
  assert.equal(jobs.isUnderWay(key), false);
});

test('the queue lists jobs and nothing else', () => {
  const { directory, jobs, key, add } = setUp();
  assert.deepEqual(jobs.keys(), []);
  add();
  for (const name of ['notes.txt', 'a.wasm', `${key}.wasm.tmp`])
    writeFileSync(path.join(directory, 'learning', name), '');
  assert.deepEqual(jobs.keys().map(String), [`${key}`]);
});

for (const [name, milliseconds, added] of [
  ['nine and a half minutes ago', 9.5 * MINUTE, false],
  ['more than ten minutes ago', 10.1 * MINUTE, true],
  ['long ago', 10_000 * MINUTE, true],
  ['in the near future', -1 * MINUTE, false],
  ['in the far future', -10_000 * MINUTE, true],
] as const) {
  test(`a job that was given up ${name} is ${added ? 'added again' : 'not added'}`, () => {
    const { jobs, key, add, age } = setUp();
    add('old');
    jobs.giveUp(key);
    assert.equal(jobs.isGivenUp(key), true);
    age(milliseconds);
    assert.equal(add('new'), added);
    assert.equal(jobs.isGivenUp(key), !added);
  });
}

test('giving up a missing job is no error, and creates nothing', () => {
  const { directory, jobs, key } = setUp();
  jobs.giveUp(key);
  assert.equal(existsSync(directory), false);
});

test('giving up restarts the time', () => {
  const { jobs, key, add, age } = setUp();
  add();
  age(9 * MINUTE);
  jobs.giveUp(key);
  assert.ok(Date.now() - statSync(jobs.file(key)).mtimeMs < MINUTE);
});

test('a job that was removed may be added again', () => {
  const { jobs, key, add } = setUp();
  add();
  jobs.remove(key);
  assert.equal(existsSync(jobs.file(key)), false);
  jobs.remove(key); // removing it again is no error
  assert.equal(add(), true);
});

test('a failed write throws its error and leaves nothing behind', () => {
  const { jobs, key, add } = setUp();
  const impossible = { ...jobWith(''), part: 'not bytes' as never as Uint8Array };
  assert.throws(() => jobs.add(key, impossible));
  assert.equal(existsSync(jobs.file(key)), false);
  assert.equal(add(), true);
});

test('nothing is written through a link, and nobody waits for a pipe', onPosix, () => {
  for (const kind of ['link', 'pipe', 'folder']) {
    const { directory, jobs, key, add } = setUp();
    const other = path.join(path.dirname(directory), 'other');
    writeFileSync(other, 'of somebody else');
    mkdirSync(path.dirname(jobs.file(key)), { recursive: true });
    if (kind === 'link') symlinkSync(other, jobs.file(key));
    if (kind === 'pipe') spawnSync('mkfifo', [jobs.file(key)]);
    if (kind === 'folder') mkdirSync(jobs.file(key));
    assert.equal(add(), false, kind);
    jobs.giveUp(key);
    assert.equal(jobs.take(key, ENGINE), undefined);
    assert.deepEqual([jobs.isUnderWay(key), jobs.isGivenUp(key)], [false, false]);
    assert.equal(readFileSync(other, 'utf8'), 'of somebody else');
  }
});

test('reading gives exactly what was written, or an error', () => {
  const { jobs, key } = setUp();
  const job = { engineId: ENGINE, coverage: 'full', wireLength: 2 ** 33 + 5, part: Buffer.from('the part') } as const;
  jobs.add(key, job);
  assert.deepEqual({ ...jobs.read(key), part: Buffer.from(jobs.read(key).part) }, job);
  const file = readFileSync(jobs.file(key));
  for (let length = 0; length < file.length; length++) {
    writeFileSync(jobs.file(key), file.subarray(0, length));
    assert.throws(() => jobs.read(key), ofKind('Other'), `${length} bytes`);
  }
  const attempts = 4 * 8; // bits, which change without the rest
  for (let bit = attempts; bit < file.length * 8; bit++) {
    const damaged = Buffer.from(file);
    damaged.writeUInt8(damaged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    writeFileSync(jobs.file(key), damaged);
    assert.throws(() => jobs.read(key), ofKind('Other'), `bit ${bit}`);
  }
});

test('a job with more wire bytes than numbers can count is invalid', () => {
  const { jobs, key } = setUp();
  jobs.add(key, { ...jobWith('part'), wireLength: 2 ** 53 });
  assert.throws(() => jobs.read(key), ofKind('Other'));
});

test('a damaged job is given up', () => {
  const { jobs, key, add } = setUp();
  add();
  const file = readFileSync(jobs.file(key));
  file.writeUInt8(file.readUInt8(file.length - 1) ^ 1, file.length - 1);
  writeFileSync(jobs.file(key), file);
  assert.equal(jobs.take(key, ENGINE), undefined);
  assert.equal(jobs.isGivenUp(key), true);
});

test('a folder that cannot be written to is an error', () => {
  const { directory, jobs, key, add } = setUp();
  writeFileSync(directory, 'not a folder');
  assert.throws(() => add(), { code: 'ENOTDIR' });
  if (process.getuid?.() === 0) return; // root can write everywhere
  const other = new LearningJobs(temporaryDirectory());
  mkdirSync(path.dirname(other.file(key)), { mode: 0o500 });
  assert.throws(() => other.add(key, jobWith('part')), { code: 'EACCES' });
  chmodSync(path.dirname(other.file(key)), 0o700);
  assert.throws(() => jobs.add(key, jobWith('part')), { code: 'ENOTDIR' });
});

test('of several processes at once exactly one becomes the learner', onLinux, async () => {
  const { directory, key } = setUp();
  const program = path.join(root, 'test/programs/hold-job.mjs');
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, [program, directory, `${key}`], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  const outputs = await Promise.all(
    children.map((child) => new Promise<string>((resolve) => child.stdout.once('data', (data) => resolve(`${data}`)))),
  );
  for (const child of children) child.kill('SIGKILL');
  assert.deepEqual(outputs.sort(), ['held, locked\n', 'neither\n', 'neither\n', 'neither\n']);
});

for (const mask of [0, 0o777]) {
  test(`a job is private, and its owner can read it, under umask ${mask.toString(8)}`, () => {
    const directory = path.join(temporaryDirectory(), 'cache');
    const jobs = new LearningJobs(directory);
    const key = ModuleHash.random();
    const umask = process.umask(mask);
    try {
      assert.equal(jobs.add(key, jobWith('part')), true);
      assert.equal(jobs.add(key, jobWith('another')), true);
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
  assert.equal(signed.add(key, jobWith('part')), true);
  assert.equal(Buffer.from(signed.read(key).part).toString(), 'part');
  copyFileSync(signed.file(key), signed.file(other));
  assert.throws(() => signed.read(other), ofKind('Untrusted'));
  const unsigned = new LearningJobs(directory);
  signed.remove(other);
  assert.equal(unsigned.add(other, jobWith('part')), true);
  assert.throws(() => signed.read(other), ofKind('Untrusted'));
});
