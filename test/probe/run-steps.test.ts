import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, it } from 'node:test';
import { readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';
import { probeModule } from '../../dist/probe/module.js';
import { type RunStepsOptions, runSteps, STEP_NAMES } from '../../dist/probe/run-steps.js';
import { root } from '../support/processes.js';

const faulty = path.join(root, 'test/programs/faulty-step.mjs');
const runFaulty = (fault: string, step: string, options: RunStepsOptions = {}) =>
  runSteps({ program: [faulty, fault, step], ...options });

describe('the steps of the probe', () => {
  it('pass on this Node', async () => {
    const steps = await runSteps();
    assert.deepEqual(
      steps.map(({ name, failure }) => [name, failure]),
      STEP_NAMES.map((name) => [name, undefined]),
    );
    assert.ok(steps.every(({ milliseconds }) => milliseconds > 0));
  });

  it('try the optimised code of every function that runs often', () => {
    const { output, status } = spawnSync(process.execPath, [path.join(root, 'dist/probe/step-process.js'), 'save'], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    });
    assert.equal(status, 0);
    const nativeCode = new Uint8Array(Buffer.from(JSON.parse(String(output[3])).nativeCode, 'base64'));
    const wireBytes = probeModule();
    const names = WebAssembly.Module.exports(new WebAssembly.Module(wireBytes)).map(({ name }) => name);
    const { optimised } = readNativeCode(nativeCode, countFunctions(wireBytes));
    // V8 may have inlined the two functions that are called through the table, and the last one runs once.
    const others = ['counter', 'square', 'negate', 'grow'];
    const missing = names.filter((name, index) => !others.includes(name) && !optimised.has(index));
    assert.deepEqual(missing, []);
  });

  for (const { fault, step, failure } of [
    { fault: 'crash', step: 'load', failure: /^it crashed with SIGABRT/ },
    { fault: 'segfault', step: 'open', failure: /^it crashed with SIGSEGV/ },
    { fault: 'wrong results', step: 'load', failure: /^a result was fibonacci: 611, expected fibonacci: 610$/ },
    { fault: 'wrong results', step: 'collect', failure: /^a result was fibonacci: 611/ },
    { fault: 'no trap', step: 'trap', failure: /^peek\(65536\) did not trap$/ },
    { fault: 'takes anything', step: 'refuse', failure: /^V8 accepted native code with another number in its header/ },
    { fault: 'takes anything', step: 'flags', failure: /^V8 accepted native code that was made under other flags$/ },
  ]) {
    it(`end with the first that fails, and report why: ${fault} in ${step}`, async () => {
      const steps = await runFaulty(fault, step);
      assert.equal(steps.at(-1)?.name, step);
      assert.match(steps.at(-1)?.failure ?? '', failure);
      assert.ok(steps.slice(0, -1).every((each) => each.failure === undefined));
      assert.equal(steps.length, STEP_NAMES.indexOf(step as never) + 1);
    });
  }

  it('end with one that hangs', async () => {
    const steps = await runFaulty('hang', 'open', { timeout: 1000 });
    assert.deepEqual(
      steps.map(({ name, failure }) => [name, failure]),
      [['open', 'it took longer than 1 s']],
    );
  });

  it('report nothing about V8 if a signal ends one', async () => {
    await assert.rejects(runFaulty('killed', 'open'), /was killed with SIGKILL/);
    const controller = new AbortController();
    const running = runFaulty('hang', 'open', { signal: controller.signal });
    controller.abort();
    await assert.rejects(running, { name: 'AbortError' });
  });

  it('report a missing node binary', async () => {
    await assert.rejects(runSteps({ node: '/nowhere/node' }), { code: 'ENOENT' });
  });
});
