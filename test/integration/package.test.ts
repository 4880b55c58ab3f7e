import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { buildSync } from 'esbuild';
import { V8Engine } from '../../dist/index.js';
import { until } from '../support/learning.js';
import { type RunOptions, type RunResult, root, runProgram, temporaryDirectory } from '../support/processes.js';

// The package as npm installs it, in an empty folder and without install scripts, as on another machine.
const folder = temporaryDirectory();
const installed = path.join(folder, 'node_modules', 'wasm-module-cache');
const { unsupportedReason } = new V8Engine();
const skip = unsupportedReason ?? false;
/** The output of the program without the hook. */
let plain: string;

before(() => {
  const { status, stderr } = spawnSync(process.execPath, [path.join(root, 'scripts', 'install.mjs'), folder], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  for (const file of ['package.json', 'dist/sql-wasm.js', 'dist/sql-wasm.wasm']) {
    cpSync(path.join(root, 'node_modules/sql.js', file), path.join(folder, 'node_modules/sql.js', file));
  }
  cpSync(path.join(root, 'bench/programs/sql.js.mjs'), path.join(folder, 'program.mjs'));
  cpSync(path.join(root, 'test/programs/in-memory.mjs'), path.join(folder, 'in-memory.mjs'));
  plain = run('program.mjs').stdout;
  assert.match(plain, /^[0-9a-f]{64}\n$/);
});

function run(program: string, options: RunOptions = {}): RunResult {
  return runProgram(path.join(folder, program), { cwd: folder, ...options });
}

/** Runs a command as a user would type it there. */
function npx(args: string[], env: Record<string, string>): RunResult {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(NODE_|WASM_CACHE_|npm_|CI$)/.test(name));
  const PATH = `${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH}`;
  const { status, signal, stdout, stderr } = spawnSync('npx', ['--no', ...args], {
    cwd: folder,
    env: { ...Object.fromEntries(inherited), PATH, ...env },
    encoding: 'utf8',
  });
  return { status, signal, stdout, stderr };
}

function contentsOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((each) => each.replaceAll(path.sep, '/'));
}

it('contains what it needs and nothing else', () => {
  const pages = ['CHANGELOG.md', 'CONTRIBUTING.md', 'README.md', 'SECURITY.md', 'docs'];
  const top = [...pages, 'LICENSE', 'dist', 'package.json', 'prebuilds'].sort();
  assert.deepEqual(readdirSync(installed).sort(), top);
  const files = contentsOf(path.join(installed, 'dist')).filter((each) => path.extname(each) !== '');
  assert.deepEqual(
    files.filter((each) => !/\.(js|cjs|d\.c?ts)$/.test(each) || /\.test\./.test(each)),
    ['probe/module.wasm'],
  );
  assert.ok(!files.includes('cli/main.d.ts'), 'types that no entry needs');
});

describe('the hook', { skip }, () => {
  const directory = temporaryDirectory();
  const env = { WASM_CACHE_DIR: directory, NODE_DEBUG: 'wasm-cache', WASM_CACHE_LEARN: 'hot' };
  const hook = ['--import', 'wasm-module-cache/register'];

  it('gives a program the code that its last run optimised, and the code that a learner optimised after it', async (t) => {
    const timed = (nodeOptions: string[]) => {
      const start = performance.now();
      const result = run('program.mjs', { nodeOptions, env });
      assert.equal(result.status, 0, result.stderr);
      return { ...result, milliseconds: Math.round(performance.now() - start) };
    };
    const medianOfFive = (nodeOptions: string[]) => {
      const times = [1, 2, 3, 4, 5].map(() => timed(nodeOptions).milliseconds).sort((a, b) => a - b);
      return times[2] as number;
    };
    const first = timed(hook);
    assert.match(first.stderr, /miss/);
    const jobs = path.join(directory, 'learning');
    await until('the learner is done', () => contentsOf(jobs).length === 0);
    const second = timed(hook);
    assert.match(second.stderr, /hit [0-9a-f]{64}/);
    assert.equal(second.stdout, plain);
    t.diagnostic(`plain ${medianOfFive([])} ms, warm ${medianOfFive(hook)} ms, on Node ${process.version}`);
  });

  it('works with require, too', () => {
    const { stdout, stderr } = run('program.mjs', { nodeOptions: ['-r', 'wasm-module-cache/register'], env });
    assert.match(stderr, /hit [0-9a-f]{64}/);
    assert.equal(stdout, plain);
  });

  it('is used by wasm-cache run', () => {
    const { status, stdout, stderr } = npx(['wasm-cache', 'run', '--', 'node', 'program.mjs'], {
      WASM_CACHE_DIR: directory,
      WASM_CACHE_LEARN: 'off',
    });
    assert.equal(status, 0, stderr);
    assert.equal(stdout, plain);
    assert.match(stderr, /1 hit/);
  });

  it('passes wasm-cache doctor', () => {
    const { status, stdout, stderr } = npx(['wasm-cache', 'doctor'], { WASM_CACHE_DIR: temporaryDirectory() });
    assert.equal(status, 0, stdout + stderr);
    assert.ok(stdout.includes(`Node ${process.version} `), stdout);
    assert.match(stdout, /round-trip +.* loaded it in/);
    assert.ok(stdout.includes(path.join(installed, 'prebuilds')), stdout);
  });
});

