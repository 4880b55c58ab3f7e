import assert from 'node:assert/strict';
import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { VerifyDocument } from '../../../dist/cli/commands/verify.js';
import { madeUp, SECRET } from '../../support/bundles.js';
import { jsonOf, OTHER_ENGINE, putArtifact, runCli, shapeOf } from '../../support/cli.js';
import { engineIdOfPrograms, snapshot } from '../../support/learning.js';
import { temporaryDirectory } from '../../support/processes.js';

const here = engineIdOfPrograms();
const onPosix = { skip: process.geteuid ? false : 'no file modes here' };

/** A valid artifact, a damaged one, and a foreign file. */
function folder() {
  const directory = temporaryDirectory();
  const good = putArtifact(directory, madeUp(1, { engineId: here }));
  const bad = putArtifact(directory, madeUp(2, { engineId: OTHER_ENGINE }), {
    change: (bytes) => bytes.fill(0, 400, 500),
  });
  const foreign = path.join(path.dirname(good), 'notes.txt');
  writeFileSync(foreign, 'mine');
  return { directory, good, bad, foreign };
}

describe('wasm-cache verify', () => {
  it('accepts a valid folder', () => {
    const directory = temporaryDirectory();
    putArtifact(directory, madeUp(1, { engineId: here }));
    const { status, stdout, stderr } = runCli(['verify', '--dir', directory]);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^1 file, 4.2 KiB, read in .*\nEverything is in order.\n$/);
    assert.match(runCli(['verify', '--dir', path.join(directory, 'none')]).stdout, /^Nothing is stored in/);
  });

  it('reports what is wrong, exits with 1, and changes nothing', () => {
    const { directory } = folder();
    const before = snapshot(directory);
    const { status, stdout, stderr } = runCli(['verify', '--dir', directory]);
    assert.deepEqual([status, stderr], [1, '']);
    assert.match(stdout, /to remove +[0-9a-f]{12} +4.2 KiB +Node 25.1.0 +.*checksum of the native code/);
    assert.match(stdout, /unknown +- +4 B +- +not of this package \(.*notes.txt\)/);
    assert.match(stdout, /Nothing was changed. To fix this, run the same command with --repair/);
    assert.deepEqual(snapshot(directory), before);
  });

  it('repairs with --repair, and leaves foreign files', onPosix, () => {
    const { directory, good, bad, foreign } = folder();
    chmodSync(good, 0o644);
    const { status, stdout } = runCli(['verify', '--repair', '--dir', directory]);
    assert.equal(status, 1);
    assert.match(stdout, /^removed +/m);
    assert.match(stdout, /^repaired +.* had the mode 644/m);
    assert.deepEqual([good, bad, foreign].map(existsSync), [true, false, true]);
    assert.equal(statSync(good).mode & 0o777, 0o600);
    assert.equal(runCli(['verify', '--dir', directory]).status, 0);
  });

  it('finds artifacts that are not signed with the secret', () => {
    const directory = temporaryDirectory();
    putArtifact(directory, madeUp(1), { secret: SECRET });
    const env = { WASM_CACHE_SECRET: 'another-secret-of-ours' };
    const document = jsonOf<VerifyDocument>(['verify', '--dir', directory], { env }, 1);
    assert.deepEqual([document.files[0]?.outcome, document.totals.untrusted.files], ['untrusted', 1]);
    jsonOf(['verify', '--dir', directory], { env: { WASM_CACHE_SECRET: SECRET } });
  });

  it('prints JSON of the documented shape', () => {
    const { directory } = folder();
    const document = jsonOf<VerifyDocument>(['verify', '--dir', directory], {}, 1);
    const engine = {
      ...{ id: 'string', node: 'string', v8: 'string', platform: 'string', arch: 'string', tag: 'string' },
      ...{ isThisNode: 'boolean', isThisEngine: 'boolean' },
    };
    const file = { file: 'string', size: 'number', outcome: 'string', isOfDeadEngine: 'boolean' };
    const total = { files: 'number', size: 'number' };
    const { files, ...rest } = document;
    assert.deepEqual(shapeOf(rest), {
      ...{ directory: 'string', repaired: 'boolean', durationMilliseconds: 'number' },
      totals: { kept: total, repaired: total, removed: total, quarantined: total, untrusted: total, unknown: total },
    });
    const shapes = Object.fromEntries(files.map((each) => [each.outcome, shapeOf(each)]));
    assert.deepEqual(shapes, {
      kept: { ...file, reason: 'null', key: 'string', engine },
      removed: { ...file, reason: 'string', key: 'string', engine },
      unknown: { ...file, reason: 'string', key: 'null', engine: 'null' },
    });
  });

  it('does not touch a folder that others may write to', onPosix, () => {
    const { directory, bad } = folder();
    chmodSync(directory, 0o777);
    const { status, stderr } = runCli(['verify', '--repair', '--dir', directory]);
    assert.equal(status, 3);
    assert.match(stderr, /^error: .* can be written by others/);
    assert.ok(existsSync(bad));
  });

  it('names an option that it does not have', () => {
    const { status, stderr } = runCli(['verify', '--fix']);
    assert.equal(status, 2);
    assert.match(stderr, /unknown option '--fix'/);
  });
});
