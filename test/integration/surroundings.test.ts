// Ways to start a program, to change its process, and to end it. Each runs plain, with the hook and an empty cache, and from the
// cache.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { sumModule } from '../../dist/testing/modules.js';
import {
  filesIn,
  library,
  type RunResult,
  register,
  root,
  runProgram,
  temporaryDirectory,
} from '../support/processes.js';

const { SUPPORTED, installedNode } = await import(pathToFileURL(path.join(root, 'scripts', 'nodes.mjs')).href);

const SUM = 500_505;
const modules = new URL('../../dist/testing/modules.js', import.meta.url).href;

/** Runs the sum module until V8 has code to save. `restored` tells whether the module had code from the start. */
const PRELUDE = `
  import { optimise, sumModule } from ${JSON.stringify(modules)};
  import { moduleCacheStats, V8Engine } from ${JSON.stringify(library)};
  const engine = new V8Engine();
  const wireBytes = sumModule({ offset: 5, padding: 70_000 });
  const heat = async (module) => {
    const restored = engine.serialize(module) !== undefined;
    await optimise(module, (each) => engine.serialize(each));
    return { restored, sum: new WebAssembly.Instance(module).exports.sum(1000) };
  };
`;

interface Program {
  directory: string;
  file: string;
  /** The path of a private cache folder that does not exist yet. */
  cache: string;
}

function write(source: string, name = 'program.mjs'): Program {
  const directory = temporaryDirectory();
  const file = path.join(directory, name);
  writeFileSync(file, source);
  return { directory, file, cache: path.join(directory, 'cache') };
}

interface RunUnderHook {
  nodeOptions?: string[];
  args?: string[];
  env?: Record<string, string>;
  hook?: string[];
}

function underHook({ file, cache }: Program, options: RunUnderHook = {}): RunResult {
  const { nodeOptions = [], args = [], env = {}, hook = ['--import', register] } = options;
  return runProgram(file, { nodeOptions: [...nodeOptions, ...hook], args, env: { WASM_CACHE_DIR: cache, ...env } });
}

function printed({ status, signal, stdout, stderr }: RunResult): Record<string, unknown> {
  assert.deepEqual([status, signal, stderr], [0, null, ''], stderr);
  return JSON.parse(stdout);
}

/** Cold, then from the cache. */
function restoresOnSecondRun(program: Program, options: RunUnderHook = {}): void {
  assert.deepEqual(printed(underHook(program, options)), { restored: false, sum: SUM });
  assert.deepEqual(printed(underHook(program, options)), { restored: true, sum: SUM });
}

const HEAT = `${PRELUDE} console.log(JSON.stringify(await heat(new WebAssembly.Module(wireBytes))));`;

// --- ESM integration

for (const [what, statement, use] of [
  ['import source', "import source module from './sum.wasm';", 'new WebAssembly.Instance(module).exports.sum'],
  ['import *', "import * as exports from './sum.wasm';", 'exports.sum'],
  ['import()', "const exports = await import('./sum.wasm');", 'exports.sum'],
  [
    'import.source()',
    "const module = await import.source('./sum.wasm');",
    'new WebAssembly.Instance(module).exports.sum',
  ],
] as const) {
  test(`${what} of a .wasm file: the same result, and from the cache`, (context) => {
    const program = write(`
      ${statement}
      import { moduleCacheStats } from ${JSON.stringify(library)};
      const sum = ${use};
      for (let round = 0; round < 30; round++) sum(20_000_000);
      await new Promise((resolve) => setTimeout(resolve, 100));
      console.log(JSON.stringify({ sum: sum(1000), hits: moduleCacheStats().hits }));`);
    writeFileSync(path.join(program.directory, 'sum.wasm'), sumModule({ offset: 5, padding: 70_000 }));
    const plain = (nodeOptions: string[]) => runProgram(program.file, { nodeOptions });
    const nodeOptions = [[], ['--experimental-wasm-modules']]
      .map((options) => ['--no-warnings', ...options])
      .find((options) => plain(options).status === 0);
    if (!nodeOptions) return context.skip('this Node has it not');
    assert.deepEqual(printed(plain(nodeOptions)), { sum: SUM, hits: 0 });
    assert.deepEqual(printed(underHook(program, { nodeOptions })), { sum: SUM, hits: 0 });
    assert.deepEqual(printed(underHook(program, { nodeOptions })), { sum: SUM, hits: 1 });
  });
}

// --- How it is started

function artifactsIn(cache: string): string[] {
  return existsSync(cache) ? filesIn(cache).filter((file) => file.endsWith('.artifact')) : [];
}

test('a CommonJS program, the hook given by --import and by --require', () => {
  const source = `(async () => {
    const { optimise, sumModule } = await import(${JSON.stringify(modules)});
    const { V8Engine } = await import(${JSON.stringify(library)});
    const engine = new V8Engine();
    const module = new WebAssembly.Module(sumModule({ offset: 5, padding: 70_000 }));
    const restored = engine.serialize(module) !== undefined;
    await optimise(module, (each) => engine.serialize(each));
    console.log(JSON.stringify({ restored, sum: new WebAssembly.Instance(module).exports.sum(1000) }));
  })();`;
  restoresOnSecondRun(write(source, 'program.cjs'));
  // Node 20 warns about every require() of an ES module.
  const hook = ['--no-warnings', '--require', path.join(root, 'dist/register.js')];
  restoresOnSecondRun(write(source, 'program.cjs'), { hook });
});

