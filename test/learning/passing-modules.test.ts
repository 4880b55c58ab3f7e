import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import { ModuleHash } from '../../dist/index.js';
import { PassingModules } from '../../dist/learning/passing-modules.js';
import { temporaryDirectory } from '../support/processes.js';

const SHAPE = { wireLength: 70_000, declared: 12 };
let directory: string;
const newRun = (program = '/somewhere/app.mjs') => new PassingModules(directory, program, false);
beforeEach(() => {
  directory = temporaryDirectory();
});
function noted(key: ModuleHash, shape = SHAPE, of = newRun()): boolean {
  const passes = of.passes(key, shape);
  of.note(key, shape);
  return passes;
}
/** One module in each run. */
const noteNew = (shape = SHAPE, count = 1) =>
  Array.from({ length: count }, () => noted(ModuleHash.random(), shape, newRun()));
const file = () => path.join(directory, 'programs', readdirSync(path.join(directory, 'programs'))[0] as string);

describe('PassingModules', () => {
  it('lets the fifth module pass that comes only once', () => {
    assert.deepEqual(noteNew(SHAPE, 6), [false, false, false, false, true, true]);
  });

  it('keeps a module that comes again', () => {
    noteNew(SHAPE, 8);
    const key = ModuleHash.random();
    assert.equal(noted(key), true);
    assert.equal(noted(key), false);
  });

  it('keeps modules of other shapes, and those of other programs', () => {
    noteNew(SHAPE, 8);
    assert.deepEqual(noteNew({ ...SHAPE, wireLength: 70_001 }), [false]);
    assert.deepEqual(noteNew({ ...SHAPE, declared: 13 }), [false]);
    assert.equal(noted(ModuleHash.random(), SHAPE, newRun('/elsewhere/app.mjs')), false);
  });

  it('keeps all modules of one run', () => {
    const run = newRun();
    const passed = Array.from({ length: 100 }, () => noted(ModuleHash.random(), SHAPE, run));
    assert.ok(passed.every((each) => !each));
  });

  it('remembers few modules', () => {
    noteNew(SHAPE, 100);
    const lines = readFileSync(file(), 'utf8').trim().split('\n');
    assert.equal(lines.length, 32);
    assert.match(lines[0] as string, /^[0-9a-f]{16} 70000 12$/);
  });

  it('begins anew where its file is something else', () => {
    noteNew(SHAPE, 8);
    for (const content of ['something else\n', Buffer.alloc(1_000_000)]) {
      writeFileSync(file(), content);
      assert.deepEqual(noteNew(), [false]);
    }
  });
});
