import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { partToOptimise } from '../../dist/engine/ahead-of-time.js';
import { readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';
import { FileSystemCache, ModuleHash, V8Engine } from '../../dist/index.js';
import { LearningJobs } from '../../dist/learning/jobs.js';
import { codeSection, moduleOf, section } from '../../dist/testing/modules.js';
import { everythingModule, FUNCTION_NAMES, runHot } from '../support/everything.js';
import { engineIdOfPrograms, snapshot, until } from '../support/learning.js';
import { HANGS_AFTER, type RunOptions, root, runProgram, temporaryDirectory } from '../support/processes.js';

const learner = path.join(root, 'dist/learning/learner.js');
const engine = new V8Engine();
const wireBytes = everythingModule();
const key = ModuleHash.sha256(wireBytes);
const functions = countFunctions(wireBytes);
const sorted = (set: Iterable<number>) => [...set].sort((a, b) => a - b);

let hot: Uint8Array;
let engineId: string;
before(async () => {
  hot = await runHot(engine);
  engineId = engineIdOfPrograms();
  assert.equal(engine.deterministicId, engineId);
});

/** A cache folder with a job, and perhaps an artifact. */
function setUp({ stored = true, part = undefined as Uint8Array | undefined, ruin = (_file: string) => {} } = {}) {
  const jobKey = key;
  const directory = temporaryDirectory();
  const cache = new FileSystemCache(directory, { wireBytes: 'omit' });
  const jobs = new LearningJobs(directory);
  if (stored) {
    const artifact = {
      key,
      engineId,
      coverage: 'hot',
      generation: 0,
      final: false,
      hasLearnerCode: false,
      optimisedFor: 0,
      bypassedUntil: 0,
      wireLength: wireBytes.length,
    } as const;
    cache.writeArtifactSync({ ...artifact, nativeCode: hot, wireBytes: undefined });
  }
  const executed = stored ? readNativeCode(hot, functions).executed : undefined;
  jobs.create(jobKey, { wireLength: wireBytes.length, part: part ?? partToOptimise(wireBytes, executed) });
  ruin(jobs.file(jobKey));
  const learn = (
    args: string[] = [directory, 'no sweep', engineId, 'hot', 'usual', 'no push', `${jobKey}`],
    options: RunOptions = {},
  ) => {
    const { status, signal, stdout, stderr } = runProgram(learner, { ...options, args });
    assert.deepEqual([status, signal, stdout, stderr], [0, null, '', '']);
  };
  const artifact = () => {
    const { nativeCode, ...header } = cache.readArtifactSync(key, engine, wireBytes.length);
    return { ...header, nativeCode: readNativeCode(nativeCode, functions) };
  };
  return { directory, cache, jobs, learn, artifact, jobName: path.relative(directory, jobs.file(jobKey)) };
}

describe('a job becomes an artifact:', () => {
  it('what ran is optimised, what was optimised stays, and the job is gone', () => {
    const { directory, learn, artifact } = setUp();
    learn();
    const { nativeCode, generation, final, coverage } = artifact();
    const before = readNativeCode(hot, functions);
    assert.deepEqual(sorted(nativeCode.optimised), sorted([...before.optimised, ...before.executed]));
    for (const i of before.optimised) {
      const [learnt, original] = [nativeCode, before].map(({ bytes, recordStarts }) =>
        Buffer.from(bytes.subarray(recordStarts[i], recordStarts[i + 1])),
      );
      assert.deepEqual(learnt, original, FUNCTION_NAMES[i] as string);
    }
    assert.deepEqual({ generation, final, coverage }, { generation: 1, final: false, coverage: 'hot' });
    assert.equal(Object.keys(snapshot(directory)).length, 1);
  });

  it('one function when nothing is stored, so that the next run tells what ran', () => {
    const { directory, learn, artifact } = setUp({ stored: false });
    learn();
    assert.equal(artifact().nativeCode.optimised.size, 1);
    assert.equal(Object.keys(snapshot(directory)).length, 1);
  });

  it('also if the artifact is damaged, which is then removed', () => {
    const { directory, learn, artifact, jobName } = setUp();
    const [file] = Object.keys(snapshot(directory)).filter((name) => name !== jobName);
    writeFileSync(path.join(directory, file as string), 'damaged');
    learn();
    assert.deepEqual(sorted(artifact().nativeCode.optimised), sorted(readNativeCode(hot, functions).executed));
  });

  it('also if jobs before it in the list are missing, or are no keys', () => {
    for (const other of [`${ModuleHash.random()}`, 'not a key', '', '../../etc/passwd']) {
      const { directory, learn, artifact, jobName } = setUp();
      learn([directory, 'no sweep', engineId, 'hot', 'usual', 'no push', other, `${key}`]);
      assert.equal(artifact().generation, 1, other);
      assert.equal(snapshot(directory)[jobName], undefined);
    }
  });
});

const another = { wireLength: 1, part: Buffer.from('another') };
function flipped(bytes: Buffer): Buffer {
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
  return bytes;
}
const invalid = moduleOf(section(1, [1, 0x60, 0, 1, 0x7f]), section(3, [1, 0]), codeSection([[0, 0x0b]]));

for (const [name, options, engineOfJob] of [
  ['of another engine', {}, 'node-v1'],
  ['with a damaged byte', { ruin: (file: string) => writeFileSync(file, flipped(readFileSync(file))) }],
  ['that is cut off', { ruin: (file: string) => truncateSync(file, 500) }],
  ['without bytes', { ruin: (file: string) => truncateSync(file) }],
  ['of a module that does not validate', { part: invalid }],
  ['of what is not a module', { part: Buffer.from('not a module') }],
  ['of a module without functions', { part: moduleOf() }],
] as [string, Parameters<typeof setUp>[0], string?][]) {
  it(`a job ${name} is given up, and nothing else changes`, () => {
    const { directory, learn, jobName, jobs } = setUp(options);
    const before = snapshot(directory);
    learn([directory, 'no sweep', engineOfJob ?? engineId, 'hot', 'usual', 'no push', `${key}`]);
    const after = snapshot(directory);
    assert.equal(statSync(jobs.file(key)).size, 0);
    assert.deepEqual({ ...after, [jobName]: '' }, { ...before, [jobName]: '' });
    assert.equal(jobs.create(key, another), false, 'nobody tries again for a while');
  });
}

it('without a job there is nothing to do', () => {
  const { directory, learn, jobs } = setUp();
  jobs.remove(key);
  const before = snapshot(directory);
  for (const args of [[`${key}`], [`${ModuleHash.random()}`], ['not a key'], []]) {
    learn([directory, 'no sweep', engineId, 'hot', 'usual', 'no push', ...args]);
    assert.deepEqual(snapshot(directory), before);
  }
});

it('does not create a folder that is gone', () => {
  const { directory, learn } = setUp();
  rmSync(directory, { recursive: true });
  learn();
  assert.throws(() => statSync(directory), { code: 'ENOENT' });
});

it('changes nothing in a folder that it may not write to', { skip: process.platform === 'win32' }, () => {
  const { directory, learn, jobs } = setUp();
  const folders = [directory, ...readdirSync(directory).map((name) => path.join(directory, name))];
  const isRoot = process.getuid?.() === 0;
  for (const folder of folders) chmodSync(folder, isRoot ? 0o755 : 0o500);
  for (const name of Object.keys(snapshot(directory))) chmodSync(path.join(directory, name), 0o444);
  const before = snapshot(directory);
  learn(undefined, isRoot ? { uid: 65_534 } : {});
  for (const folder of folders) chmodSync(folder, 0o700);
  // The job stays as it was, so nobody tries again for a while.
  assert.deepEqual(snapshot(directory), before);
  assert.equal(jobs.create(key, another), false);
});

it('only the node binary starts one', () => {
  for (const [execPath, starts] of [
    ['/usr/bin/node', true],
    ['/usr/bin/nodejs', true],
    ['/opt/node22', true],
    ['/opt/node-22.1', false],
    ['/usr/bin/my-app', false],
    ['/usr/bin/nodemon', false],
    ['/opt/electron', false],
    ['/home/me/.bun/bin/bun', false],
  ] as const) {
    const { status, stdout, stderr } = runProgram('why-no-learner.mjs', { args: [execPath] });
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(stdout.trim(), starts ? 'it would' : `${execPath} is not the node binary`);
  }
});

/** A job of no module, with so many bytes. The learner gives it up as soon as it has read it. */
function setUpWaiting({ nodeOptions = '', state = 'ending', size = 10 } = {}) {
  const directory = temporaryDirectory();
  const jobs = new LearningJobs(directory);
  assert.ok(jobs.create(key, { wireLength: size, part: Buffer.alloc(size) }));
  const id = runProgram('engine-id.mjs', { env: { NODE_OPTIONS: nodeOptions } }).stdout.trim();
  const args = [path.join(root, 'test/programs/start-learner.mjs'), state, directory, id, `${key}`];
  return {
    args,
    /** The process ids of the learners of this folder. */
    learners: () =>
      processes().filter((pid) => commandLine(pid).includes(directory) && commandLine(pid).includes(learner)),
    hasRead: () => jobs.isGivenUp(key),
  };
}

const processes = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name));

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // The process has ended.
  }
}

