import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { Removal } from '../../../dist/cli/folder/removal.js';
import { madeUp } from '../../support/bundles.js';
import { jsonOf, OTHER_ENGINE, putArtifact, runCli, shapeOf } from '../../support/cli.js';
import { engineIdOfPrograms, snapshot } from '../../support/learning.js';
import { temporaryDirectory } from '../../support/processes.js';

const DAY = 86_400_000;
const here = engineIdOfPrograms();

/** Two artifacts of this engine, 1 and 40 days old, two of another engine, 20 and 50 days old, and a foreign file. */
function folder() {
  const directory = temporaryDirectory();
  const put = (seed: number, engineId: string, days: number) =>
    putArtifact(directory, madeUp(seed, { engineId }), { age: days * DAY });
  const young = put(1, here, 1);
  const old = put(2, here, 40);
  const other = put(3, OTHER_ENGINE, 20);
  const oldOther = put(4, OTHER_ENGINE, 50);
  const foreign = path.join(path.dirname(young), 'notes.txt');
  writeFileSync(foreign, 'mine');
  const left = () => [young, old, other, oldOther, foreign].map((file) => existsSync(file));
  return { directory, young, old, other, oldOther, left };
}

describe('wasm-cache prune', () => {
  it('cuts the folder to a size, the least recently used first', () => {
    const { directory, left } = folder();
    const { status, stdout, stderr } = runCli(['prune', '--max-size', '13KB', '--dir', directory]);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^Removed 1 artifact, 4.2 KiB, in .*; 3 files, 13 KiB are left.\n$/);
    // It is of a dead engine, so it goes before the older one of this engine.
    assert.deepEqual(left(), [true, true, true, false, true]);
  });

  it('removes artifacts that were not used for the given time', () => {
    const { directory, left } = folder();
    const { removed } = jsonOf<Removal>(['prune', '--older-than', '30d', '--dir', directory]);
    assert.deepEqual(
      removed.map(({ why }) => why),
      ['older-than', 'older-than'],
    );
    assert.deepEqual(left(), [true, false, true, false, true]);
  });

  it('removes artifacts of dead engines, or of all other Nodes', () => {
    const dead = folder();
    const { removed } = jsonOf<Removal>(['prune', '--dead-engines', '--dir', dead.directory]);
    assert.deepEqual(dead.left(), [true, true, false, false, true]);
    assert.deepEqual([removed[0]?.why, removed[0]?.engine?.node], ['dead-engine', 'v25.1.0']);

    const other = folder();
    putArtifact(other.directory, madeUp(5, { engineId: OTHER_ENGINE }));
    putArtifact(other.directory, madeUp(6, { engineId: `${here.slice(0, -8)}00000000` }));
    putArtifact(other.directory, madeUp(7, { engineId: 'engine-of-a-host' }));
    const document = jsonOf<Removal>(['prune', '--other-engines', '--dir', other.directory]);
    assert.equal(document.removed.length, 3, 'not those of this Node with other flags, or of no Node');
    assert.deepEqual(other.left(), [true, true, false, false, true]);
  });

  it('only shows what it would remove with --dry-run', () => {
    const { directory } = folder();
    const before = snapshot(directory);
    const { status, stdout } = runCli(['prune', '--older-than', '30d', '--dry-run', '--dir', directory]);
    assert.equal(status, 0);
    assert.match(stdout, /^KEY +SIZE +USED +WHY +ENGINE\n/);
    assert.match(stdout, /^[0-9a-f]{12} +4.2 KiB +40 d ago +older-than +Node \d/m);
    assert.match(stdout, /\nWould remove 2 artifacts, 8.4 KiB, in .*; 2 files, 8.4 KiB would stay.\n$/);
    assert.deepEqual(snapshot(directory), before);
  });

  it('prints JSON of the documented shape', () => {
    const { directory } = folder();
    const sum = { files: 'number', size: 'number' };
    const engine = {
      ...{ id: 'string', node: 'string', v8: 'string', platform: 'string', arch: 'string', tag: 'string' },
      ...{ isThisNode: 'boolean', isThisEngine: 'boolean' },
    };
    const file = {
      file: 'string',
      size: 'number',
      kind: 'string',
      key: 'string',
      usedAt: 'string',
      why: 'string',
      engine,
    };
    const shape = { directory: 'string', dryRun: 'boolean', before: sum, after: sum, removed: [file], failed: [] };
    assert.deepEqual(shapeOf(jsonOf(['prune', '--older-than', '30d', '--dry-run', '--dir', directory])), shape);
  });

  it('has nothing to do in an empty or missing folder', () => {
    const directory = temporaryDirectory();
    for (const each of [directory, path.join(directory, 'none')]) {
      const { status, stdout } = runCli(['prune', '--max-size', '1MiB', '--dir', each]);
      assert.equal(status, 0);
      assert.match(stdout, /^Nothing to remove in .*: 0 files, 0 B.\n$/);
    }
    assert.ok(!existsSync(path.join(directory, 'none')));
  });

  it('waits until another process has swept', () => {
    const { directory, left } = folder();
    // A lock of a process that was killed before it wrote its name counts for five seconds.
    writeFileSync(path.join(directory, 'sweep.lock'), '');
    assert.equal(runCli(['prune', '--older-than', '30d', '--dir', directory]).status, 0);
    assert.deepEqual(left(), [true, false, true, false, true]);
  });

  it('refuses to guess if a criterion, a unit or a size is missing', () => {
    const { directory } = folder();
    const before = snapshot(directory);
    for (const [args, message] of [
      [[], /Say what to remove, with --max-size, --older-than, --dead-engines or --other-engines/],
      [['--dry-run'], /Say what to remove/],
      [['--older-than', '30'], /--older-than must be a time with its unit, such as 30d, 12h or 90m, not '30'/],
      [['--older-than', '0d'], /not '0d'/],
      [['--max-size', 'half'], /--max-size must be a size with its unit, such as 500MiB or 2GiB, not 'half'/],
      [['--max-size', '500'], /not '500'/],
      [['--max-size', '0'], /not '0'/],
      [['--max-size'], /option '--max-size <size>' argument missing/],
    ] as const) {
      const { status, stdout, stderr } = runCli(['prune', '--dir', directory, ...args]);
      assert.deepEqual([status, stdout], [2, ''], args.join(' '));
      assert.match(stderr, message);
    }
    assert.deepEqual(snapshot(directory), before);
  });
});
