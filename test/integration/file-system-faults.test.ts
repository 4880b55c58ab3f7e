// Whatever the file system does, the program runs as without the hook, quietly, and what happened is counted.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import type { moduleCacheStats } from '../../dist/index.js';
import { filesIn, register, root, runProgram, temporaryDirectory } from '../support/processes.js';

const injection = path.join(root, 'test', 'programs', 'inject-faults.mjs');
type Faults = Record<string, string | [code: string, times: number]>;
type Answer = { sum: number; restored: boolean } & ReturnType<typeof moduleCacheStats>;

function run(directory: string, faults: Faults = {}, debug = false): Answer & { debug: string[] } {
  const { status, signal, stdout, stderr } = runProgram('faulty.mjs', {
    nodeOptions: ['--import', injection, '--import', register],
    env: { WASM_CACHE_DIR: directory, FAULTS: JSON.stringify(faults), ...(debug ? { NODE_DEBUG: 'wasm-cache' } : {}) },
  });
  assert.deepEqual([status, signal, debug ? '' : stderr], [0, null, '']);
  const answer = JSON.parse(stdout);
  assert.equal(answer.sum, 500_500);
  return { ...answer, debug: stderr.split('\n').filter((line) => line.startsWith('WASM-CACHE')) };
}

const WRITE_CODES = ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EMFILE', 'EIO'];
const READ_CODES = ['EIO', 'EACCES', 'EMFILE', 'ESTALE'];

describe('a first run, where writing fails:', () => {
  for (const name of ['mkdirSync', 'openSync', 'chmodSync', 'writeSync', 'renameSync']) {
    for (const code of WRITE_CODES) {
      it(`${name}: ${code}`, () => {
        const directory = path.join(temporaryDirectory(), 'cache');
        const { restored, saves, errors } = run(directory, { [name]: code });
        assert.deepEqual({ restored, saves, errors }, { restored: false, saves: 0, errors: 1 });
        if (existsSync(directory)) assert.deepEqual(filesIn(directory), [], 'nothing is left behind');
        assert.equal(run(directory).saves, 1, 'the next run saves');
      });
    }
  }

  it('says so in one debug line', () => {
    const { debug } = run(path.join(temporaryDirectory(), 'cache'), { writeSync: 'ENOSPC' }, true);
    assert.equal(debug.filter((line) => line.includes('ENOSPC')).length, 1, debug.join('\n'));
  });

  for (const code of ['EPERM', 'EBUSY']) {
    it(`a rename that somebody is in the way of (${code}) is tried again, and given up in the end`, () => {
      const directory = path.join(temporaryDirectory(), 'cache');
      assert.equal(run(directory, { renameSync: [code, 2] }).saves, 1);
      const another = path.join(temporaryDirectory(), 'cache');
      const { saves, errors } = run(another, { renameSync: code });
      assert.deepEqual([saves, errors], [0, 1]);
      assert.deepEqual(filesIn(another), []);
    });
  }

  it('and even the temporary file cannot be removed', () => {
    const directory = path.join(temporaryDirectory(), 'cache');
    const { saves, errors } = run(directory, { writeSync: 'ENOSPC', unlinkSync: 'EROFS' });
    assert.deepEqual([saves, errors], [0, 1]);
    assert.ok(filesIn(directory).every((file) => file.endsWith('.tmp')));
    assert.equal(run(directory).saves, 1);
  });
});

describe('a second run, where reading fails:', () => {
  const warm = temporaryDirectory();
  before(() => {
    assert.equal(run(warm).saves, 1);
    assert.equal(run(warm).restored, true);
  });

  for (const name of ['lstatSync', 'openSync', 'fstatSync', 'readvSync']) {
    for (const code of READ_CODES) {
      it(`${name}: ${code}`, () => {
        const { restored, hits } = run(warm, { [name]: code });
        assert.deepEqual([restored, hits], [false, 0]);
        assert.equal(run(warm).restored, true, 'the entry is still there');
      });
    }
  }

  for (const name of ['openSync', 'readvSync']) {
    it(`${name}: ENOENT is a miss, as when another process swept the folder`, () => {
      const { restored, misses } = run(warm, { [name]: 'ENOENT' });
      assert.deepEqual([restored, misses], [false, 1]);
    });
  }

  for (const name of ['utimesSync', 'statfsSync', 'closeSync']) {
    it(`${name} does not matter`, () => {
      assert.equal(typeof run(warm, { [name]: 'EIO' }).restored, 'boolean');
      assert.equal(run(warm).restored, true);
    });
  }
});

describe('a folder', () => {
  it('with a very long path, and with names that are not ASCII', () => {
    const directory = path.join(temporaryDirectory(), 'ein Ordner – 文件夹', ...Array(10).fill('x'.repeat(100)));
    assert.equal(run(directory).saves, 1);
    assert.equal(run(directory).restored, true);
  });

  it('with a path that is too long for the file system', () => {
    const { restored, saves } = run(path.join(temporaryDirectory(), 'x'.repeat(300)));
    assert.deepEqual([restored, saves], [false, 0]);
  });

  it('that is a file', () => {
    const file = path.join(temporaryDirectory(), 'file');
    writeFileSync(file, 'text');
    const { restored, saves } = run(file);
    assert.deepEqual([restored, saves], [false, 0]);
  });

  it('that was deleted is made again', () => {
    const directory = path.join(temporaryDirectory(), 'cache');
    run(directory);
    rmSync(directory, { recursive: true });
    assert.equal(run(directory).saves, 1);
    assert.equal(run(directory).restored, true);
  });
});

describe('a disk that is full to the last byte', () => {
  const mount = (size: string): string | undefined => {
    const disk = path.join(temporaryDirectory(), 'disk');
    mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      return undefined;
    }
    return disk;
  };

  it('takes nothing, and nothing is left behind', (test) => {
    const disk = mount('64k');
    if (!disk) return test.skip('this user may not mount; the injected faults above stand for it');
    try {
      for (let fill = 0; ; fill++) {
        try {
          writeFileSync(path.join(disk, `fill-${fill}`), Buffer.alloc(4096));
        } catch {
          break;
        }
      }
      const directory = path.join(disk, 'cache');
      const { restored, saves } = run(directory);
      assert.deepEqual([restored, saves], [false, 0]);
      if (existsSync(directory)) assert.deepEqual(filesIn(directory), []);
      for (const name of readdirSync(disk)) if (name.startsWith('fill')) rmSync(path.join(disk, name));
      assert.equal(run(directory).saves, 1);
      assert.equal(run(directory).restored, true);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});
