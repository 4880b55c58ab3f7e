import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filesIn, register, runProgram, temporaryDirectory } from '../support/processes.js';

const WAYS = [
  ...[
    'createContext',
    'namedImport',
    'runInNewContext',
    'runInNewContextByName',
    'script',
    'ordinaryGlobal',
    'twice',
    'proxy',
  ],
];

function seen(args: string[], directory?: string): unknown {
  const env = directory === undefined ? {} : { WASM_CACHE_DIR: directory };
  const result = runProgram('contexts.mjs', {
    args,
    env,
    nodeOptions: directory === undefined ? [] : ['--import', register],
  });
  assert.deepEqual([result.status, result.stderr], [0, '']);
  return JSON.parse(result.stdout);
}

for (const way of WAYS) {
  test(`a program sees the same in a context: ${way}`, () => {
    const directory = temporaryDirectory();
    const plain = seen([way]);
    for (const run of ['cold', 'warm', 'warm']) assert.deepEqual(seen([way], directory), plain, run);
  });
}

test('a program sees the same of the functions of node:vm', () => {
  assert.deepEqual(seen([], temporaryDirectory()), seen([]));
});

for (const [what, make] of Object.entries({
  createContext: 'vm.runInContext(code, vm.createContext({ bytes }))',
  'createContext without an object': 'vm.runInContext(code, Object.assign(vm.createContext(), { bytes }))',
  runInNewContext: 'vm.runInNewContext(code, { bytes })',
  'Script.runInNewContext': 'new vm.Script(code).runInNewContext({ bytes })',
})) {
  for (const call of [
    'new WebAssembly.Module(bytes)',
    'WebAssembly.compile(bytes)',
    'WebAssembly.instantiate(bytes)',
  ]) {
    test(`the cache serves ${call} in a context of ${what}`, () => {
      const directory = temporaryDirectory();
      const code = `const code = ${JSON.stringify(`(async () => { const m = await ${call}; return m.module ?? m; })()`)};`;
      const stats = () => {
        const env = { WASM_CACHE_DIR: directory };
        const result = runProgram('observe-contexts.mjs', {
          args: [`${code} return ${make};`],
          env,
          nodeOptions: ['--import', register],
        });
        assert.deepEqual([result.status, result.stderr], [0, '']);
        const { hits, misses, errors } = JSON.parse(result.stdout);
        return { hits, misses, errors };
      };
      assert.deepEqual(stats(), { hits: 0, misses: 1, errors: 0 });
      assert.equal(filesIn(directory).length, 1);
      assert.deepEqual(stats(), { hits: 1, misses: 0, errors: 0 });
    });
  }
}

test('contexts are collected', () => {
  const program = `let collected = 0;
    const registry = new FinalizationRegistry(() => collected++);
    for (let i = 0; i < 50; i++) {
      const context = vm.createContext({ bytes });
      vm.runInContext('new WebAssembly.Module(bytes)', context);
      registry.register(context);
    }
    for (let tries = 0; tries < 50 && collected < 45; tries++) {
      globalThis.gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return collected >= 45;`;
  const nodeOptions = ['--expose-gc', '--import', register];
  const env = { WASM_CACHE_DIR: temporaryDirectory() };
  const result = runProgram('observe-contexts.mjs', { args: [program, 'print'], env, nodeOptions });
  assert.deepEqual([result.status, result.stdout.trim()], [0, 'true'], result.stderr);
});
