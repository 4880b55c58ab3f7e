import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadAddon } from '../../dist/native/addon.js';
import { runProgram } from '../support/processes.js';

const { addon } = loadAddon();

test('a program and its worker go on with the right results while their code is dropped', () => {
  const { status, signal, stdout, stderr } = runProgram('retiering.mjs', {
    nodeOptions: ['--expose-gc'],
    args: ['100'],
  });
  assert.deepEqual([status, signal], [0, null], stderr);
  assert.equal(JSON.parse(stdout).drops >= 100, true, stdout);
});

for (const end of ['return', 'exit', 'reallyExit', 'throw', 'worker']) {
  test(`a program may end while its code is dropped: ${end}`, () => {
    for (let milliseconds = 0; milliseconds < 40; milliseconds += 4) {
      const { status, signal, stderr } = runProgram('retiering-exit.mjs', { args: [end, String(milliseconds)] });
      assert.deepEqual([status, signal], [end === 'throw' ? 1 : 0, null], `after ${milliseconds} ms: ${stderr}`);
    }
  });
}

test('what is not a module is refused', () => {
  assert.ok(addon?.retier && addon.retierAfter && addon.retierings);
  for (const wrong of [undefined, {}, new Proxy({}, {})] as WebAssembly.Module[]) {
    assert.throws(() => addon.retier?.(wrong), TypeError);
    assert.throws(() => addon.retierAfter?.(wrong, 1), TypeError);
    assert.throws(() => addon.retierings?.(wrong), TypeError);
  }
  const module = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
  assert.throws(() => addon.retierAfter?.(module, -1), TypeError);
  assert.equal(addon.retierings(module), 0);
});
