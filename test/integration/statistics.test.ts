// The counts of the hook for whole programs.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { sumByModule } from '../../dist/statistics/read.js';
import { sumModule } from '../../dist/testing/modules.js';
import {
  filesIn,
  type RunOptions,
  type RunResult,
  register,
  runProgram,
  statisticsIn,
  temporaryDirectory,
} from '../support/processes.js';

function setUp() {
  const directory = path.join(temporaryDirectory(), 'cache');
  const run = (program: string, options: RunOptions = {}): RunResult => {
    const { env, nodeOptions = [] } = options;
    const hooked = [...nodeOptions, '--import', register];
    const result = runProgram(program, { ...options, nodeOptions: hooked, env: { WASM_CACHE_DIR: directory, ...env } });
    assert.deepEqual([result.status, result.stderr], [0, '']);
    return result;
  };
  const lines = () => statisticsIn(directory);
  return { directory, run, lines };
}

/** A program outside this package's folder. */
function write(name: string, source: string): string {
  const file = path.join(temporaryDirectory(), name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, source);
  writeFileSync(path.join(path.dirname(file), 'sum.wasm'), sumModule({ offset: 5, padding: 70_000 }));
  return file;
}

const PRELUDE = `import { readFileSync } from 'node:fs';
  const wireBytes = readFileSync(new URL('sum.wasm', import.meta.url));
  const response = () => new Response(wireBytes, { headers: { 'content-type': 'application/wasm' } });
  let module; process.on('exit', () => module);\n`;

