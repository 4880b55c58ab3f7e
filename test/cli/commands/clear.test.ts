import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { ClearDocument } from '../../../dist/cli/commands/clear.js';
import { hostTag } from '../../../dist/files/write.js';
import { encodeProgramRecord } from '../../../dist/stores/program-record.js';
import { madeUp } from '../../support/bundles.js';
import { hasTerminal, jsonOf, OTHER_ENGINE, putArtifact, runCli, runOnTerminal, shapeOf } from '../../support/cli.js';
import { snapshot } from '../../support/learning.js';
import { temporaryDirectory } from '../../support/processes.js';

const onTerminal = { skip: !hasTerminal && 'no terminal here' };

/** An artifact with its guard file, a program record, a file that a process is writing, and a foreign file. */
function folder() {
  const directory = temporaryDirectory();
  const artifact = putArtifact(directory, madeUp(1, { engineId: OTHER_ENGINE }));
  const put = (file: string, content: string | Uint8Array = '- 0 0 \n') => {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
    return file;
  };
  const ours = [
    artifact,
    put(artifact.replace('.artifact', '.loading'), 'loading\n'),
    put(path.join(directory, 'programs/app.js.json'), encodeProgramRecord([])),
  ];
  const others = [
    put(`${artifact}.${hostTag()}-${process.pid}-0-abc.tmp`),
    put(path.join(path.dirname(artifact), 'notes.txt')),
    put(path.join(directory, 'notes.txt')),
    put(path.join(directory, 'programs/mine.json')),
  ];
  const left = () => [ours.some(existsSync), others.every(existsSync)];
  return { directory, left };
}

describe('wasm-cache clear', () => {
  it('removes everything of this package with --yes, and nothing else', () => {
    const { directory, left } = folder();
    const { status, stdout, stderr } = runCli(['clear', '--yes', '--dir', directory]);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^Removed 1 artifact and 2 other files, 4.3 KiB, in .*; 1 file, 7 B are left.\n$/);
    assert.deepEqual(left(), [false, true]);
    assert.match(runCli(['clear', '--dir', directory]).stdout, /^Nothing to remove/);
  });

  it('removes nothing without --yes if there is no terminal', () => {
    const { directory } = folder();
    const before = snapshot(directory);
    const { status, stdout, stderr } = runCli(['clear', '--dir', directory]);
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(
      stderr,
      /^error: This would remove 3 files, 4.3 KiB, in .*, and there is no terminal to ask on: give --yes/,
    );
    assert.deepEqual(snapshot(directory), before);
  });

  it('asks on a terminal', onTerminal, () => {
    const { directory, left } = folder();
    for (const input of ['n\n', '\n', '\x04']) {
      const { status, stdout } = runOnTerminal(['clear', '--dir', directory], input);
      assert.match(stdout, /Remove 3 files, 4.3 KiB, in .*\? \[y\/N\]/);
      assert.match(stdout, /Nothing was removed/);
      assert.equal(status, 1, JSON.stringify(input));
      assert.deepEqual(left(), [true, true]);
    }
    const { status, stdout } = runOnTerminal(['clear', '--dir', directory], 'y\n');
    assert.equal(status, 0);
    assert.match(stdout, /Removed 1 artifact and 2 other files/);
    assert.deepEqual(left(), [false, true]);
  });

  it('only shows what it would remove with --dry-run', () => {
    const { directory } = folder();
    const before = snapshot(directory);
    const { status, stdout } = runCli(['clear', '--dry-run', '--dir', directory]);
    assert.equal(status, 0);
    assert.match(stdout, /Would remove 1 artifact and 2 other files/);
    assert.deepEqual(snapshot(directory), before);
  });

  it('prints JSON of the documented shape', () => {
    const { removed, ...document } = jsonOf<ClearDocument>(['clear', '--yes', '--dir', folder().directory]);
    const sum = { files: 'number', size: 'number' };
    const shape = { directory: 'string', dryRun: 'boolean', declined: 'boolean', before: sum, after: sum, failed: [] };
    assert.deepEqual(shapeOf(document), shape);
    assert.deepEqual(removed.map(({ kind, why }) => `${kind} ${why}`).sort(), [
      'artifact clear',
      'guard clear',
      'record clear',
    ]);
  });

  it('names an option that it does not have', () => {
    const { status, stderr } = runCli(['clear', '--force']);
    assert.equal(status, 2);
    assert.match(stderr, /unknown option '--force'/);
  });
});
