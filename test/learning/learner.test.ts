import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  openSync,
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
import { tryLock } from '../../dist/native/lock.js';
import { sumModule } from '../../dist/testing/modules.js';
import { everythingModule, FUNCTION_NAMES, runHot } from '../support/everything.js';
import { engineIdOfPrograms, snapshot, until } from '../support/learning.js';
import { HANGS_AFTER, type RunOptions, root, runProgram, temporaryDirectory } from '../support/processes.js';
import { codeSection, moduleOf, section } from '../support/wasm-binary.js';

const learner = path.join(root, 'dist/learning/learner.js');
const engine = new V8Engine();
const wireBytes = everythingModule();
const key = ModuleHash.sha256(wireBytes);
const functions = countFunctions(wireBytes);
const LIMITS = '1000000000 1000';
const sorted = (set: Iterable<number>) => [...set].sort((a, b) => a - b);

let hot: Uint8Array;
let engineId: string;
before(async () => {
  hot = await runHot(engine);
  engineId = engineIdOfPrograms();
  assert.equal(engine.deterministicId, engineId);
});

/** A cache folder with a job, and perhaps an artifact. */
function setUp({
  stored = true,
  part = undefined as Uint8Array | undefined,
  engineOfJob = engineId,
  ruin = (_file: string) => {},
} = {}) {
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
      observedFor: 0,
      missing: 0,
      bypassedUntil: 0,
      wireLength: wireBytes.length,
    } as const;
    cache.writeArtifactSync({ ...artifact, nativeCode: hot, wireBytes: undefined });
  }
  const executed = stored ? readNativeCode(hot, functions).executed : undefined;
  const content = { engineId: engineOfJob, coverage: 'hot', wireLength: wireBytes.length } as const;
  jobs.add(jobKey, { ...content, part: part ?? partToOptimise(wireBytes, executed) });
  ruin(jobs.file(jobKey));
  const learn = (args: string[] = [directory, LIMITS, engineOfJob, 'usual', 'no push'], options: RunOptions = {}) => {
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

  it('also if other files and other jobs are in the queue', () => {
    const { directory, learn, artifact, jobs } = setUp();
    const [other, damaged, foreign] = [ModuleHash.random(), ModuleHash.random(), ModuleHash.random()];
    jobs.add(other, { ...another, engineId });
    jobs.add(foreign, { ...another, engineId: 'node-v1' });
    writeFileSync(jobs.file(damaged), 'damaged');
    writeFileSync(path.join(directory, 'learning', 'notes.txt'), 'of somebody');
    learn();
    assert.equal(artifact().generation, 1);
    assert.deepEqual(
      [other, damaged, foreign].map((each) => jobs.isGivenUp(each)),
      [true, true, false],
    );
    assert.deepEqual(jobs.read(foreign).engineId, 'node-v1', 'it waits for a learner of that engine');
  });

  it('only one of them if the learner is asked for one', () => {
    const { directory, learn, artifact, jobs } = setUp();
    const other = ModuleHash.random();
    jobs.add(other, { ...another, engineId });
    learn([directory, LIMITS, engineId, 'usual', 'no push', '', `${key}`]);
    assert.equal(artifact().generation, 1);
    assert.equal(jobs.isGivenUp(other), false);
  });
});

const another = { engineId: 'engine', coverage: 'hot', wireLength: 1, part: Buffer.from('another') } as const;
function flipped(bytes: Buffer): Buffer {
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
  return bytes;
}
const invalid = moduleOf(section(1, [1, 0x60, 0, 1, 0x7f]), section(3, [1, 0]), codeSection([[0, 0x0b]]));

for (const [name, options] of [
  ['of an engine that the learner turns out not to be', { engineOfJob: 'node-v1' }],
  ['with a damaged byte', { ruin: (file: string) => writeFileSync(file, flipped(readFileSync(file))) }],
  ['that is cut off', { ruin: (file: string) => truncateSync(file, 500) }],
  ['of a module that does not validate', { part: invalid }],
  ['of what is not a module', { part: Buffer.from('not a module') }],
  ['of a module without functions', { part: moduleOf() }],
] as [string, Parameters<typeof setUp>[0]][]) {
  it(`a job ${name} is given up, and nothing else changes`, () => {
    const { directory, learn, jobName, jobs } = setUp(options);
    const before = snapshot(directory);
    learn();
    const after = snapshot(directory);
    assert.equal(jobs.isGivenUp(key), true);
    assert.deepEqual({ ...after, [jobName]: '' }, { ...before, [jobName]: '' });
    assert.equal(jobs.add(key, another), false, 'nobody tries again for a while');
  });
}

