import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, statSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it, test } from 'node:test';
import { decodeArtifact } from '../../dist/artifact/artifact.js';
import { readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';
import { LearningJobs } from '../../dist/learning/jobs.js';
import { ModuleHash } from '../../dist/module-hash.js';
import { everythingModule, FUNCTION_NAMES, observeEverything } from '../support/everything.js';
import { snapshot, until } from '../support/learning.js';
import { filesIn, register, root, runProgram, temporaryDirectory } from '../support/processes.js';

const major = Number(process.versions.node.split('.')[0]);
const wireBytes = everythingModule(70_000);
const functions = countFunctions(wireBytes);
const EXPECTED = observeEverything(new WebAssembly.Module(wireBytes));

interface Run {
  env?: Record<string, string>;
  nodeOptions?: string[];
  stderr?: RegExp;
  /** Names of globals that the program deletes before it ends. */
  deleted?: string[];
}

/** Runs the program with the hook, and returns how many functions were optimised at its start. */
function run(
  directory: string,
  how: 'hot' | 'cold',
  { env = {}, nodeOptions = [], stderr = /^$/, deleted = [] }: Run = {},
): number {
  const result = runProgram('work.mjs', {
    nodeOptions: [...nodeOptions, '--import', register],
    args: [how, ...deleted],
    env: { WASM_CACHE_DIR: directory, WASM_CACHE_LEARN: 'hot', ...env },
  });
  assert.deepEqual([result.status, result.signal], [0, null], result.stderr);
  assert.match(result.stderr, stderr);
  const { restored, observed } = JSON.parse(result.stdout);
  assert.deepEqual(observed, EXPECTED);
  return restored;
}

const jobsIn = (directory: string) =>
  filesIn(directory).filter((file) => file.includes(`${path.sep}learning${path.sep}`));
const artifactsIn = (directory: string) => filesIn(directory).filter((file) => file.endsWith('.artifact'));

/** Waits until the learner of a run is done. It must have succeeded, because a job that was given up stays. */
async function learnt(directory: string): Promise<void> {
  await until('the learner is done', () => jobsIn(directory).length === 0);
}

function artifactIn(directory: string) {
  const files = artifactsIn(directory);
  assert.equal(files.length, 1);
  const { nativeCode, generation, final } = decodeArtifact(readFileSync(files[0] as string));
  const { optimised, executed } = readNativeCode(nativeCode, functions);
  return { optimised: optimised.size, executed: executed.size, generation, final };
}

// All but "neverCalled".
const EXECUTED = FUNCTION_NAMES.length - 1;

describe('a program in which V8 optimised something', () => {
  it('is learnt in its first run, final in its second, and not saved again', async () => {
    const directory = temporaryDirectory();
    assert.equal(run(directory, 'hot', { env: { WASM_CACHE_LEARN: 'off' } }), 0);
    const before = artifactIn(directory);
    assert.ok(before.optimised > 0 && before.executed > before.optimised, JSON.stringify(before));

    assert.equal(run(directory, 'hot'), before.optimised);
    await learnt(directory);
    const after = artifactIn(directory);
    assert.equal(after.optimised, EXECUTED);
    assert.equal(after.final, false);

    assert.equal(run(directory, 'hot'), EXECUTED);
    assert.deepEqual(jobsIn(directory), []);
    assert.equal(artifactIn(directory).final, true);

    const files = snapshot(directory);
    assert.equal(run(directory, 'hot'), EXECUTED);
    assert.deepEqual(snapshot(directory), files);
  });

  it('is learnt in its first run, if learning is on from the start', async () => {
    const directory = temporaryDirectory();
    assert.equal(run(directory, 'hot'), 0);
    await learnt(directory);
    assert.deepEqual(
      { ...artifactIn(directory), generation: 0 },
      { optimised: EXECUTED, executed: 0, generation: 0, final: false },
    );
    assert.equal(run(directory, 'cold'), EXECUTED);
    assert.equal(artifactIn(directory).final, true);
  });
});

test('a program in which V8 optimised nothing is learnt within three runs', async () => {
  const directory = temporaryDirectory();
  const restored: number[] = [];
  for (let round = 0; round < 4; round++) {
    restored.push(run(directory, 'cold'));
    await learnt(directory);
  }
  // The first run shows that there is something to learn, the second what.
  assert.deepEqual([restored[0], restored[1]], [0, 1]);
  assert.ok((restored[2] as number) >= EXECUTED, `${restored}`);
  assert.equal(artifactIn(directory).final, true);
  const files = snapshot(directory);
  run(directory, 'cold');
  assert.deepEqual(snapshot(directory), files);
});

// Without an artifact V8 tells nothing of a cold program, so that a job would be all that there is.
for (const [name, options] of [
  ['WASM_CACHE_LEARN=off', { env: { WASM_CACHE_LEARN: 'off' } }],
  ['CI=true', { env: { WASM_CACHE_LEARN: '', CI: 'true' } }],
  ['CI=true and WASM_CACHE_LEARN=auto', { env: { WASM_CACHE_LEARN: 'auto', CI: 'true' } }],
  ['WASM_CACHE_MODE=read-only', { env: { WASM_CACHE_MODE: 'read-only' } }],
  ['WASM_CACHE_MODE=off', { env: { WASM_CACHE_MODE: 'off' } }],
] as [string, Run][]) {
  test(`${name}: no learner`, () => {
    const directory = temporaryDirectory();
    run(directory, 'cold', options);
    assert.deepEqual(filesIn(directory), []);
  });
}

for (const [name, env] of [
  ['CI=true and WASM_CACHE_LEARN=hot', { CI: 'true' }],
  ['CI=false', { WASM_CACHE_LEARN: '', CI: 'false' }],
] as [string, Record<string, string>][]) {
  test(`${name}: a learner`, async () => {
    const directory = temporaryDirectory();
    run(directory, 'cold', { env });
    await until('an artifact is there', () => artifactsIn(directory).length === 1);
    await learnt(directory);
  });
}

test('an unknown value is one warning, and the default', async () => {
  const directory = temporaryDirectory();
  run(directory, 'cold', {
    env: { WASM_CACHE_LEARN: 'sometimes', CI: '' },
    stderr:
      /^\(node:\d+\) WasmCacheWarning: WASM_CACHE_LEARN=sometimes is not one of auto, hot, full, off; auto is used\.\n.*\n$/,
  });
  await until('an artifact is there', () => artifactsIn(directory).length === 1);
  await learnt(directory);
});

const permission = major === 20 ? '--experimental-permission' : '--permission';

for (const granted of [
  [],
  ['--allow-addons'],
  ['--allow-addons', '--allow-child-process'], // a learner would have all permissions
]) {
  test(`under the permission model there is no learner: ${granted.join(' ')}`, () => {
    const directory = temporaryDirectory();
    const nodeOptions = [permission, '--allow-fs-read=*', '--allow-fs-write=*', ...granted];
    // Node's own warnings about its options.
    const plain = runProgram('work.mjs', { nodeOptions, args: ['cold'] });
    const withoutPid = (stderr: string) => stderr.replaceAll(/node:\d+/g, 'node');
    const result = runProgram('work.mjs', {
      nodeOptions: [...nodeOptions, '--import', register],
      args: ['cold'],
      env: { WASM_CACHE_DIR: directory, WASM_CACHE_LEARN: 'hot' },
    });
    assert.deepEqual([result.status, withoutPid(result.stderr)], [0, withoutPid(plain.stderr)]);
    assert.deepEqual(JSON.parse(result.stdout).observed, EXPECTED);
    assert.deepEqual(jobsIn(directory), []);
  });
}

test('a program that deletes globals is learnt like any other', async () => {
  const directory = temporaryDirectory();
  const deleted = [
    'Array',
    'Set',
    'Map',
    'Uint32Array',
    'Uint8Array',
    'DataView',
    'BigInt',
    'JSON',
    'RangeError',
    'Math',
  ];
  run(directory, 'hot', { deleted });
  await learnt(directory);
  assert.equal(artifactIn(directory).optimised, EXECUTED);
});

test('two programs that end at once start one learner', async () => {
  const directory = temporaryDirectory();
  const env = { ...process.env, WASM_CACHE_DIR: directory, WASM_CACHE_LEARN: 'hot', NODE_DEBUG: 'wasm-cache' };
  const args = ['--import', register, path.join(root, 'test/programs/work.mjs'), 'cold'];
  const started = await Promise.all(
    [1, 2].map(() => text(spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] }).stderr)),
  );
  // On a busy machine one program may start so late that it finds the artifact of the other's learner; then try again.
  const learning = started.filter((output) => /miss[: ]/.test(output) && output.includes('learning ['));
  assert.equal(learning.length, 1, started.join('----\n'));
  await learnt(directory);
  assert.ok(artifactIn(directory).optimised >= 1);
});

