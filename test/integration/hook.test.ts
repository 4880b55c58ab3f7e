import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { decodeArtifact, encodeArtifact } from '../../dist/artifact/artifact.js';
import { sumModule } from '../../dist/testing/modules.js';
import { until } from '../support/learning.js';
import { filesIn, library, register, runProgram, temporaryDirectory } from '../support/processes.js';

function hooked(directory: string, program: string, args: string[] = [], more: Record<string, string> = {}) {
  const env = { WASM_CACHE_DIR: directory, ...more };
  const result = runProgram(program, { nodeOptions: ['--import', register], args, env });
  assert.deepEqual([result.status, result.signal, result.stderr], [0, null, ''], result.stderr);
  return JSON.parse(result.stdout);
}

const SECRET = 'correct-horse-battery-staple';
const EXPECTED = { sum: 500_505, trap: 'RuntimeError: memory access out of bounds' };

const WAYS = [
  'Module',
  'compile',
  'instantiate',
  'compileStreaming',
  'instantiateStreaming',
  'emptyOptions',
  'optionsWithoutEffect',
  'worker',
];

for (const way of WAYS) {
  test(`${way}: the second process restores what the first one optimised`, () => {
    const directory = temporaryDirectory();
    const plain = JSON.parse(runProgram('hot.mjs', { args: [way] }).stdout);
    assert.deepEqual(plain, { restored: false, ...EXPECTED });
    assert.deepEqual(hooked(directory, 'hot.mjs', [way]), { restored: false, ...EXPECTED });
    assert.equal(filesIn(directory).length, 1);
    assert.deepEqual(hooked(directory, 'hot.mjs', [way]), { restored: true, ...EXPECTED });
  });
}

test('--require loads the hook, too', () => {
  const directory = temporaryDirectory();
  const required = createRequire(import.meta.url).resolve('../../dist/register.cjs');
  const answers = [0, 1].map(() => {
    const result = runProgram('hot.mjs', { nodeOptions: ['--require', required], env: { WASM_CACHE_DIR: directory } });
    assert.deepEqual([result.status, result.stderr], [0, '']);
    return JSON.parse(result.stdout);
  });
  assert.deepEqual(answers, [
    { restored: false, ...EXPECTED },
    { restored: true, ...EXPECTED },
  ]);
});

test('the hook loads no module of Node that is not loaded anyway, because each takes milliseconds', () => {
  const list = ['-e', 'console.log(process.moduleLoadList.join("\\n"))'];
  const loaded = (...hook: string[]) => {
    const { stdout } = spawnSync(process.execPath, [...hook, ...list], { encoding: 'utf8', env: { HOME: '/' } });
    return stdout.split('\n');
  };
  const empty = path.join(temporaryDirectory(), 'empty.mjs');
  writeFileSync(empty, '');
  // These are small, and the hook needs them.
  const needed = ['initialize_import_meta', 'diagnostics_channel', 'NativeModule vm'];
  const plain = new Set(loaded('--import', empty));
  assert.deepEqual(
    loaded('--import', register).filter((name) => !plain.has(name) && !needed.some((each) => name.endsWith(each))),
    [],
  );
});