it('every entry works with import and with require', () => {
  const entries = [
    '',
    '/browser',
    '/testing',
    '/stores/http',
    '/stores/s3',
    '/stores/redis',
    '/stores/unstorage',
    '/package.json',
  ];
  const names = JSON.stringify(entries.map((each) => `wasm-module-cache${each}`));
  writeFileSync(
    path.join(folder, 'entries.cjs'),
    `for (const name of ${names}) {
       const required = require(name);
       if (name.endsWith('.json')) continue;
       import(name).then((imported) => {
         for (const each of Object.keys(imported)) if (imported[each] !== required[each]) throw new Error(name + each);
         console.log(name);
       });
     }`,
  );
  const { status, stdout, stderr } = run('entries.cjs');
  assert.deepEqual([status, stderr], [0, '']);
  assert.equal(stdout.trim().split('\n').length, entries.length - 1);
});

for (const format of ['cjs', 'esm'] as const) {
  it(`a program that has the library in its bundle (esbuild, ${format}) starts, and is told why nothing is kept`, () => {
    const bundle = path.join(temporaryDirectory(), `dist/bundle.${format === 'cjs' ? 'cjs' : 'mjs'}`);
    const contents = `import { loadModule, ModuleHash, V8Engine } from 'wasm-module-cache';
      console.log(typeof loadModule, new V8Engine().unsupportedReason, String(ModuleHash.sha256(new Uint8Array())).length);`;
    const stdin = { contents, resolveDir: folder };
    buildSync({ stdin, bundle: true, platform: 'node', format, outfile: bundle, logLevel: 'error' });
    const { status, stdout, stderr } = runProgram(bundle);
    assert.equal(status, 0, stderr);
    assert.match(
      stdout,
      /^function .*\(wasm-module-cache is in a bundle: tell the bundler that it is external\).* 64\n$/,
    );
  });
}

it('what the pages give for NODE_OPTIONS works in every folder', () => {
  const [, code] =
    /NODE_OPTIONS="--import \$\(node -p "(.+?)"\)"/.exec(readFileSync(path.join(root, 'README.md'), 'utf8')) ?? [];
  const address = spawnSync(process.execPath, ['-p', code ?? ''], { cwd: folder, encoding: 'utf8' }).stdout.trim();
  const env = { NODE_OPTIONS: `--import ${address}`, WASM_CACHE_DIR: temporaryDirectory() };
  const { status, stderr } = run('program.mjs', { cwd: temporaryDirectory(), env });
  assert.deepEqual([status, stderr], [0, '']);
});

it('is unpacked by Yarn PnP, since node runs some of its files by their names', () => {
  const { preferUnplugged } = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'));
  assert.equal(preferUnplugged, true);
});