test('after a learner failed, programs run as usual, and start none for a while', async () => {
  const directory = temporaryDirectory();
  run(directory, 'hot', { env: { WASM_CACHE_LEARN: 'off' } });
  const [artifact] = artifactsIn(directory) as [string];
  const { generation } = artifactIn(directory);
  const jobs = new LearningJobs(directory);
  const key = ModuleHash.parseHex(path.basename(artifact, '.artifact'));
  jobs.add(key, { engineId: 'none', coverage: 'hot', wireLength: 1, part: new Uint8Array(0) });
  jobs.giveUp(key);
  const [file] = jobsIn(directory) as [string];
  const before = [readFileSync(file, 'utf8'), statSync(file).mtimeMs];
  const restored = run(directory, 'hot');
  assert.ok(restored > 0);
  assert.deepEqual([readFileSync(file, 'utf8'), statSync(file).mtimeMs], before);
  assert.ok(artifactIn(directory).generation >= generation);
  // Until it is old.
  utimesSync(file, 0, 0);
  run(directory, 'hot');
  await learnt(directory);
  assert.equal(artifactIn(directory).optimised, EXECUTED);
});

describe('a program with other V8 flags', () => {
  const LATE = ['--import', `data:text/javascript,import v8 from 'node:v8'; v8.setFlagsFromString('--expose-gc')`];
  const JSPI =
    major === 20 ? ['--experimental-wasm-stack-switching'] : major === 22 ? ['--experimental-wasm-jspi'] : [];
  // V8 writes the map into /tmp.
  const WITHOUT_MAP =
    "data:text/javascript,import fs from 'node:fs'; process.on('exit', () => fs.rmSync('/tmp/perf-' + process.pid + '.map'))";
  const cases: string[][] = [
    ['--trace-gc'],
    ['--prof'],
    ['--perf-basic-prof', '--import', WITHOUT_MAP],
    ['--initial-heap-size=64'],
    ['--no-flush-bytecode'],
    ['--abort_on_uncaught_exception'],
    ...(major > 20 ? [['--wasm-staging']] : []),
    LATE,
    ['--no-flush-bytecode', ...LATE],
    ...(JSPI.length > 0 ? [JSPI] : []),
  ];
  for (const nodeOptions of cases) {
    it(`is learnt: ${nodeOptions.join(' ')}`, async () => {
      const [directory, cwd] = [temporaryDirectory(), temporaryDirectory()];
      const restoredIn = (how: string) => {
        const env = { WASM_CACHE_DIR: directory, WASM_CACHE_LEARN: 'hot' };
        const options = [...nodeOptions, '--import', register];
        const { status, stdout, stderr } = runProgram('work.mjs', { nodeOptions: options, args: [how], env, cwd });
        assert.equal(status, 0, stderr);
        return JSON.parse(/^\{.*\}$/m.exec(stdout)?.[0] ?? '').restored;
      };
      assert.equal(restoredIn('hot'), 0);
      await learnt(directory);
      assert.equal(restoredIn('cold'), EXECUTED);
    });
  }
});