describe('the statistics of a program', () => {
  it('contain its miss with the time of V8, and its hits', () => {
    const { run, lines } = setUp();
    run('hot.mjs');
    const [cold, ...others] = lines();
    assert.deepEqual([cold?.misses, cold?.restored, others.length], [1, 0, 0]);
    assert.match(String(cold?.key), /^[0-9a-f]{16}$/, 'which nobody needed until the exit');
    assert.ok(cold && cold.compileTime > 0 && cold.wireLength > 70_000 && cold.nativeLength === 0);
    run('hot.mjs');
    const [, warm, ...more] = lines();
    assert.deepEqual([warm?.misses, warm?.restored, more.length], [0, 1, 0]);
    assert.ok(warm && warm.hitTime > 0 && warm.nativeLength > 0);
    assert.equal(warm.key, cold.key);
  });

  it('contain the hit of a program that does nothing at its exit', () => {
    const { run, lines } = setUp();
    // Without an exit event, as if nothing listened to it.
    const program = write('ends.mjs', `${PRELUDE} module = new WebAssembly.Module(wireBytes); process.reallyExit(0);`);
    run(
      write(
        'hot.mjs',
        `${PRELUDE} module = new WebAssembly.Module(wireBytes);
      const { sum } = new WebAssembly.Instance(module).exports;
      for (let i = 0; i < 30; i++) sum(20_000_000);
      await new Promise((resolve) => setTimeout(resolve, 100));`,
      ),
    );
    // One process in 8 names the caller of a hit. On a slow machine that takes more time than it has, and it would write later.
    for (let runs = 0; runs < 3; runs++) run(program);
    const [counts, ...others] = sumByModule(lines());
    assert.deepEqual([counts?.misses, others.length], [1, 0]);
    assert.ok(counts && counts.restored >= 1);
  });

  for (const [what, call] of Object.entries({
    'new Module()': 'module = new WebAssembly.Module(wireBytes);',
    'compile()': 'module = await WebAssembly.compile(wireBytes);',
    'instantiate()': 'module = (await WebAssembly.instantiate(wireBytes, {})).module;',
    'compileStreaming()': 'module = await WebAssembly.compileStreaming(response());',
    'instantiateStreaming()': 'module = (await WebAssembly.instantiateStreaming(response(), {})).module;',
  })) {
    it(`name the package that calls ${what}`, () => {
      const { run, lines } = setUp();
      run(write('node_modules/@scope/name/lib/main.mjs', `${PRELUDE} ${call}`));
      assert.deepEqual(
        lines().map(({ name, misses }) => [name, misses]),
        [['@scope/name', 1]],
      );
    });
  }

  it("name the program where Node's own code calls, as for an import of a .wasm file", (context) => {
    const { run, lines } = setUp();
    const program = write('app/src/main.mjs', "import * as sum from './sum.wasm'; console.log(sum);");
    const nodeOptions = ['--no-warnings', '--experimental-wasm-modules'];
    const isAllowed = process.allowedNodeEnvironmentFlags.has('--experimental-wasm-modules');
    if (runProgram(program, { nodeOptions }).status !== 0 || !isAllowed) return context.skip('this Node has it not');
    run(program, { nodeOptions });
    assert.deepEqual(
      lines().map(({ name }) => name),
      ['src/main.mjs'],
    );
  });

  it('contain those of its workers', () => {
    const { run, lines } = setUp();
    run('hot.mjs', { args: ['worker'] });
    run('hot.mjs', { args: ['worker'] });
    assert.deepEqual(
      sumByModule(lines()).map(({ misses, restored }) => [misses, restored]),
      [[1, 1]],
    );
  });

  it('are the same for a program that replaces globals and prototypes', () => {
    const { run, lines } = setUp();
    const hostile = `${PRELUDE}
      Error.prepareStackTrace = () => { throw new Error('patched'); };
      Error.stackTraceLimit = 0;
      globalThis.Date = globalThis.Map = globalThis.setTimeout = undefined;
      process.hrtime.bigint = process.hrtime = Math.round = undefined;
      module = new WebAssembly.Module(wireBytes);`;
    run(write('node_modules/hostile/main.mjs', hostile));
    assert.deepEqual(
      lines().map(({ name, misses, key }) => [name, misses, key.length]),
      [['hostile', 1, 16]],
    );
  });

  it('do not disturb a program that broke the functions that they use', () => {
    const { run } = setUp();
    const broken = (name: string) =>
      write(
        'main.mjs',
        `${PRELUDE}
        ${name} = () => { throw new Error('broken'); };
        module = new WebAssembly.Module(wireBytes);
        process.stdout.write(String(new WebAssembly.Instance(module).exports.sum(10)));`,
      );
    for (const name of ['Map.prototype.set', 'WeakMap.prototype.has', 'String.prototype.split', 'Object.entries']) {
      assert.equal(run(broken(name)).stdout, '60', name);
    }
  });

  it('are not kept if they are off, or in read-only mode', () => {
    const { run, directory } = setUp();
    run('hot.mjs', { env: { WASM_CACHE_STATISTICS: 'off' } });
    for (const env of [{ WASM_CACHE_STATISTICS: 'off' }, { WASM_CACHE_MODE: 'read-only' }]) run('hot.mjs', { env });
    assert.ok(existsSync(directory));
    assert.equal(existsSync(path.join(directory, 'statistics')), false);
    run('enable.mjs', { args: [directory, '{"statistics":false}'], env: { WASM_CACHE_DISABLE: '1' } });
    assert.equal(existsSync(path.join(directory, 'statistics')), false);
  });

  it('are not kept if the program turns them off', () => {
    const directory = path.join(temporaryDirectory(), 'cache');
    const args = [directory, '{"statistics":false}'];
    assert.equal(runProgram('enable.mjs', { args }).status, 0);
    assert.equal(existsSync(path.join(directory, 'statistics')), false);
    assert.equal(runProgram('enable.mjs', { args: [directory] }).status, 0);
    assert.ok(existsSync(path.join(directory, 'statistics')));
  });

  it('are not written to a folder that is not trusted', { skip: process.platform === 'win32' }, () => {
    const directory = temporaryDirectory();
    chmodSync(directory, 0o777);
    const options = { nodeOptions: ['--import', register], env: { WASM_CACHE_DIR: directory } };
    const { status, stderr } = runProgram('hot.mjs', options);
    assert.equal(status, 0);
    assert.match(stderr, /WasmCacheWarning: .* can be written by others/);
    assert.deepEqual(readdirSync(directory), []);
  });

  it('do not disturb a program that may write nothing', (context) => {
    const flag = ['--permission', '--experimental-permission'].find((each) =>
      process.allowedNodeEnvironmentFlags.has(each),
    );
    if (!flag) return context.skip('this Node has it not');
    const { run, directory } = setUp();
    run('hot.mjs', { args: ['Module', 'short'] });
    const before = [filesIn(directory), statisticsIn(directory)];
    const program = write('main.mjs', `${PRELUDE} module = new WebAssembly.Module(wireBytes);`);
    run(program, { nodeOptions: [flag, '--no-warnings', '--allow-fs-read=*', '--allow-addons'] });
    assert.deepEqual([filesIn(directory), statisticsIn(directory)], before);
  });

  it('contain hundreds of modules', () => {
    const { run, lines } = setUp();
    const source = `
      import { sumModule } from ${JSON.stringify(new URL('../../dist/testing/modules.js', import.meta.url))};
      const one = sumModule({ padding: 70_000 });
      const all = Array.from({ length: 200 }, (_, at) => one.with(-1, at & 127).with(-2, at >> 7));
      const modules = all.map((wireBytes) => new WebAssembly.Module(wireBytes));
      process.on('exit', () => modules);`;
    run(write('main.mjs', source));
    const counted = lines().map(({ misses, key }) => [misses, key.length]);
    assert.deepEqual(counted, Array(200).fill([1, 16]));
  });
});
