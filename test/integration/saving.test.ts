import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { test } from 'node:test';
import { FileSystemCache, ModuleHash, V8Engine } from '../../dist/index.js';
import { everythingModule } from '../support/everything.js';
import { engineIdOfPrograms, snapshot, until } from '../support/learning.js';
import { filesIn, register, root, runProgram, temporaryDirectory } from '../support/processes.js';

const wireBytes = everythingModule(70_000);
const key = ModuleHash.sha256(wireBytes);
const engine = new V8Engine();

function run(directory: string): number {
  const env = { WASM_CACHE_DIR: directory };
  const { status, stdout, stderr } = runProgram('work.mjs', { nodeOptions: ['--import', register], env });
  assert.deepEqual([status, stderr], [0, '']);
  return JSON.parse(stdout).restored;
}

test('a program that never ends and is killed is saved when its code has gone quiet', async () => {
  const directory = temporaryDirectory();
  const env = { ...process.env, WASM_CACHE_DIR: directory, WASM_CACHE_LEARN: 'off' };
  const program = path.join(root, 'test/programs/server.mjs');
  const server = spawn(process.execPath, ['--import', register, program], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(server.stdout, 'data');
  await until('something is saved', () => filesIn(directory).some((file) => file.endsWith('.artifact')));
  server.kill('SIGKILL');
  await once(server, 'exit');
  assert.ok(run(directory) > 0);
});

test('an artifact that loaded too slowly is not loaded for a while, and then served again', () => {
  assert.equal(engine.deterministicId, engineIdOfPrograms());
  const directory = temporaryDirectory();
  const cache = new FileSystemCache(directory, { wireBytes: 'omit' });
  assert.equal(run(directory), 0);
  assert.ok(run(directory) > 0);
  const header = cache.readHeaderSync(key, engine);
  assert.ok(header);
  const minutes = Math.ceil(Date.now() / 60_000);
  cache.bypassSync(header, minutes + 10);
  const before = snapshot(directory);
  for (const _run of [1, 2]) {
    assert.equal(run(directory), 0);
    assert.deepEqual(snapshot(directory), before);
  }
  for (const until of [minutes - 10, minutes + 50_000, 2 ** 32 - 1]) {
    cache.bypassSync(header, until);
    assert.equal(run(directory), 0, 'that run finds out what there is to save');
    assert.ok(run(directory) > 0, `left alone until minute ${until}, and it is minute ${minutes}`);
  }
});