test('an artifact of one way in serves all others, and files are private', () => {
  const directory = temporaryDirectory();
  hooked(directory, 'hot.mjs', ['instantiate']);
  assert.equal(hooked(directory, 'hot.mjs', ['Module', 'short']).restored, true);
  assert.equal(hooked(directory, 'hot.mjs', ['compile', 'short']).restored, true);
  for (const file of filesIn(directory)) assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('what V8 optimised is saved however the program ends', () => {
  for (const [end, status] of [
    ['exit', 0],
    ['throw', 1],
  ] as const) {
    const directory = temporaryDirectory();
    const env = { WASM_CACHE_DIR: directory };
    assert.equal(
      runProgram('hot.mjs', { nodeOptions: ['--import', register], args: ['Module', end], env }).status,
      status,
    );
    assert.equal(hooked(directory, 'hot.mjs').restored, true, end);
  }
});

test('NODE_OPTIONS reaches the programs that a program starts', () => {
  const directory = temporaryDirectory();
  const env = { WASM_CACHE_DIR: directory, NODE_OPTIONS: `--import=${register}` };
  for (const restored of [false, true]) {
    const { status, stdout, stderr } = runProgram('forks.mjs', { env });
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(JSON.parse(stdout).restored, restored);
  }
});

test('enabled from code: the status, the folder, the counters, and saving at once', () => {
  const directory = temporaryDirectory();
  for (const [hits, misses, saves] of [
    [0, 1, 1],
    [1, 0, 0],
  ]) {
    const { status, stdout, stderr } = runProgram('enable.mjs', { args: [directory] });
    assert.deepEqual([status, stderr], [0, '']);
    assert.deepEqual(JSON.parse(stdout), {
      before: null,
      statuses: ['ENABLED', 'ALREADY_ENABLED'],
      directory,
      stats: { hits, misses, saves, untrusted: 0, errors: 0 },
    });
  }
});

test('enabled from code when it is switched off, or with a wrong option', () => {
  const disabled = runProgram('enable.mjs', { args: ['/nowhere'], env: { WASM_CACHE_DISABLE: '1' } });
  assert.deepEqual(JSON.parse(disabled.stdout).statuses, ['DISABLED', 'DISABLED']);
  const wrong: [directory: string, options: object, message: RegExp][] = [
    ['', {}, /option directory must be a path/],
    ['/nowhere', { mode: 'on' }, /option mode must be one of read-write, read-only, off, not 'on'/],
    ['/nowhere', { minModuleSize: 'big' }, /option minModuleSize must be a size such as .*, not 'big'/],
    ['/nowhere', { maxSize: 0 }, /option maxSize must be a size .*, not 0/],
    ['/nowhere', { maxSize: [1000] }, /option maxSize must be a size .*, not \[ 1000 \]/],
    ['/nowhere', { minModuleSize: true }, /option minModuleSize must be a size .*, not true/],
    ['/nowhere', { maxSize: '1TB' }, /option maxSize must be a size .*, not '1TB'/],
    ['/nowhere', { learn: true }, /option learn must be one of auto, hot, full, off, not true/],
    ['/nowhere', { secret: 'short' }, /The secret must have at least 16 bytes, not 5/],
    [
      '/nowhere',
      { remote: 'redis://u:p@h:port', secret: SECRET },
      /option remote is wrong: redis:\/\/h:port is not a URL/,
    ],
    ['/nowhere', { remote: 'redis://host' }, /Give secret, or allowUnsigned: true/],
    ['/nowhere', { remote: 5 }, /option remote is wrong: an address must be text, not a number/],
    ['/nowhere', { remoteTimeout: '2m' }, /option remoteTimeout must be a time from 1ms to 60s, .* not '2m'/],
    ['/nowhere', { remoteTimeout: null }, /option remoteTimeout must be a time from 1ms to 60s, .* not null/],
    ['/nowhere', { allowUnsigned: 1 }, /option allowUnsigned must be true or false .*, not 1/],
    ['/nowhere', { secret: [] }, /The list of secrets is empty/],
  ];
  for (const [directory, options, message] of wrong) {
    const failed = JSON.parse(runProgram('enable.mjs', { args: [directory, JSON.stringify(options)] }).stdout);
    assert.deepEqual(failed.statuses, ['FAILED', 'FAILED']);
    assert.match(failed.message, message);
  }
});

test('enabled from code with a store behind the folder', async () => {
  const store = temporaryDirectory();
  const options = JSON.stringify({ remote: `file://${store}`, secret: SECRET, remoteTimeout: '5s' });
  const first = runProgram('enable.mjs', { args: [temporaryDirectory(), options] });
  assert.deepEqual([first.status, first.stderr], [0, '']);
  await until('the artifact is in the store', () => filesIn(store).some((file) => file.endsWith('.artifact')));
  const { stdout, stderr } = runProgram('enable.mjs', { args: [temporaryDirectory(), options] });
  const { stats } = JSON.parse(stdout);
  assert.deepEqual([stats.hits, stats.misses, stats.errors, stderr], [1, 0, 0, '']);
});

test('enabled from code with a secret, in a folder that others may write to', () => {
  const directory = temporaryDirectory();
  chmodSync(directory, 0o777);
  const options = JSON.stringify({ secret: [SECRET], maxSize: '10MiB' });
  for (const [hits, saves] of [
    [0, 1],
    [1, 0],
  ]) {
    const { status, stdout, stderr } = runProgram('enable.mjs', { args: [directory, options] });
    assert.deepEqual([status, stderr], [0, '']);
    const { stats } = JSON.parse(stdout);
    assert.deepEqual([stats.hits, stats.saves], [hits, saves]);
  }
});

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const importsWasm = major >= 24 || (major === 22 && minor >= 19);

test("import './a.wasm' is served if Node supports it", {
  skip: !importsWasm && 'this Node does not support it',
}, () => {
  const directory = temporaryDirectory();
  const program = path.join(directory, 'program.mjs');
  writeFileSync(path.join(directory, 'sum.wasm'), sumModule({ offset: 5, padding: 70_000 }));
  writeFileSync(
    program,
    `import { sum } from './sum.wasm';
     import { moduleCacheStats } from ${JSON.stringify(library)};
     for (let round = 0; round < 30; round++) sum(20_000_000);
     await new Promise((resolve) => setTimeout(resolve, 100));
     console.log(JSON.stringify({ sum: sum(1000), hits: moduleCacheStats().hits }));`,
  );
  const env = { WASM_CACHE_DIR: path.join(directory, 'cache') };
  const nodeOptions = ['--no-warnings', '--import', register];
  for (const hits of [0, 1]) {
    const { status, stdout, stderr } = runProgram(program, { nodeOptions, env });
    assert.deepEqual([status, stderr], [0, '']);
    assert.deepEqual(JSON.parse(stdout), { sum: 500_505, hits });
  }
});

for (const nodeOptions of [
  ['--frozen-intrinsics', '--no-warnings'],
  ['--enable-source-maps'],
  ['--stack-trace-limit=50'],
]) {
  test(`the program runs as without the hook under ${nodeOptions.join(' ')}`, () => {
    const directory = temporaryDirectory();
    for (let run = 0; run < 2; run++) {
      const env = { WASM_CACHE_DIR: directory };
      const result = runProgram('hot.mjs', { nodeOptions: [...nodeOptions, '--import', register], env });
      assert.deepEqual([result.status, result.stderr], [0, '']);
      const { sum, trap } = JSON.parse(result.stdout);
      assert.deepEqual({ sum, trap }, EXPECTED);
    }
  });
}

test('read-only mode loads and never writes', () => {
  const directory = temporaryDirectory();
  hooked(directory, 'hot.mjs', [], { WASM_CACHE_MODE: 'read-only' });
  assert.deepEqual(filesIn(directory), []);
  hooked(directory, 'hot.mjs');
  assert.equal(hooked(directory, 'hot.mjs', ['Module'], { WASM_CACHE_MODE: 'read-only' }).restored, true);
});

for (const off of [{ WASM_CACHE_MODE: 'off' }, { WASM_CACHE_DISABLE: '1' }, { WASM_CACHE_MIN_MODULE_SIZE: '1MiB' }]) {
  test(`nothing is stored with ${JSON.stringify(off)}`, () => {
    const directory = temporaryDirectory();
    assert.equal(hooked(directory, 'hot.mjs', [], off as never).restored, false);
    assert.deepEqual(filesIn(directory), []);
  });
}

test('a malformed setting is one warning, and the default', () => {
  const env = { WASM_CACHE_DIR: temporaryDirectory(), WASM_CACHE_MODE: 'fast' };
  const { status, stderr } = runProgram('hot.mjs', { nodeOptions: ['--import', register], env });
  assert.equal(status, 0);
  assert.match(stderr, /WASM_CACHE_MODE=fast is not one of read-write, read-only, off/);
});

test('a process whose V8 has other flags neither uses nor disturbs the entry', () => {
  const directory = temporaryDirectory();
  hooked(directory, 'hot.mjs');
  const nodeOptions = ['--stack-size=1500', '--import', register];
  const other = runProgram('hot.mjs', { nodeOptions, env: { WASM_CACHE_DIR: directory } });
  assert.equal(JSON.parse(other.stdout).restored, false);
  assert.equal(filesIn(directory).length, 2);
  assert.equal(hooked(directory, 'hot.mjs').restored, true);
});

test('a process without the trap handler never runs code that was compiled for it', () => {
  const directory = temporaryDirectory();
  hooked(directory, 'hot.mjs');
  const nodeOptions = ['--disable-wasm-trap-handler', '--import', register];
  const result = runProgram('hot.mjs', { nodeOptions, env: { WASM_CACHE_DIR: directory } });
  assert.equal(result.status, 0);
  const { restored, sum, trap } = JSON.parse(result.stdout);
  assert.deepEqual({ restored, sum, trap }, { restored: false, ...EXPECTED });
});

test('a program that patches fs, empties its environment and replaces globals is served all the same', () => {
  const directory = temporaryDirectory();
  for (const restored of [false, true]) assert.equal(hooked(directory, 'hostile.mjs').restored, restored);
});

test('a program that breaks what the hook itself uses runs and ends as without it', () => {
  const directory = temporaryDirectory();
  const env = { WASM_CACHE_DIR: directory };
  const { status, stdout, stderr } = runProgram('hostile-exit.mjs', { nodeOptions: ['--import', register], env });
  assert.deepEqual([status, stdout.trim(), stderr], [0, 'alive', '']);
  // Also if the cache has errors to report.
  chmodSync(directory, 0o777);
  const complaining = runProgram('hostile-exit.mjs', { nodeOptions: ['--import', register], env });
  assert.deepEqual([complaining.status, complaining.stdout.trim()], [0, 'alive']);
});

test('without a home folder the hook is quiet, and uses a folder given from code', () => {
  const env = { HOME: '', XDG_CACHE_HOME: '' };
  const plain = runProgram('hot.mjs', { nodeOptions: ['--import', register], args: ['Module', 'short'], env });
  assert.deepEqual([plain.status, plain.stderr], [0, '']);
  const directory = temporaryDirectory();
  const enabled = runProgram('enable.mjs', { args: [directory], env });
  assert.deepEqual(JSON.parse(enabled.stdout).statuses, ['ENABLED', 'ALREADY_ENABLED']);
});

test('one exit listener in all, and none for small modules', () => {
  assert.deepEqual(hooked(temporaryDirectory(), 'exit-listeners.mjs'), { added: 1, timers: 0 });
});

test('an artifact belongs to the bytes that V8 compiled, even if a patched stream gave the hook others', () => {
  const directory = temporaryDirectory();
  hooked(directory, 'hot.mjs'); // The hook hashes the bytes of a stream at the start only if something is stored.
  assert.equal(hooked(directory, 'patched-streams.mjs', ['patched']).sum, 3);
  assert.deepEqual(hooked(directory, 'patched-streams.mjs', ['plain']), { restored: false, sum: 2 });
  assert.deepEqual(hooked(directory, 'patched-streams.mjs', ['plain']), { restored: true, sum: 2 });
});

test('in a folder that others may write to, nothing is loaded or saved without a secret, and only signed artifacts with one', async () => {
  const directory = temporaryDirectory();
  chmodSync(directory, 0o777);
  const learning = { WASM_CACHE_LEARN: 'hot' };
  const refused = runProgram('hot.mjs', {
    nodeOptions: ['--import', register],
    env: { WASM_CACHE_DIR: directory, ...learning },
  });
  assert.equal(refused.status, 0);
  assert.match(refused.stderr, /can be written by others/);
  assert.deepEqual(filesIn(directory), []);

  const signed = { WASM_CACHE_SECRET: SECRET, ...learning };
  assert.equal(hooked(directory, 'hot.mjs', [], signed).restored, false);
  await until('the learner is done', () => !filesIn(directory).some((file) => file.endsWith('.wasm')));
  assert.equal(hooked(directory, 'hot.mjs', [], signed).restored, true);

  // Artifacts of somebody else who may write there: with another secret, and without one.
  for (const other of ['another-secret-that-is-long', `${SECRET}-and-more`]) {
    assert.equal(hooked(directory, 'hot.mjs', ['Module', 'short'], { WASM_CACHE_SECRET: other }).restored, false);
  }
  const [artifact = ''] = filesIn(directory);
  const bytes = readFileSync(artifact);
  const decoded = decodeArtifact(bytes);
  writeFileSync(artifact, encodeArtifact(decoded));
  assert.equal(hooked(directory, 'hot.mjs', ['Module', 'short'], signed).restored, false);
  writeFileSync(artifact, bytes);
  const rotated = { ...signed, WASM_CACHE_SECRET: `the-next-secret-of-the-fleet ${SECRET}` };
  assert.equal(hooked(directory, 'hot.mjs', ['Module', 'short'], rotated).restored, true);
});

test('a signed artifact replaces an unsigned one', () => {
  const directory = temporaryDirectory();
  assert.equal(hooked(directory, 'hot.mjs').restored, false);
  const signed = { WASM_CACHE_SECRET: SECRET };
  assert.equal(hooked(directory, 'hot.mjs', [], signed).restored, false);
  assert.equal(hooked(directory, 'hot.mjs', [], signed).restored, true);
});

test('a secret may come from a file, and a wrong one switches the cache off and says so', () => {
  const directory = temporaryDirectory();
  const file = path.join(temporaryDirectory(), 'secret');
  writeFileSync(file, `${SECRET}\n`);
  assert.equal(hooked(directory, 'hot.mjs', [], { WASM_CACHE_SECRET_FILE: file }).restored, false);
  assert.equal(hooked(directory, 'hot.mjs', [], { WASM_CACHE_SECRET: SECRET }).restored, true);
  for (const [env, warning] of [
    [{ WASM_CACHE_SECRET: 'short' }, /WASM_CACHE_SECRET: The secret must have at least 16 bytes, not 5/],
    [{ WASM_CACHE_SECRET_FILE: '/nowhere/secret' }, /WASM_CACHE_SECRET_FILE=\/nowhere\/secret: ENOENT/],
    [{ WASM_CACHE_SECRET: '' }, /WASM_CACHE_SECRET: The list of secrets is empty/],
  ] as const) {
    const { status, stdout, stderr } = runProgram('hot.mjs', {
      nodeOptions: ['--import', register],
      env: { WASM_CACHE_DIR: directory, ...env },
    });
    assert.deepEqual([status, JSON.parse(stdout).restored], [0, false]);
    assert.match(stderr, warning);
    assert.equal(stderr.includes(SECRET), false);
  }
});
