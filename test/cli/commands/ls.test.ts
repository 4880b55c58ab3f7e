import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { LsDocument } from '../../../dist/cli/commands/ls.js';
import { madeUp, SECRET } from '../../support/bundles.js';
import { jsonOf, OTHER_ENGINE, putArtifact, putStatistics, runCli, shapeOf } from '../../support/cli.js';
import { engineIdOfPrograms } from '../../support/learning.js';
import { temporaryDirectory } from '../../support/processes.js';

const HOUR = 3_600_000;
const here = engineIdOfPrograms();

/** Three artifacts: of this engine, of another Node, and a damaged one. */
function folder(): string {
  const directory = temporaryDirectory();
  const artifact = madeUp(1, { engineId: here, generation: 2, final: true });
  putArtifact(directory, artifact, { age: 3 * HOUR });
  putStatistics(directory, [{ key: String(artifact.key), name: '@scope/name', misses: 1 }]);
  putArtifact(directory, madeUp(2, { engineId: OTHER_ENGINE, nativeCode: Buffer.alloc(5000, 1) }), {
    age: 50 * HOUR,
    secret: SECRET,
  });
  putArtifact(directory, madeUp(3, { engineId: here }), { age: HOUR / 2, change: (bytes) => bytes.subarray(0, 200) });
  return directory;
}

const engineShape = {
  ...{ id: 'string', node: 'string', v8: 'string', platform: 'string', arch: 'string', tag: 'string' },
  ...{ isThisNode: 'boolean', isThisEngine: 'boolean' },
};

describe('wasm-cache ls', () => {
  it('lists artifacts, the last used first', () => {
    const directory = folder();
    const { status, stdout, stderr } = runCli(['ls', '--dir', directory]);
    assert.deepEqual([status, stderr], [0, '']);
    const lines = stdout.trimEnd().split('\n');
    assert.match(lines[0] as string, /^KEY +NAME +SIZE +MODULE +COVERAGE +GEN +USED +SIGNED +ENGINE$/);
    assert.match(lines[1] as string, /^[0-9a-f]{12} +\? +200 B +\? +damaged +\? +30 min ago +\? +Node \d/);
    assert.match(
      lines[2] as string,
      /^[0-9a-f]{12} +@scope\/name +4.2 KiB +1001 B +hot, final +2 +3 h ago +no +Node \d/,
    );
    assert.match(lines[3] as string, /^[0-9a-f]{12} +\? +6.2 KiB +1002 B +hot +0 +2.1 d ago +yes +Node 25.1.0$/);
    assert.match(lines.at(-1) as string, new RegExp(`^3 artifacts, .* KiB, in ${directory}, and 1 other file$`));
    assert.ok(!stdout.includes('\x1b'), 'no colours where there is no terminal');
  });

  it('prints JSON of the documented shape', () => {
    const directory = folder();
    const document = jsonOf<LsDocument>(['ls', '--dir', directory]);
    const known = {
      ...{
        name: 'string',
        key: 'string',
        file: 'string',
        size: 'number',
        moduleSize: 'number',
        nativeCodeSize: 'number',
      },
      ...{ coverage: 'string', generation: 'number', final: 'boolean', bypassedUntil: 'null', signed: 'boolean' },
      ...{ engine: engineShape, writtenAt: 'string', usedAt: 'string', damage: 'null' },
    };
    const damaged = {
      ...{ name: 'null', key: 'string', file: 'string', size: 'number', moduleSize: 'null', nativeCodeSize: 'null' },
      ...{ coverage: 'null', generation: 'null', final: 'null', bypassedUntil: 'null', signed: 'null' },
      ...{ engine: engineShape, writtenAt: 'null', usedAt: 'string', damage: 'string' },
    };
    assert.deepEqual(shapeOf(document), {
      ...{ directory: 'string', engine: 'string', entries: [damaged, known, { ...known, name: 'null' }] },
      totals: { artifacts: 'number', artifactsSize: 'number', otherFiles: 'number', otherFilesSize: 'number' },
    });
    assert.equal(document.engine, here);
    const [, ofThis, ofOther] = document.entries;
    assert.deepEqual([ofThis?.engine.isThisNode, ofThis?.engine.isThisEngine, ofThis?.signed], [true, true, false]);
    assert.deepEqual([ofOther?.engine.isThisNode, ofOther?.engine.id, ofOther?.signed], [false, OTHER_ENGINE, true]);
  });

  it('sorts by size if asked to', () => {
    const { entries } = jsonOf<LsDocument>(['ls', '--dir', folder(), '--sort', 'size']);
    const sizes = entries.map(({ size }) => size);
    assert.deepEqual(
      sizes,
      sizes.toSorted((a, b) => b - a),
    );
    assert.equal(sizes.length, 3);
  });

  it('distinguishes an engine of this Node with other V8 flags', () => {
    const directory = temporaryDirectory();
    putArtifact(directory, madeUp(1, { engineId: here }));
    const [entry] = jsonOf<LsDocument>(['ls', '--dir', directory], { nodeOptions: ['--stack-size=900'] }).entries;
    assert.deepEqual([entry?.engine.isThisNode, entry?.engine.isThisEngine], [true, false]);
  });

  it('says that nothing is stored, also if there is no folder yet', () => {
    const directory = path.join(temporaryDirectory(), 'none');
    assert.equal(runCli(['ls', '--dir', directory]).stdout, `Nothing is stored in ${directory}.\n`);
    assert.deepEqual(jsonOf<LsDocument>(['ls'], { env: { WASM_CACHE_DIR: directory } }).entries, []);
  });

  it('refuses a folder that others may write to', { skip: process.platform === 'win32' }, () => {
    const directory = folder();
    chmodSync(directory, 0o777);
    const { status, stdout, stderr } = runCli(['ls', '--dir', directory]);
    assert.deepEqual([status, stdout], [3, '']);
    assert.match(stderr, /^error: .* can be written by others .* chmod 700/);
    assert.equal(runCli(['ls', '--dir', directory], { env: { WASM_CACHE_SECRET: SECRET } }).status, 0);
  });

  it('says which option is wrong', () => {
    const { status, stdout, stderr } = runCli(['ls', '--sort', 'age']);
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, /'--sort <by>' argument 'age' is invalid. Allowed choices are used, size/);
    assert.match(stderr, /wasm-cache ls --help/);
    const file = path.join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    const ofFile = runCli(['ls', '--dir', file]);
    assert.equal(ofFile.status, 2);
    assert.match(ofFile.stderr, /^error: The cache folder .*file is not a folder/);
  });
});
