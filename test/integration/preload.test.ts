// Modules of a program's last runs are restored in a thread before the program asks for them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import { V8Engine } from '../../dist/engine/v8-engine.js';
import { ModuleHash } from '../../dist/index.js';
import { sumModule } from '../../dist/testing/modules.js';
import { allFilesIn, type RunOptions, register, runProgram, temporaryDirectory } from '../support/processes.js';

const key = String(ModuleHash.sha256(sumModule({ offset: 5, padding: 70_000 })));
const skip = new V8Engine().preloader?.startPreload ? false : 'this Node has no door for another thread';

let directory: string;
beforeEach(() => {
  directory = temporaryDirectory();
});

interface Ran {
  restored: boolean;
  isPreloaded: boolean;
  stderr: string;
}

function run(program = 'hot.mjs', args: string[] = ['Module'], options: RunOptions = {}): Ran {
  const { status, signal, stdout, stderr } = runProgram(program, {
    nodeOptions: ['--import', register],
    args,
    ...options,
    env: { WASM_CACHE_DIR: directory, NODE_DEBUG: 'wasm-cache', ...options.env },
  });
  assert.deepEqual([status, signal], [0, null], stderr);
  const { restored, sum, trap } = JSON.parse(stdout);
  assert.deepEqual([sum, trap], [500_505, 'RuntimeError: memory access out of bounds'], stdout);
  return { restored, isPreloaded: new RegExp(`hit ${key}: .*preloaded`).test(stderr), stderr };
}

const inFolder = (ending: string) => allFilesIn(directory).find((file) => file.endsWith(ending)) as string;

/** The first run saves, the second one notes what it used. */
function prepare(args?: string[]): void {
  assert.equal(run('hot.mjs', args).restored, false);
  // On a busy machine a short program ends before the thread has noted anything; a later run does so.
  for (let count = 0; count < 20 && !inFolder('.preload'); count++) assert.equal(run('hot.mjs', args).restored, true);
  assert.ok(inFolder('.preload') && inFolder(`${key}.wasm`), allFilesIn(directory).join('\n'));
}

describe('the third run of a program takes a preloaded module', { skip }, () => {
  for (const way of ['Module', 'compile', 'instantiate', 'compileStreaming', 'instantiateStreaming']) {
    it(`with ${way}`, () => {
      prepare([way]);
      const before = allFilesIn(directory).length;
      for (const _run of [3, 4]) {
        const { restored, isPreloaded, stderr } = run('hot.mjs', [way]);
        assert.deepEqual({ restored, isPreloaded }, { restored: true, isPreloaded: true }, stderr);
      }
      assert.equal(allFilesIn(directory).length, before);
    });
  }

  it('in a worker', () => {
    prepare();
    assert.ok(run('hot.mjs', ['worker']).isPreloaded);
  });

  it('in a folder for reading only, to which it writes nothing', () => {
    prepare();
    const before = allFilesIn(directory).map((file) => [file, readFileSync(file, 'latin1')]);
    assert.ok(run('hot.mjs', ['Module'], { env: { WASM_CACHE_MODE: 'read-only' } }).isPreloaded);
    assert.deepEqual(
      allFilesIn(directory).map((file) => [file, readFileSync(file, 'latin1')]),
      before,
    );
  });
});