/** The fields of a process or thread after its name, from the state on. */
const statOf = (id: string) => (readFileSync(`/proc/${id}/stat`, 'utf8').split(') ').at(-1) as string).split(' ');

describe('the process of a learner', { skip: process.platform !== 'linux' && 'looks into /proc' }, () => {
  it('keeps nobody waiting, and inherits nothing of its parent', async () => {
    const nodeOptions = '--no-warnings --max-old-space-size=600 --require=node:os';
    const { args, learners, hasRead } = setUpWaiting({ nodeOptions });
    const env = {
      ...process.env,
      NODE_OPTIONS: nodeOptions,
      WASM_CACHE_LEARN: 'hot',
      SECRET: 'of the program',
    };
    // Read its pipes to their end, one more than usual.
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      env,
      input: '',
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      encoding: 'utf8',
      timeout: HANGS_AFTER,
    });
    assert.deepEqual([status, stdout, stderr], [0, 'started\n', '']);
    // A shell waits for the end of the program, then becomes the learner.
    const isNode = (pid: string | undefined) => pid !== undefined && commandLine(pid)[0] === process.execPath;
    await until('the learner has started', () => isNode(learners()[0]));
    const [pid] = learners() as [string];
    process.kill(Number(pid), 'SIGSTOP');
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .map((text) => text.split('=')[0]);
    assert.ok(variables.includes('PATH'));
    for (const name of ['NODE_OPTIONS', 'WASM_CACHE_LEARN', 'SECRET']) assert.ok(!variables.includes(name), name);
    // Only the options that V8's version tag depends on.
    assert.deepEqual(commandLine(pid).slice(1, 4), ['--v8-pool-size=1', '--max-old-space-size=600', learner]);
    for (const descriptor of [0, 1, 2]) assert.equal(readlinkSync(`/proc/${pid}/fd/${descriptor}`), '/dev/null');
    const group = statOf(pid)[2];
    assert.equal(group, pid, 'a process group of its own');

    process.kill(Number(pid), 'SIGCONT');
    await until('the learner has ended', () => learners().length === 0);
    assert.ok(hasRead());
  });

  it('waits for the end of its parent', async () => {
    const { args, learners, hasRead } = setUpWaiting();
    const parent = spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'inherit'] });
    await until('the learner has started', () => learners().length === 1);
    await setTimeout(1000);
    assert.equal(hasRead(), false);
    parent.stdin?.end();
    await until('the learner reads the job', hasRead);
    await until('the learner has ended', () => learners().length === 0);
  });

  it('leaves no zombie while its parent is alive', async () => {
    const { args, learners } = setUpWaiting({ state: 'going on', size: 200e6 });
    const parent = spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'inherit'] });
    try {
      await until('the learner has started', () => learners().length === 1);
      const [pid] = learners() as [string];
      assert.equal(statOf(pid)[1], String(parent.pid), 'it is a child of its parent');
      await until('it comes after all others', () => {
        try {
          return readdirSync(`/proc/${pid}/task`).every((thread) => statOf(`${pid}/task/${thread}`)[16] === '19');
        } catch {
          return false; // A thread has ended.
        }
      });
      process.kill(Number(pid));
      await until('nothing is left of it', () => !processes().includes(pid));
      assert.equal(parent.exitCode, null, 'the parent is still there');
    } finally {
      parent.stdin?.end();
    }
  });

  it('has the normal priority for a while, and then the lowest, in every thread', () => {
    const { status, stdout, stderr } = runProgram('yield-after.mjs', { args: ['300'] });
    assert.deepEqual([status, stderr], [0, '']);
    const { before, after, usedMs } = JSON.parse(stdout);
    assert.deepEqual(before, [os.getPriority()]);
    assert.deepEqual(after, [19]);
    assert.ok(usedMs >= 300, `${usedMs}`);
  });
});
