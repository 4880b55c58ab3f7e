import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { decodeArtifact, encodeArtifact } from '../../dist/artifact/artifact.js';
import { CrashGuard } from '../../dist/caches/crash-guard.js';
import { readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';
import { LearningJobs } from '../../dist/learning/jobs.js';
import { sumModule } from '../../dist/testing/modules.js';
import { until } from '../support/learning.js';
import { filesIn, type RunResult, register, root, runProgram, temporaryDirectory } from '../support/processes.js';

function run(directory: string, learn: 'hot' | 'off', ...args: string[]): RunResult {
  // Without the files of a preload, which these tests would count.
  const env = { WASM_CACHE_DIR: directory, WASM_CACHE_LEARN: learn, WASM_CACHE_PRELOAD: 'off' };
  return runProgram('hot.mjs', { nodeOptions: ['--import', register], args, env });
}

/** The output of a run. Checks that it ended as plain Node does. */
function good(result: RunResult) {
  assert.deepEqual([result.status, result.signal, result.stderr], [0, null, '']);
  const { restored, ...rest } = JSON.parse(result.stdout);
  assert.deepEqual(rest, { sum: 500_505, trap: 'RuntimeError: memory access out of bounds' });
  return restored;
}

/** A folder with one artifact. */
function setUp() {
  const directory = temporaryDirectory();
  assert.equal(good(run(directory, 'off')), false);
  const [artifact = ''] = filesIn(directory);
  assert.equal(good(run(directory, 'off', 'Module', 'short')), true);
  return { directory, artifact, guard: new CrashGuard(artifact) };
}

/** Whether a learner is at work. */
function isLearning(directory: string): boolean {
  const lock = new LearningJobs(directory).lockFolder();
  if (lock !== undefined) closeSync(lock);
  return lock === undefined;
}

const jobsIn = (directory: string) => filesIn(directory).filter((file) => file.endsWith('.wasm'));

describe('an artifact that crashes V8', () => {
  it('does so once; no later process loads it, also without learners', () => {
    const { directory, artifact } = setUp();
    plantCrash(artifact);
    const crashed = run(directory, 'off', 'Module', 'short');
    assert.ok(crashed.signal !== null || (crashed.status ?? 0) > 128, `status ${crashed.status}: it should crash V8`);
    for (let times = 0; times < 3; times++) assert.equal(good(run(directory, 'off', 'Module', 'short')), false);
    assert.ok(existsSync(artifact));
  });

  it('is replaced where nothing learns, as soon as a run has code of its own, and that is loaded', () => {
    const { directory, artifact, guard } = setUp();
    plantCrash(artifact);
    run(directory, 'off', 'Module', 'short');
    assert.equal(guard.quarantine()?.deaths, 1);
    assert.equal(good(run(directory, 'off')), false);
    assert.equal(guard.quarantine(), undefined);
    assert.equal(good(run(directory, 'off', 'Module', 'short')), true);
    assert.deepEqual(filesIn(directory), [artifact], 'the note is gone');
  });

  it('costs no more than three processes, however often it is replaced where nothing learns', () => {
    const { directory, artifact, guard } = setUp();
    for (let deaths = 1; deaths <= 3; deaths++) {
      plantCrash(artifact); // as if what V8 wrote crashed it again
      run(directory, 'off', 'Module', 'short');
      assert.equal(guard.quarantine()?.deaths, deaths);
      assert.equal(good(run(directory, 'off')), false);
    }
    assert.equal(decodeArtifact(readFileSync(artifact)).coverage, 'none');
    assert.equal(good(run(directory, 'off')), false);
    assert.equal(decodeArtifact(readFileSync(artifact)).coverage, 'none', 'bypassed for a while');
  });

  it('crashes a program that is process 1 of its container once', {
    skip: spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true']).status !== 0 && 'cannot unshare',
  }, () => {
    const { directory, artifact } = setUp();
    plantCrash(artifact);
    const statuses = Array.from({ length: 4 }, () => {
      const program = path.join(root, 'test/programs/hot.mjs');
      const args = ['--pid', '--fork', '--mount-proc', process.execPath, '--import', register, program];
      const env = { ...process.env, WASM_CACHE_DIR: directory, WASM_CACHE_LEARN: 'off' };
      return spawnSync('unshare', [...args, 'Module', 'short'], { env }).status;
    });
    assert.notEqual(statuses.shift(), 0);
    assert.deepEqual(statuses, [0, 0, 0]);
  });

  it('is tried by learners, which die of it, and then its module is left to V8', async () => {
    const { directory, artifact, guard } = setUp();
    plantCrash(artifact);
    run(directory, 'off', 'Module', 'short');
    for (const deaths of [1, 2, 3]) {
      assert.equal(guard.quarantine()?.deaths, deaths);
      assert.equal(good(run(directory, 'hot', 'Module', 'short')), false);
      const next = deaths === 3 ? undefined : deaths + 1;
      await until('the learner has tried', () => guard.quarantine()?.deaths === next);
      await until('the learner has ended', () => !isLearning(directory));
    }
    assert.equal(decodeArtifact(readFileSync(artifact)).coverage, 'none');
    const before = statSync(artifact).mtimeMs;
    assert.equal(good(run(directory, 'hot')), false);
    assert.equal(statSync(artifact).mtimeMs, before, 'nothing is learnt of it for a while');
  });
});

describe('a sound artifact whose process crashed all the same', () => {
  it('comes back after a few good tries', async () => {
    const { directory, artifact, guard } = setUp();
    writeFileSync(artifact.replace('.artifact', '.loading'), 'crashed\n');
    const bytes = readFileSync(artifact);
    for (const goodTries of [0, 1, 2]) {
      assert.equal(guard.quarantine()?.goodTries, goodTries);
      assert.equal(good(run(directory, 'hot', 'Module', 'short')), false);
      await until(
        'the learner has tried',
        () => jobsIn(directory).length === 0 && guard.quarantine()?.goodTries !== goodTries,
      );
    }
    assert.deepEqual(readFileSync(artifact), bytes);
    assert.equal(good(run(directory, 'off', 'Module', 'short')), true);
  });

  it('for programs that use the library, too', async () => {
    const directory = temporaryDirectory();
    const load = () => {
      const { status, stdout, stderr } = runProgram('load-module.mjs', { args: [directory, '{"coverage":"full"}'] });
      assert.deepEqual([status, stderr], [0, '']);
      return JSON.parse(stdout);
    };
    assert.equal(load().source, 'compiler');
    const [artifact = ''] = filesIn(directory);
    writeFileSync(artifact.replace('.artifact', '.loading'), 'crashed\n');
    const guard = new CrashGuard(artifact);
    for (const goodTries of [0, 1, 2]) {
      assert.ok(load().steps.includes('lookup failed'));
      await until(
        'the learner has tried',
        () => jobsIn(directory).length === 0 && guard.quarantine()?.goodTries !== goodTries,
      );
    }
    assert.deepEqual(load().steps, ['lookup miss', 'lookup hit']);
    rmSync(path.join(directory, 'learning'), { recursive: true, force: true });
  });
});

/**
 * As a bug could write it, with correct checksums: every number of the first function's record, including the lengths of its parts,
 * is 0x7f7f7f7f.
 */
function plantCrash(artifact: string): void {
  const decoded = decodeArtifact(readFileSync(artifact));
  const nativeCode = Uint8Array.from(decoded.nativeCode);
  const { recordStarts, optimised } = readNativeCode(nativeCode, countFunctions(sumModule()));
  const [first = 0] = optimised;
  const start = (recordStarts[first] as number) + 1;
  nativeCode.fill(0x7f, start, start + 4 * 12);
  writeFileSync(artifact, encodeArtifact({ ...decoded, nativeCode }));
}