describe('a program runs as without a preload', { skip }, () => {
  const isNotPreloaded = (options?: RunOptions) => {
    const { restored, isPreloaded, stderr } = run('hot.mjs', ['Module'], options);
    assert.ok(!isPreloaded, stderr);
    return restored;
  };

  it('where that is off', () => {
    const env = { WASM_CACHE_PRELOAD: 'off' };
    for (let count = 0; count < 3; count++) isNotPreloaded({ env });
    assert.deepEqual([inFolder('.preload'), inFolder('.wasm')], [undefined, undefined]);
    for (let count = 0; count < 20 && !inFolder('.preload'); count++) run();
    assert.ok(inFolder('.preload'));
    assert.ok(isNotPreloaded({ env }));
  });

  it('with a secret, which the thread does not know', () => {
    const env = { WASM_CACHE_SECRET: 'correct-horse-battery-staple' };
    for (let count = 0; count < 3; count++) isNotPreloaded({ env });
    assert.equal(inFolder('.preload'), undefined);
  });

  it('with one processor', {
    skip: spawnSync('taskset', ['-c', '0', 'true']).status === 0 ? false : 'no taskset',
  }, () => {
    prepare();
    assert.ok(isNotPreloaded({ within: ['taskset', '-c', '0'] }));
  });

  it('under a debugger', () => {
    prepare();
    assert.ok(isNotPreloaded({ nodeOptions: ['--inspect=0', '--import', register] }));
  });

  it('with other flags of V8 than those of the artifact', () => {
    prepare();
    assert.equal(isNotPreloaded({ nodeOptions: ['--stack-size=900', '--import', register] }), false);
  });

  const spoilt: Record<string, [spoil: () => void, isRestored: boolean]> = {
    'wire bytes of the same length that differ': [
      () => {
        const bytes = readFileSync(inFolder('.wasm'));
        bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
        writeFileSync(inFolder('.wasm'), bytes);
      },
      true,
    ],
    'wire bytes that are no module': [() => writeFileSync(inFolder('.wasm'), Buffer.alloc(70_000)), true],
    'wire bytes that were cut off': [() => truncateSync(inFolder('.wasm'), 1000), true],
    'no wire bytes': [() => rmSync(inFolder('.wasm')), true],
    'an artifact whose code is damaged': [
      () => {
        const bytes = readFileSync(inFolder('.artifact'));
        bytes[bytes.length - 100] = (bytes.at(-100) as number) ^ 1;
        writeFileSync(inFolder('.artifact'), bytes);
      },
      false,
    ],
    'an artifact that is longer than its header says': [() => appendFileSync(inFolder('.artifact'), 'x'), false],
    'an artifact that others may write to': [() => chmodSync(inFolder('.artifact'), 0o666), false],
    'an artifact whose last load crashed': [
      () => writeFileSync(inFolder('.artifact').replace('.artifact', '.loading'), 'crashed\n'),
      false,
    ],
    'a record that others may write to': [() => chmodSync(inFolder('.preload'), 0o666), true],
    'a record that is no record': [() => writeFileSync(inFolder('.preload'), Buffer.alloc(10_000, 'x\n+')), true],
  };
  for (const [what, [spoil, isRestored]] of Object.entries(spoilt)) {
    it(`with ${what}`, () => {
      prepare();
      spoil();
      assert.equal(isNotPreloaded(), isRestored);
    });
  }
});

it('a module that two runs do not use is no longer preloaded', { skip }, () => {
  prepare();
  const record = readFileSync(inFolder('.preload'), 'latin1');
  for (const sign of ['', '-', '--']) {
    writeFileSync(inFolder('.preload'), `${record}${sign.replaceAll('-', `-${key} 0\n`)}`);
    assert.equal(run().isPreloaded, sign.length < 2);
  }
  assert.ok(run().isPreloaded, 'it was used again');
});

it('a program that does not use its module notes that', { skip }, () => {
  prepare();
  const name = path.basename(inFolder('.preload'));
  const other = name.replace('hot.mjs', 'preloaded.mjs');
  assert.notEqual(other, name);
  const record = path.join(directory, 'programs', other);
  writeFileSync(record, readFileSync(inFolder('.preload')), { mode: 0o600 });
  const env = { WASM_CACHE_DIR: directory };
  runProgram('preloaded.mjs', { nodeOptions: ['--import', register], args: ['return', '500'], env });
  assert.match(readFileSync(record, 'latin1'), new RegExp(`^\\+${key} \\d+\\n-${key} 0\\n$`));
});
