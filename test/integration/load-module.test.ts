import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { compileAheadOfTime, FileSystemCache, inMemory, loadModule, ModuleHash, V8Engine } from '../../dist/index.js';
import { LearningJobs } from '../../dist/learning/jobs.js';
import { filesIn, root, temporaryDirectory } from '../support/processes.js';

const wireBytes = readFileSync(createRequire(path.join(root, 'package.json')).resolve('sql.js/dist/sql-wasm.wasm'));
const key = ModuleHash.sha256(wireBytes);
const engine = new V8Engine();
const exports = WebAssembly.Module.exports(new WebAssembly.Module(wireBytes)).length;
const run = promisify(execFile);

interface Answer {
  source: string;
  steps: string[];
  duration: number;
  optimised: number;
  exports: number;
}

/** The answers of `count` processes that load the module at the same moment. */
async function processes(count: number, directory: string, options = {}): Promise<Answer[]> {
  const program = path.join(root, 'test', 'programs', 'load-module.mjs');
  const start = Date.now() + 300 + 150 * count;
  const answers = Array.from({ length: count }, async () => {
    const { stdout, stderr } = await run(process.execPath, [
      program,
      directory,
      JSON.stringify(options),
      String(start),
    ]);
    assert.equal(stderr, '');
    return JSON.parse(stdout) as Answer;
  });
  return Promise.all(answers);
}

describe('loadModule in several processes', () => {
  it('16 at once on a cold key: one optimises in full, the others wait for it and get its code', async () => {
    const directory = temporaryDirectory();
    // A busy machine may take longer than the default wait.
    const answers = await processes(16, directory, { coverage: 'full', waitAtMost: 300_000 });
    assert.deepEqual(new Set(answers.map((each) => each.exports)), new Set([exports]));
    const compilations = answers.filter(({ steps }) => steps.includes('compile full compiled'));
    assert.ok(compilations.length >= 1 && compilations.length <= 2, `${compilations.length} compiled in full`);
    assert.equal(answers.filter(({ steps }) => steps.includes('compile compiled')).length, 0, 'none compiled alone');
    const full = Math.max(...answers.map(({ optimised }) => optimised));
    assert.ok(
      answers.every(({ optimised }) => optimised === full),
      `all have all of the code: ${answers.map(({ optimised }) => optimised)}`,
    );
    assert.ok(answers.some(({ steps }) => steps.includes('wait stored')));
    assert.equal(filesIn(directory).length, 1, 'one artifact, nothing else');
    const [warm] = await processes(1, directory, { coverage: 'full' });
    assert.deepEqual(warm?.steps, ['lookup miss', 'lookup hit']);
  });

  it('16 at once without that: each compiles, none fails, and one artifact is left', async () => {
    const directory = temporaryDirectory();
    const answers = await processes(16, directory);
    assert.deepEqual(new Set(answers.map((each) => each.exports)), new Set([exports]));
    assert.equal(filesIn(directory).length, 1);
  });

  it('waits for another process at most as long as it was told, then compiles alone', async () => {
    const directory = temporaryDirectory();
    new LearningJobs(directory).hold(key, {
      engineId: engine.deterministicId,
      coverage: 'full',
      wireLength: wireBytes.length,
      part: wireBytes,
    });
    const [answer] = await processes(1, directory, { coverage: 'full', waitAtMost: 300 });
    assert.deepEqual(answer?.steps, ['lookup miss', 'lookup miss', 'wait over', 'compile compiled', 'save saved']);
    assert.ok(answer.duration >= 300 && answer.duration < 25_000, `${answer.duration} ms`);
    assert.equal(answer.source, 'compiler');
  });

  it('does not wait for a process that gives up', async () => {
    const directory = temporaryDirectory();
    const jobs = new LearningJobs(directory);
    const held = jobs.hold(key, {
      engineId: engine.deterministicId,
      coverage: 'full',
      wireLength: wireBytes.length,
      part: wireBytes,
    });
    setTimeout(() => held?.giveUp(), 200);
    const cache = new FileSystemCache(directory);
    const { duration, source } = await loadModule(wireBytes, { cache, engine, coverage: 'full' });
    assert.ok(duration < 5000, `${duration} ms`);
    assert.equal(source, 'compiler');
  });

  it('an aborted load ends the process that optimises, and others may start one', async () => {
    const directory = temporaryDirectory();
    const cache = inMemory({ name: directory }).withFallback(new FileSystemCache(directory));
    const controller = new AbortController();
    const reason = new Error('enough');
    const onProgress = ({ step, state }: { step: string; state: string }) => {
      if (step === 'compile' && state === 'started') setTimeout(() => controller.abort(reason), 50);
    };
    const { signal } = controller;
    await assert.rejects(loadModule(wireBytes, { cache, engine, coverage: 'full', signal, onProgress }), reason);
    const { steps, source } = await loadModule(wireBytes, { cache, engine, coverage: 'full' });
    assert.ok(steps.some(({ step, outcome }) => step === 'compile' && outcome === 'compiled'));
    assert.equal(source, 'compiler');
    await compileAheadOfTime(wireBytes, { directory }); // which finds it in the folder
  });
});
