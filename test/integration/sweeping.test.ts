// The hook's folder is swept without delaying a program, wherever the program runs.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { existsSync, mkdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { FileSystemCache, ModuleHash } from '../../dist/index.js';
import { sample } from '../../dist/testing/sample.js';
import { until } from '../support/learning.js';
import { register, runProgram, temporaryDirectory } from '../support/processes.js';

const HOUR = 3_600_000;
const major = Number(process.versions.node.split('.')[0]);
const permission = major === 20 ? '--experimental-permission' : '--permission';

/** A cache folder that was last swept two hours ago, and the path of a file that a sweep removes. */
function folderToSweep(): { directory: string; leftBehind: string } {
  const directory = temporaryDirectory();
  const leftBehind = path.join(directory, 'engine', `${ModuleHash.random()}.artifact.elsewhere-1-0-abc.tmp`);
  mkdirSync(path.dirname(leftBehind));
  writeFileSync(leftBehind, '');
  writeFileSync(path.join(directory, 'swept'), '');
  const hours = (count: number) => (Date.now() - count * HOUR) / 1000;
  utimesSync(leftBehind, hours(48), hours(48));
  utimesSync(path.join(directory, 'swept'), hours(2), hours(2));
  return { directory, leftBehind };
}

describe('the folder of a program is swept', () => {
  for (const [name, env, nodeOptions] of [
    ['where programs learn', { WASM_CACHE_LEARN: 'hot' }, []],
    ['with WASM_CACHE_LEARN=off', { WASM_CACHE_LEARN: 'off' }, []],
    ['where it may start no process', {}, [permission, '--allow-addons', '--allow-fs-read=*', '--allow-fs-write=*']],
  ] as [string, Record<string, string>, string[]][]) {
    it(name, async () => {
      const { directory, leftBehind } = folderToSweep();
      const { status, signal } = runProgram('work.mjs', {
        nodeOptions: [...nodeOptions, '--import', register],
        args: ['hot'],
        env: { WASM_CACHE_DIR: directory, ...env },
      });
      assert.deepEqual([status, signal], [0, null]);
      await until('what was left behind is gone', () => !existsSync(leftBehind));
      await until('the sweep is over', () => !existsSync(path.join(directory, 'sweep.lock')));
      assert.ok(statSync(path.join(directory, 'swept')).mtimeMs > Date.now() - HOUR);
    });
  }

  it('unless it is read-only', () => {
    const { directory, leftBehind } = folderToSweep();
    runProgram('work.mjs', {
      nodeOptions: ['--import', register],
      args: ['hot'],
      env: { WASM_CACHE_DIR: directory, WASM_CACHE_MODE: 'read-only' },
    });
    assert.ok(existsSync(leftBehind));
  });
});

it('a sweep is published on wasm-module-cache:evict', async () => {
  const { directory, leftBehind } = folderToSweep();
  const told: unknown[] = [];
  const listen = (message: unknown) => told.push(message);
  subscribe('wasm-module-cache:evict', listen);
  const { key, engine, module } = sample();
  await new FileSystemCache(directory).save(key, engine, module);
  await until('it is told', () => told.length > 0);
  unsubscribe('wasm-module-cache:evict', listen);
  const [{ before, after, ...rest }] = told as [Record<string, { files: number }>];
  assert.deepEqual(rest, { directory, removed: [leftBehind] });
  assert.deepEqual([before?.files, after?.files], [2, 1]);
});