it('the contract suites run from wasm-module-cache/testing', () => {
  writeFileSync(
    path.join(folder, 'contract.mjs'),
    `import { ThreadLocalCache } from 'wasm-module-cache';
     import { artifactStoreContract, MemoryStore, syncModuleCacheContract } from 'wasm-module-cache/testing';
     syncModuleCacheContract('ThreadLocalCache', () => new ThreadLocalCache());
     artifactStoreContract('MemoryStore', () => new MemoryStore());`,
  );
  const { status, stdout } = run('contract.mjs');
  assert.equal(status, 0, stdout);
  assert.match(stdout, /tests [3-9]\d/);
});

it('a program starts even if the hook cannot be evaluated', () => {
  const older = 'data:text/javascript,delete process.getBuiltinModule';
  const nodeOptions = ['--import', older, '--import', 'wasm-module-cache/register'];
  const { status, stdout, stderr } = run('program.mjs', { nodeOptions });
  assert.deepEqual([status, stdout, stderr], [0, plain, '']);
});

describe('where native code cannot be used, caches in memory work, and the hook does nothing:', () => {
  const versions = (change: object) =>
    `data:text/javascript,Object.defineProperty(process, 'versions', { value: { ...process.versions, ...${JSON.stringify(change)} } })`;
  const withoutAddon = () => rmSync(path.join(installed, 'prebuilds'), { recursive: true });
  const withAddonOfAnotherPlatform = () => {
    const place = path.join(installed, 'prebuilds', `${process.platform}-${process.arch}`);
    mkdirSync(place, { recursive: true });
    for (const libc of ['', '.glibc', '.musl']) writeFileSync(path.join(place, `wasm_module_cache${libc}.node`), 'MZ');
  };
  const { v8 } = process.versions;
  const cases: { name: string; nodeOptions?: string[]; change?: () => void; reason: RegExp }[] = [
    { name: 'like Electron', nodeOptions: ['--import', versions({ electron: '99' })], reason: /^electron 99 is not/ },
    {
      name: 'a future V8',
      nodeOptions: ['--import', versions({ v8: `1${v8}` })],
      reason: /^V8 1.* has not been tried/,
    },
    { name: 'no addon for this platform', change: withoutAddon, reason: /could not be loaded \(No native build/ },
    { name: 'an addon that is no such', change: withAddonOfAnotherPlatform, reason: /could not be loaded \(/ },
  ];
  // With an addon that supports nothing, as on musl and Windows.
  if (unsupportedReason !== undefined) cases.unshift({ name: 'here', change: () => {}, reason: /./ });
  for (const { name, nodeOptions = [], change, reason } of cases) {
    it(name, () => {
      change?.();
      const { status, stdout, stderr } = run('in-memory.mjs', { nodeOptions, env: { WASM_CACHE_DIR: folder } });
      assert.equal(status, 0, stderr);
      const found = JSON.parse(stdout);
      assert.match(found.reason, reason);
      // The hook notices a missing addon at the first large module.
      const early = change ? { hooked: true, enabled: 'ALREADY_ENABLED false' } : {};
      assert.deepEqual(found, { ...EXPECTED, ...early, reason: found.reason });

      const hook = [...nodeOptions, '--import', 'wasm-module-cache/register'];
      const env = { WASM_CACHE_DIR: temporaryDirectory(), NODE_DEBUG: 'wasm-cache' };
      const hooked = run('program.mjs', { nodeOptions: hook, env });
      assert.equal(hooked.status, 0, hooked.stderr);
      assert.equal(hooked.stdout, plain);
      assert.equal(hooked.stderr.match(/^WASM-CACHE \d+: /gm)?.length, 1, hooked.stderr);
      assert.deepEqual(readdirSync(env.WASM_CACHE_DIR), []);
    });
  }
});

const works = 'NotFound compiler cache 42 true';
const EXPECTED = {
  hash: '0faa08ca3cd6dfbee00e27cc4620cabe806b083f335fb075ab5990910afc11ee',
  hooked: false,
  ...{ threadLocal: works, shared: works, inMemory: works, fallback: works, chain: works },
  sync: 'compiler cache',
  sameId: true,
  random: 64,
  remote: 42,
  packed: 42,
  canSerialize: false,
  enabled: 'FAILED true',
  stats: '0 0 0 0 0',
  errors: 'Serialize Serialize Deserialize Serialize',
};
