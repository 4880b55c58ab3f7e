import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { decodeCode, encodeCode } from '../../dist/artifact/hook-code.js';
import { register, root, runProgram, temporaryDirectory } from '../support/processes.js';

function run(directory: string, { options = [] as string[], env = {} } = {}): { stdout: string; stderr: string } {
  const nodeOptions = [...options, '--import', register];
  const result = runProgram('hot.mjs', { nodeOptions, env: { WASM_CACHE_DIR: directory, ...env } });
  assert.equal(result.status, 0, result.stderr);
  return result;
}

function codeFiles(directory: string): string[] {
  const folder = path.join(directory, 'hook-code');
  try {
    return readdirSync(folder).map((name) => path.join(folder, name));
  } catch {
    return [];
  }
}

/** A cache folder, and the file with V8's code for the hook after a hit. */
function warm(): { directory: string; file: string } {
  const directory = temporaryDirectory();
  run(directory);
  run(directory);
  const [file, ...others] = codeFiles(directory);
  assert.ok(file && others.length === 0);
  return { directory, file };
}

/**
 * V8's code for a source that says who it is. V8 compares the source of code by its length only, so it takes this for the hook's.
 */
function strangeCode(): Uint8Array {
  const length = statSync(path.join(root, 'dist/hook.js')).size;
  const program = `const source = '(function () { process._rawDebug("STRANGE"); })'.padEnd(${length});
    const { Script } = require('node:vm');
    process.stdout.write(new Script(source).createCachedData());`;
  return execFileSync(process.execPath, ['-e', program], { maxBuffer: 2 ** 24 });
}

test("the first run keeps V8's code for the hook, the first hit adds to it, and then it stays", () => {
  const directory = temporaryDirectory();
  const kinds = [];
  const times = [];
  for (let runs = 0; runs < 4; runs++) {
    run(directory);
    const [file] = codeFiles(directory);
    assert.ok(file);
    kinds.push(decodeCode(readFileSync(file))?.isOfHit);
    times.push(statSync(file).mtimeMs);
    assert.equal(statSync(file).mode & 0o777, 0o600);
  }
  assert.deepEqual(kinds, [false, true, true, true]);
  assert.deepEqual([times[2], times[3]], [times[1], times[1]]);
});

test('the hook runs from it', () => {
  const { directory, file } = warm();
  writeFileSync(file, Buffer.concat(encodeCode({ code: strangeCode(), isOfHit: true })));
  assert.match(run(directory).stderr, /STRANGE/);
});

const UNTRUSTED: Record<string, (file: string) => void> = {
  'a file that others may write': (file) => chmodSync(file, 0o666),
  'a folder that others may write': (file) => chmodSync(path.dirname(file), 0o777),
  'a link': (file) => {
    renameSync(file, `${file}.moved`);
    symlinkSync(`${file}.moved`, file);
  },
  damage: (file) => {
    const bytes = readFileSync(file);
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
    writeFileSync(file, bytes);
  },
};
for (const [what, spoil] of Object.entries(UNTRUSTED)) {
  test(`never from ${what}`, () => {
    const { directory, file } = warm();
    writeFileSync(file, Buffer.concat(encodeCode({ code: strangeCode(), isOfHit: true })));
    spoil(file);
    const { stdout, stderr } = run(directory);
    assert.doesNotMatch(stderr, /STRANGE/);
    assert.deepEqual(JSON.parse(stdout).sum, 500_505);
  });
}

test('no code is kept or used with a secret, and none is kept in read-only mode', () => {
  const others = { WASM_CACHE_SECRET: 'correct-horse-battery-staple' };
  for (const env of [others, { WASM_CACHE_MODE: 'read-only' }]) {
    const directory = temporaryDirectory();
    run(directory, { env });
    assert.deepEqual(codeFiles(directory), []);
  }
  const { directory, file } = warm();
  writeFileSync(file, Buffer.concat(encodeCode({ code: strangeCode(), isOfHit: true })));
  assert.doesNotMatch(run(directory, { env: others }).stderr, /STRANGE/);
});

for (const name of ['hook.js', 'in-context.js']) {
  test(`another file in the place of ${name} is not evaluated`, () => {
    // As in a bundle of a program, whose folder may have any files, and after an update while the program runs.
    const folder = path.join(temporaryDirectory(), 'dist');
    mkdirSync(folder);
    for (const each of ['register.js', 'hook.js', 'in-context.js']) {
      copyFileSync(path.join(root, 'dist', each), path.join(folder, each));
    }
    symlinkSync(path.join(root, 'prebuilds'), path.join(folder, '../prebuilds'));
    writeFileSync(path.join(folder, '../package.json'), '{ "type": "module" }');
    const hooked = () => {
      const nodeOptions = ['--import', path.join(folder, 'register.js')];
      const env = { WASM_CACHE_DIR: temporaryDirectory(), NODE_DEBUG: 'wasm-cache' };
      const result = runProgram('contexts.mjs', { nodeOptions, args: ['createContext'], env });
      assert.equal(result.status, 0, result.stderr);
      return result;
    };
    const { stdout, stderr } = hooked();
    assert.match(stderr, /nothing is stored yet/);
    for (const content of [`process._rawDebug('STRANGE');`, `/* wasm-module-cache 0 */process._rawDebug('STRANGE');`]) {
      writeFileSync(path.join(folder, name), content);
      const other = hooked();
      assert.doesNotMatch(other.stderr, /STRANGE/);
      assert.equal(other.stdout, stdout);
    }
  });
}

test('each set of flags of V8 has its own', () => {
  const { directory } = warm();
  run(directory, { options: ['--stack-size=1500'] });
  assert.equal(codeFiles(directory).length, 2);
});