test('a program that starts node from PATH, the hook given by NODE_OPTIONS', () => {
  const program = write(HEAT);
  const parent = path.join(program.directory, 'parent.mjs');
  writeFileSync(
    parent,
    `import { spawnSync } from 'node:child_process';
     const { status } = spawnSync('node', [${JSON.stringify(program.file)}], { stdio: 'inherit' });
     process.exitCode = status;`,
  );
  const env = {
    NODE_OPTIONS: `--import=${register}`,
    PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH}`,
  };
  restoresOnSecondRun({ ...program, file: parent }, { hook: [], env });
});

test('a program under --permission is served if it may use the cache, and otherwise runs as without the hook', (context) => {
  const program = write(HEAT);
  const flag = ['--permission', '--experimental-permission'].find((each) =>
    process.allowedNodeEnvironmentFlags.has(each),
  );
  if (!flag) return context.skip('this Node has it not');
  const permission = [flag, '--no-warnings', '--allow-fs-read=*'];
  // Loading an addon needs a permission. Without it the program cannot load the addon of this test either.
  const light = write(`
    const bytes = await import(${JSON.stringify(modules)}).then(({ sumModule }) => sumModule({ offset: 5, padding: 70_000 }));
    const module = new WebAssembly.Module(bytes);
    console.log(JSON.stringify({ sum: new WebAssembly.Instance(module).exports.sum(1000) }));`);
  const seen = (options: string[], { file, cache } = light) => {
    mkdirSync(cache, { mode: 0o700, recursive: true });
    const run = underHook({ ...light, file, cache }, { nodeOptions: options });
    const plain = runProgram(file, { nodeOptions: options, env: { WASM_CACHE_DIR: cache } });
    assert.deepEqual([run.status, run.stderr], [plain.status, plain.stderr]);
    return { run: JSON.parse(run.stdout), plain: JSON.parse(plain.stdout) };
  };
  if (runProgram(light.file, { nodeOptions: permission }).status !== 0)
    return context.skip('it ends every program here');
  const { run, plain } = seen(permission);
  assert.deepEqual(run, plain);
  if (!process.allowedNodeEnvironmentFlags.has('--allow-addons')) return;
  const addons = [...permission, '--allow-addons'];
  assert.equal(seen(addons, program).run.restored, false);
  assert.deepEqual(filesIn(program.cache), [], 'nothing may be written');
  const everything = [...addons, `--allow-fs-write=${path.join(program.cache, '*')}`];
  assert.equal(seen(everything, program).run.restored, false);
  assert.equal(seen(everything, program).run.restored, true);
  assert.equal(seen(addons, program).run.restored, true, 'reading is enough for a hit');
});

// --- What it does to its process

test('process.chdir before the first compile does not move a relative cache folder', () => {
  const program = write(`process.chdir('/'); ${HEAT}`);
  restoresOnSecondRun({ ...program, cache: path.relative(process.cwd(), program.cache) });
  assert.equal(artifactsIn(program.cache).length, 1);
});

test('an emptied process.env changes neither the folder nor the result', () => {
  const program = write(`
    ${PRELUDE}
    for (const name of Object.keys(process.env)) delete process.env[name];
    console.log(JSON.stringify(await heat(new WebAssembly.Module(wireBytes))));`);
  restoresOnSecondRun(program);
  assert.equal(artifactsIn(program.cache).length, 1);
});

for (const mask of [0o000, 0o777]) {
  test(`under umask ${mask.toString(8).padStart(3, '0')} the cache is private, and its owner can read it`, () => {
    const program = write(`process.umask(${mask}); ${HEAT}`);
    restoresOnSecondRun(program);
    for (const file of filesIn(program.cache)) {
      assert.equal(statSync(file).mode & 0o777, 0o600);
      for (let folder = path.dirname(file); folder !== program.directory; folder = path.dirname(folder)) {
        assert.equal(statSync(folder).mode & 0o777, 0o700, folder);
      }
    }
  });
}

test('under a debugger the results are the same, and an entry is never replaced by less', () => {
  const program = write(`
    import inspector from 'node:inspector';
    ${PRELUDE}
    if (process.argv[2] === 'debug') {
      const session = new inspector.Session();
      session.connect();
      session.post('Debugger.enable');
    }
    const { sum, peek } = new WebAssembly.Instance(new WebAssembly.Module(wireBytes)).exports;
    for (let round = 0; round < 30; round++) sum(20_000_000);
    for (let i = 0; i < 10_000_000; i++) peek(i & 1023);
    let trap;
    try { peek(70_000); } catch (error) { trap = String(error); }
    await new Promise((resolve) => setTimeout(resolve, 100));
    console.log(JSON.stringify({ sum: sum(1000), trap }));`);
  const expected = printed(runProgram(program.file, { args: ['debug'] }));
  const debugged = () => assert.deepEqual(printed(underHook(program, { args: ['debug'] })), expected);
  const entry = () => artifactsIn(program.cache).map((file) => readFileSync(file));
  debugged();
  assert.deepEqual(entry(), [], 'V8 has no optimised code to give');
  assert.deepEqual(printed(underHook(program)), expected);
  const [stored] = entry();
  assert.ok(stored);
  debugged();
  debugged();
  assert.deepEqual(entry(), [stored]);
});

// --- How it ends

/** stderr without the parts that differ between any two processes. */
function tidy(stderr: string): string {
  return stderr.replaceAll(/\(node:\d+\)/g, '(node)').replaceAll(/node:\w+:\d+:\d+|0x[0-9a-f]+/g, 'address');
}

for (const [how, code] of [
  ['process.exit in mid-run', 'process.exit(7);'],
  ['process.exitCode', 'process.exitCode = 9;'],
  ['an uncaught error', "throw new TypeError('on purpose');"],
  ['an uncaught error of the module', 'new WebAssembly.Instance(module).exports.peek(1e9);'],
  [
    'a rejection that nobody handles',
    "Promise.reject(new Error('on purpose')); await new Promise((resolve) => setTimeout(resolve, 1e3));",
  ],
  ['a module that does not link', 'new WebAssembly.Instance(new WebAssembly.Module(bad), {});'],
  ['an await that never ends', 'await new Promise(() => {});'],
  ['an error in an exit listener', "process.on('exit', () => { throw new Error('on purpose'); });"],
  ['process.abort', 'process.abort();'],
  ['SIGTERM', "process.kill(process.pid, 'SIGTERM'); await new Promise((resolve) => setTimeout(resolve, 1e4));"],
] as const) {
  test(`${how}: exit code, signal and stderr are those of plain Node`, () => {
    const program = write(`
      ${PRELUDE}
      const bad = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 2, 7, 1, 1, 97, 1, 98, 0, 0);
      const module = new WebAssembly.Module(wireBytes);
      await heat(module);
      ${code}`);
    const ending = ({ status, signal, stdout, stderr }: RunResult) => ({
      status,
      signal,
      stdout,
      stderr: tidy(stderr),
    });
    const plain = ending(runProgram(program.file));
    assert.deepEqual(ending(underHook(program)), plain);
    assert.deepEqual(ending(underHook(program)), plain);
  });
}

for (const [what, code] of [
  ['a worker that is terminated in mid-run', 'await worker.terminate(); process.exitCode = 3;'],
  ['a worker that is alive when main calls process.exit', 'process.exit(3);'],
] as const) {
  test(`${what}: nothing crashes or hangs, and what main learnt is saved`, () => {
    const program = write(`
      import { isMainThread, parentPort, Worker } from 'node:worker_threads';
      ${PRELUDE}
      if (isMainThread) {
        const { restored, sum } = await heat(new WebAssembly.Module(wireBytes));
        const worker = new Worker(new URL(import.meta.url));
        await new Promise((resolve) => worker.once('message', resolve));
        console.log(JSON.stringify({ restored, sum }));
        ${code}
      } else {
        const { sum } = new WebAssembly.Instance(new WebAssembly.Module(wireBytes)).exports;
        parentPort.postMessage('compiled');
        for (;;) sum(20_000_000);
      }`);
    for (const restored of [false, true]) {
      const { status, signal, stdout, stderr } = underHook(program);
      assert.deepEqual([status, signal, stderr], [3, null, '']);
      assert.deepEqual(JSON.parse(stdout), { restored, sum: SUM });
    }
  });
}

// --- Two versions of Node

/** Binaries of other supported versions that `npm test -- --nodes 20,22,24,26` fetched. */
function otherNodes(): string[] {
  return SUPPORTED.map(installedNode).filter((binary?: string) => binary !== undefined && binary !== process.execPath);
}

test('two versions of Node share a folder: each is served its own artifacts, and does not touch the other ones', (context: TestContext) => {
  const [other] = otherNodes();
  if (!other) return context.skip('no other Node in .nodes: npm test -- --nodes 20,22,24,26 fetches them');
  const program = write(HEAT);
  const starter = write(`
    import { spawnSync } from 'node:child_process';
    const [, , node, ...args] = process.argv;
    spawnSync(node, args, { stdio: 'inherit' });`);
  const own = () => printed(underHook(program));
  const others = () => {
    const args = [other, '--import', register, program.file];
    return printed(runProgram(starter.file, { args, env: { WASM_CACHE_DIR: program.cache } }));
  };
  assert.deepEqual(own(), { restored: false, sum: SUM });
  const [mine = ''] = artifactsIn(program.cache);
  const bytes = readFileSync(mine);
  assert.deepEqual(others(), { restored: false, sum: SUM });
  assert.equal(artifactsIn(program.cache).length, 2);
  assert.deepEqual(readFileSync(mine), bytes);
  assert.deepEqual(own(), { restored: true, sum: SUM });
  assert.deepEqual(others(), { restored: true, sum: SUM });
  assert.equal(artifactsIn(program.cache).length, 2);
});
