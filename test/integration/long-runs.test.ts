import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { decodeHeader } from '../../dist/artifact/header.js';
import { knownV8 } from '../../dist/engine/v8-versions.js';
import { until } from '../support/learning.js';
import { filesIn, register, runProgram, temporaryDirectory } from '../support/processes.js';

interface Run {
  result: number;
  optimised: number[];
  fromLearner: number[];
}

const LEARNT = [0, 1, 2];
/** Rounds that take 2 s of CPU time with a learner's code on a quiet machine. */
const LONG = 600;

function run(directory: string, rounds: number, env: Record<string, string> = {}, nodeOptions: string[] = []): Run {
  const { status, signal, stdout, stderr } = runProgram('long-run.mjs', {
    nodeOptions: [...nodeOptions, ...(directory ? ['--import', register] : [])],
    args: [String(rounds)],
    env: { WASM_CACHE_DIR: directory, WASM_CACHE_LEARN: 'hot', ...env },
  });
  assert.deepEqual([status, signal], [0, null], stderr);
  return JSON.parse(stdout);
}

const headerIn = (directory: string) => {
  const [file, ...others] = filesIn(directory).filter((each) => each.endsWith('.artifact'));
  assert.equal(others.length, 0);
  return file ? decodeHeader(readFileSync(file)) : undefined;
};

/** A folder with what a learner made of light runs. */
async function trained(): Promise<string> {
  const directory = temporaryDirectory();
  for (let i = 0; i < 10 && !headerIn(directory)?.final; i++) {
    run(directory, 0);
    await learnersEnd(directory);
  }
  assert.equal(headerIn(directory)?.hasLearnerCode, true);
  return directory;
}

const learnersEnd = (directory: string) =>
  until(
    'the learner is done',
    () => !filesIn(directory).some((file) => file.includes(`${path.sep}learning${path.sep}`)),
  );

describe('a long run after light ones', {
  skip: !knownV8()?.inlines && "this V8 makes no better code than a learner's",
}, () => {
  it("gets V8's code while it runs, saves it, and the next long run keeps it", async () => {
    const directory = await trained();
    const { result } = run('', LONG);
    const first = run(directory, LONG);
    assert.equal(first.result, result);
    assert.equal(first.fromLearner.includes(2), false, 'the loop is still that of the learner');
    assert.equal(first.optimised.includes(2), true, 'the loop is not optimised any more');
    await learnersEnd(directory);
    const header = headerIn(directory);
    assert.ok(header && header.optimisedFor >= 100, String(header?.optimisedFor));

    // What did not get hot by itself is the learner's again, and nothing is dropped any more.
    const short = run(directory, 0);
    assert.deepEqual(short.optimised, LEARNT);
    assert.equal(short.fromLearner.includes(2), false);
    assert.equal(run(directory, 1).result, run('', 1).result);
  });

  it('keeps its code where nothing is saved, unless it runs for very long', async () => {
    const directory = await trained();
    const before = headerIn(directory);
    const { fromLearner } = run(directory, 100, { WASM_CACHE_MODE: 'read-only' });
    assert.deepEqual(fromLearner, LEARNT);
    assert.deepEqual(headerIn(directory), before);
  });

  for (const option of ['--cpu-prof', '--inspect=0']) {
    it(`keeps its code with ${option}`, async () => {
      const directory = await trained();
      const profile = option === '--cpu-prof' ? [`--cpu-prof-dir=${temporaryDirectory()}`] : [];
      assert.deepEqual(run(directory, LONG / 2, {}, [option, ...profile]).fromLearner, LEARNT);
    });
  }
});
