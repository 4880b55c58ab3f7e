import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { whyNotCacheFolder } from '../../dist/caches/cache-folder.js';
import { V8Engine } from '../../dist/index.js';
import { runCli } from '../support/cli.js';
import { filesIn, register, runProgram, temporaryDirectory } from '../support/processes.js';

/** A folder with these entries; a name that ends with a slash is that of a folder. */
function folderWith(...names: string[]): string {
  const directory = temporaryDirectory();
  for (const name of names) {
    if (name.endsWith('/')) mkdirSync(path.join(directory, name));
    else writeFileSync(path.join(directory, name), '');
  }
  return directory;
}

describe('whyNotCacheFolder takes', () => {
  const engine = `${new V8Engine().deterministicId}/`;
  for (const [what, ...names] of [
    ['an empty folder'],
    ['a folder with what git and file systems put there', '.gitkeep', '.gitignore', 'lost+found/'],
    ['a folder with an artifact', engine],
    ['a folder with an artifact of an engine with a long name', `engine-${'0'.repeat(32)}/`],
    ["a folder with an artifact and a user's files", engine, 'notes.txt', 'src/'],
    ["a folder that was swept, with a user's files", 'swept', 'notes.txt'],
    ['a folder without artifacts yet', 'statistics/', 'learning/', 'programs/', 'verdicts/', 'swept', 'remote-down'],
  ]) {
    it(String(what), () => assert.equal(whyNotCacheFolder(folderWith(...names)), undefined));
  }

  it('a folder that does not exist', () => {
    assert.equal(whyNotCacheFolder(path.join(temporaryDirectory(), 'cache')), undefined);
  });
});

describe('whyNotCacheFolder refuses', () => {
  for (const [what, ...names] of [
    ['a home folder', '.bashrc', '.profile'],
    ['a project', 'package.json', 'node_modules/'],
    ["a project with folders that have the package's names", 'statistics/', 'learning/', 'main.py'],
  ]) {
    it(String(what), () => {
      const directory = folderWith(...names);
      assert.match(
        `${whyNotCacheFolder(directory)}`,
        /is not a cache folder: it holds other files, such as .*WASM_CACHE_DIR/,
      );
    });
  }

  it('/', () => assert.match(`${whyNotCacheFolder('/')}`, /The folder \/ is not a cache folder/));
});

describe('in a folder that is no cache folder', () => {
  const store = { WASM_CACHE_REMOTE: pathToFileURL(temporaryDirectory()).href, WASM_CACHE_ALLOW_UNSIGNED: '1' };
  for (const [what, more] of [
    ['without a store', {}],
    ['with a store', store],
  ] as const) {
    it(`the hook compiles, warns once and writes nothing, ${what}`, () => {
      const directory = folderWith('package.json');
      const env = { WASM_CACHE_DIR: directory, WASM_CACHE_LEARN: 'hot', ...more };
      const run = runProgram('hot.mjs', { nodeOptions: ['--import', register], args: ['Module'], env });
      assert.equal(run.status, 0, run.stderr);
      assert.deepEqual(run.stderr.match(/WasmCacheWarning: .*/g), [
        `WasmCacheWarning: ${whyNotCacheFolder(directory)} Modules are not cached.`,
      ]);
      assert.deepEqual(filesIn(directory), [path.join(directory, 'package.json')]);
    });
  }

  it('the hook that only reads says nothing', () => {
    const env = { WASM_CACHE_DIR: folderWith('package.json'), WASM_CACHE_MODE: 'read-only' };
    const run = runProgram('hot.mjs', { nodeOptions: ['--import', register], args: ['Module'], env });
    assert.deepEqual([run.status, run.stderr], [0, '']);
  });

  it('enableModuleCache fails and says why', () => {
    const directory = folderWith('package.json');
    const { statuses, message } = JSON.parse(runProgram('enable.mjs', { args: [directory] }).stdout);
    assert.deepEqual([statuses, message], [['FAILED', 'FAILED'], whyNotCacheFolder(directory)]);
    assert.deepEqual(filesIn(directory), [path.join(directory, 'package.json')]);
  });

  it('commands say what to do', () => {
    const { status, stderr } = runCli(['ls', '--dir', folderWith('package.json')]);
    assert.equal(status, 2);
    assert.match(stderr, /is not a cache folder: it holds other files, such as package\.json\. Choose an empty/);
  });
});
