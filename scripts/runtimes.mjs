// node scripts/runtimes.mjs: the package in Deno and Bun, which are fetched once from npm into .nodes/. What the installed package does in
// memory must be what it does in Node, the hook must do nothing, and the tests of what needs no native code must pass there, too.
import './built.mjs';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { install, pack } from './install.mjs';
import { runtimeBinary } from './nodes.mjs';

/** Not those that start node, and those that rest on how V8 words its errors or how finely a runtime tells the time of a file. */
const TESTS = [
  'artifact/artifact',
  'artifact/module',
  'caches/combinations',
  'caches/fallback',
  'caches/shared',
  'caches/thread-local',
  'hashed-module-data',
  'load-module',
  'module-hash',
].map((each) => `./.test-build/${each}.test.js`);

const root = fileURLToPath(new URL('..', import.meta.url));
const { platform, arch, execPath } = process;
const exe = platform === 'win32' ? '.exe' : '';
const libc = platform === 'linux' ? '-glibc' : '';
const bun = `bun-${platform === 'win32' ? 'windows' : platform}-${arch === 'arm64' ? 'aarch64' : arch}`;
const runtimes = [
  {
    binary: runtimeBinary('deno', `@deno/${platform}-${arch}${libc}@2`, `deno${exe}`),
    run: ['run', '--allow-all'],
    test: ['test', '--allow-all', '--no-check', '--reporter=dot'],
  },
  { binary: runtimeBinary('bun', `@oven/${bun}@1`, `bin/bun${exe}`), run: [], test: ['test', '--only-failures'] },
];

const folder = mkdtempSync(path.join(tmpdir(), 'wasm-cache-runtimes-'));
const cache = path.join(folder, 'cache');
try {
  install(path.join(folder, pack(folder).filename), folder);
  cpSync(path.join(root, 'test/programs/in-memory.mjs'), path.join(folder, 'in-memory.mjs'));
  writeFileSync(path.join(folder, 'hook.mjs'), "import 'wasm-module-cache/register';\n");
  const { hooked, canSerialize, ...expected } = inMemory(execPath, []);
  assert.deepEqual([hooked, canSerialize], [true, true], 'In Node it works');
  rmSync(cache, { recursive: true, force: true });

  for (const { binary, run, test } of runtimes) {
    const { reason, ...found } = inMemory(binary, run);
    console.log(`\n=== ${reason} ===`);
    console.log(found);
    assert.match(reason, /^(deno|bun) [\d.]+ is not Node\.js$/);
    assert.deepEqual(found, {
      ...expected,
      ...{ hooked: false, canSerialize: false, enabled: 'FAILED true', stats: '0 0 0 0 0' },
      errors: 'Serialize Serialize Deserialize Serialize',
    });
    assert.deepEqual(readdirSync(folder).includes('cache'), false, 'Something was written');

    const { stderr } = spawn(binary, [...run, 'hook.mjs'], { NODE_DEBUG: 'wasm-cache' });
    assert.match(stderr, new RegExp(`^WASM-CACHE \\d+: FAILED: ${reason}\n$`));

    const { status } = spawnSync(binary, [...test, ...TESTS], { cwd: root, stdio: 'inherit' });
    assert.equal(status, 0, 'Tests failed');
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** What the program prints in a runtime. */
function inMemory(binary, options) {
  return JSON.parse(spawn(binary, [...options, 'in-memory.mjs'], {}).stdout);
}

function spawn(binary, args, variables) {
  const env = { ...process.env, WASM_CACHE_DIR: cache, ...variables };
  const result = spawnSync(binary, args, { cwd: folder, env, encoding: 'utf8' });
  assert.equal(result.status, 0, `${binary} ${args.join(' ')}: ${result.stderr}`);
  return result;
}