it('without a job there is nothing to do', () => {
  const { directory, learn, jobs } = setUp();
  jobs.remove(key);
  const before = snapshot(directory);
  learn();
  assert.deepEqual(snapshot(directory), before);
});

it('does not create a folder that is gone', () => {
  const { directory, learn } = setUp();
  rmSync(directory, { recursive: true });
  learn();
  assert.throws(() => statSync(directory), { code: 'ENOENT' });
});

it('changes nothing in a folder that it may not write to', { skip: process.platform === 'win32' }, () => {
  const { directory, learn } = setUp();
  const folders = [directory, ...readdirSync(directory).map((name) => path.join(directory, name))];
  const isRoot = process.getuid?.() === 0;
  for (const folder of folders) chmodSync(folder, isRoot ? 0o755 : 0o500);
  for (const name of Object.keys(snapshot(directory))) chmodSync(path.join(directory, name), 0o444);
  const before = snapshot(directory);
  learn(undefined, isRoot ? { uid: 65_534 } : {});
  for (const folder of folders) chmodSync(folder, 0o700);
  assert.deepEqual(snapshot(directory), before);
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

/** A job that keeps a learner busy until it is stopped: it is stopped as soon as it is there. */
function setUpWaiting({ nodeOptions = '', state = 'ending' } = {}) {
  const directory = temporaryDirectory();
  const id = runProgram('engine-id.mjs', { env: { NODE_OPTIONS: nodeOptions } }).stdout.trim();
  const jobs = new LearningJobs(directory);
  jobs.add(key, {
    engineId: id,
    coverage: 'hot',
    wireLength: wireBytes.length,
    part: partToOptimise(wireBytes, undefined),
  });
  const args = [path.join(root, 'test/programs/start-learner.mjs'), state, directory, id];
  /** The process ids of the learners of this folder, shells that wait included. */
  const learners = () =>
    processes().filter((pid) => commandLine(pid).includes(directory) && commandLine(pid).includes(learner));
  /** Stops the learner when it has begun, so that a test can look at it. */
  const stopped = async () => {
    const isNode = (pid: string | undefined) => pid !== undefined && commandLine(pid)[0] === process.execPath;
    await until('the learner has started', () => isNode(learners()[0]));
    const [pid] = learners() as [string];
    process.kill(Number(pid), 'SIGSTOP');
    return pid;
  };
  const isDone = () => learners().length === 0 && !jobs.isUnderWay(key);
  return { directory, args, jobs, learners, stopped, isDone };
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
    const { directory, args, stopped, isDone } = setUpWaiting({ nodeOptions });
    const cwd = temporaryDirectory();
    const locked = openSync(path.join(cwd, 'lock'), 'w');
    assert.equal(tryLock(locked), true);
    const env = { ...process.env, NODE_OPTIONS: nodeOptions, WASM_CACHE_LEARN: 'hot', SECRET: 'of the program' };
    // Reads its pipes to their end, one more than usual. The last descriptor has a lock.
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd,
      env,
      input: '',
      stdio: ['pipe', 'pipe', 'pipe', 'pipe', locked],
      encoding: 'utf8',
      timeout: HANGS_AFTER,
    });
    assert.deepEqual([status, stdout, stderr], [0, 'started true\n', '']);
    const pid = await stopped();
    closeSync(locked);
    const again = openSync(path.join(cwd, 'lock'), 'r');
    assert.equal(tryLock(again), true, 'the lock of the program is free');
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .map((text) => text.split('=')[0]);
    assert.ok(variables.includes('PATH'));
    for (const name of ['NODE_OPTIONS', 'WASM_CACHE_LEARN', 'SECRET']) assert.ok(!variables.includes(name), name);
    // Only the options that V8's version tag depends on.
    assert.deepEqual(commandLine(pid).slice(1, 4), ['--v8-pool-size=1', '--max-old-space-size=600', learner]);
    for (const descriptor of [0, 1, 2]) assert.equal(readlinkSync(`/proc/${pid}/fd/${descriptor}`), '/dev/null');
    assert.equal(readlinkSync(`/proc/${pid}/fd/4`), path.join(directory, 'learning'));
    assert.equal(readlinkSync(`/proc/${pid}/cwd`), '/');
    assert.equal(statOf(pid)[2], pid, 'a process group of its own');
    process.kill(Number(pid), 'SIGCONT');
    await until('the learner has ended', isDone);
  });

  it('waits for the end of the program', async () => {
    const { args, learners, isDone } = setUpWaiting();
    const parent = spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'inherit'] });
    await until('a shell waits', () => learners().some((pid) => commandLine(pid)[0] === '/bin/sh'));
    await setTimeout(1000);
    assert.deepEqual(
      learners().map((pid) => commandLine(pid)[0]),
      ['/bin/sh'],
    );
    parent.stdin?.end();
    await until('the learner has ended', isDone);
  });

  for (const [where, ...wrapper] of [['usual'], ['process 1', 'unshare', '--pid', '--fork', '--mount-proc']] as const) {
    const isPossible =
      wrapper.length === 0 || spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true']).status === 0;
    it(`is no child of its program, and leaves no zombie while that is alive (${where})`, {
      skip: !isPossible,
    }, async () => {
      const { args, stopped, jobs } = setUpWaiting({ state: 'going on' });
      const command = [...wrapper, process.execPath, ...args] as [string, ...string[]];
      const parent = spawn(command[0], command.slice(1), { stdio: ['pipe', 'ignore', 'inherit'] });
      try {
        const pid = await stopped();
        const parentOfIt = statOf(pid)[1] as string;
        if (where === 'usual') assert.notEqual(parentOfIt, String(parent.pid));
        else assert.ok(commandLine(parentOfIt).includes('going on'), 'process 1 has inherited it');
        assert.equal(jobs.isUnderWay(key), true);
        process.kill(Number(pid), 'SIGCONT');
        await until('the learner has the lowest priority', () => isLowest(pid) || !processes().includes(pid));
        await until('nothing is left of it', () => !processes().includes(pid));
        assert.equal(parent.exitCode, null, 'the program is still there');
      } finally {
        parent.stdin?.end();
      }
    });
  }

  it('is one for each folder, and takes the jobs of all programs', async () => {
    const { directory, args, jobs, learners, stopped, isDone } = setUpWaiting();
    const run = () => runProgram('start-learner.mjs', { args: args.slice(1) }).stdout;
    assert.equal(run(), 'started true\n');
    const pid = await stopped();
    for (let times = 0; times < 3; times++) assert.equal(run(), 'started false\n');
    const other = sumModule({ offset: 7, padding: 1000 });
    const otherKey = ModuleHash.sha256(other);
    const part = partToOptimise(other, 'all');
    jobs.add(otherKey, { engineId, coverage: 'hot', wireLength: other.length, part });
    assert.deepEqual(learners(), [pid]);
    process.kill(Number(pid), 'SIGCONT');
    await until('the learner has ended', isDone);
    assert.deepEqual(jobs.keys(), []);
    const cache = new FileSystemCache(directory);
    for (const each of [key, otherKey]) assert.ok(cache.readHeaderSync(each, engine), 'learnt');
  });

  it('that is killed leaves its jobs to the next one at once', async () => {
    const { args, jobs, stopped, isDone } = setUpWaiting();
    const run = () => runProgram('start-learner.mjs', { args: args.slice(1) }).stdout;
    run();
    const pid = await stopped();
    process.kill(Number(pid), 'SIGKILL');
    await until('it is gone', () => !jobs.isUnderWay(key));
    assert.equal(run(), 'started true\n');
    await until('the next one has ended', isDone);
    assert.deepEqual(jobs.keys(), []);
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

/** Whether every thread of a process has the lowest priority. */
function isLowest(pid: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) => statOf(`${pid}/task/${thread}`)[16] === '19');
  } catch {
    return false; // A thread has ended.
  }
}
