import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import type { InfoDocument } from '../../../dist/cli/commands/info.js';
import { ModuleHash } from '../../../dist/index.js';
import { sumModule } from '../../../dist/testing/modules.js';
import { madeUp, SECRET } from '../../support/bundles.js';
import { jsonOf, OTHER_ENGINE, putArtifact, runCli, shapeOf } from '../../support/cli.js';
import { engineIdOfPrograms } from '../../support/learning.js';
import { filesIn, register, runProgram, temporaryDirectory } from '../../support/processes.js';
import { quarantine } from '../../support/quarantine.js';

const here = engineIdOfPrograms();

describe('wasm-cache info', () => {
  // The module that programs/hot.mjs compiles, and the artifact that a run of it stores.
  const wireBytes = sumModule({ offset: 5, padding: 70_000 });
  const key = ModuleHash.sha256(wireBytes).toString();
  const directory = path.join(temporaryDirectory(), 'cache');
  const file = path.join(temporaryDirectory(), 'sum.wasm');

  before(() => {
    writeFileSync(file, wireBytes);
    const { status } = runProgram('hot.mjs', {
      nodeOptions: ['--import', register],
      env: { WASM_CACHE_DIR: directory },
    });
    assert.equal(status, 0);
  });

  it('describes a module given by its file, with its functions', () => {
    const { status, stdout, stderr } = runCli(['info', file, '--dir', directory]);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(
      stdout,
      new RegExp(`^Key +${key}\nName +programs/hot.mjs\nModule +.*sum.wasm, 68 KiB\n\nNode .*, as here\n`),
    );
    assert.match(stdout, / Coverage +hot, generation 0/);
    assert.match(stdout, / Functions +(2 of 2 optimised|1 of 2 optimised, 1 more ran)\n/);
    assert.match(stdout, / Signature +none\n/);
    const [artifact] = jsonOf<InfoDocument>(['info', file, '--dir', directory]).artifacts;
    const { declared = 0, optimised = 0, executed = 0 } = artifact?.functions ?? {};
    // Both ran; V8 may have optimised one or both by the exit.
    assert.deepEqual([declared, optimised + executed, optimised > 0], [2, 2, true]);
    assert.deepEqual(artifact?.notForThisEngine, []);
  });

  it('describes a module given by the first digits of its key, without the functions', () => {
    const document = jsonOf<InfoDocument>(['info', key.slice(0, 4).toUpperCase(), '--dir', directory]);
    assert.deepEqual([document.key, document.module, document.artifacts[0]?.functions], [key, null, null]);
  });

  it('prints JSON of the documented shape', () => {
    assert.deepEqual(shapeOf(jsonOf(['info', file, '--dir', directory])), {
      ...{ directory: 'string', engine: 'string', key: 'string', name: 'string', module: 'string' },
      artifacts: [
        {
          ...{ key: 'string', file: 'string', size: 'number', moduleSize: 'number', nativeCodeSize: 'number' },
          ...{ coverage: 'string', generation: 'number', final: 'boolean', bypassedUntil: 'null', signed: 'boolean' },
          engine: {
            ...{ id: 'string', node: 'string', v8: 'string', platform: 'string', arch: 'string', tag: 'string' },
            ...{ isThisNode: 'boolean', isThisEngine: 'boolean' },
          },
          ...{ writtenAt: 'string', usedAt: 'string', damage: 'null', signature: 'string', quarantine: 'null' },
          functions: { declared: 'number', optimised: 'number', executed: 'number' },
          notForThisEngine: [],
          missing: 'number',
        },
      ],
    });
  });

  it('tells what is wrong with an artifact: damage, another secret, another engine, quarantine', () => {
    const folder = temporaryDirectory();
    const made = madeUp(1);
    const stored = [
      putArtifact(folder, { ...made, engineId: here }, { change: (bytes) => bytes.fill(0, 400, 500) }),
      putArtifact(folder, { ...made, engineId: OTHER_ENGINE }, { secret: 'a-secret-of-somebody-else' }),
    ];
    quarantine(stored[1] as string, { deaths: 2, goodTries: 1 });
    const env = { WASM_CACHE_SECRET: SECRET };
    const { artifacts } = jsonOf<InfoDocument>(['info', String(made.key), '--dir', folder], { env });
    const [damaged, other] = artifacts;
    assert.match(String(damaged?.damage), /checksum of the native code/);
    assert.equal(other?.signature, 'other-secret');
    assert.deepEqual(other?.quarantine, { deaths: 2, goodTries: 1 });
    assert.match(other?.notForThisEngine[0] ?? '', /^made by Node v25.1.0, this is/);
    const text = runCli(['info', String(made.key), '--dir', folder], { env }).stdout;
    assert.match(text, /Damaged +.*checksum/);
    assert.match(text, /Quarantine +2 loads of it did not finish/);
  });

  it('changes nothing', () => {
    const before = filesIn(directory);
    runCli(['info', file, '--dir', directory]);
    assert.deepEqual(filesIn(directory), before);
  });

  it('exits with 1 if nothing is stored', () => {
    const empty = temporaryDirectory();
    const { status, stdout } = runCli(['info', file, '--dir', empty]);
    assert.equal(status, 1);
    assert.match(stdout, /^Nothing is stored for .*sum.wasm, key [0-9a-f]{64} in /);
    assert.deepEqual(jsonOf<InfoDocument>(['info', 'abcd', '--dir', empty], {}, 1).artifacts, []);
  });

  it('says which argument is wrong', () => {
    const folder = temporaryDirectory();
    // Two keys that begin alike.
    const keys = ['abcd1', 'abcd2'].map((start) => ModuleHash.parseHex(start.padEnd(64, '0')));
    for (const each of keys) putArtifact(folder, madeUp(1, { key: each }));
    const text = path.join(folder, 'text.wasm');
    writeFileSync(text, 'not wasm');
    for (const [given, message] of [
      ['abcd', /abcd is the start of 2 keys: give more digits\n {2}abcd[12]0+\n {2}abcd[12]0+/],
      ['abc', /abc is not a key: a key has 64 hexadecimal digits, and its first 4 may be enough/],
      ['zz12', /zz12 is not a file here, and not a key: a key has 64 hexadecimal digits/],
      ['missing.wasm', /There is no file .*missing.wasm/],
      [folder, /is a folder: name the .wasm file/],
      [text, /text.wasm is not a WebAssembly binary: it begins with 6e6f7420, not with 0061736d/],
    ] as const) {
      const { status, stdout, stderr } = runCli(['info', given, '--dir', folder]);
      assert.deepEqual([status, stdout], [2, ''], given);
      assert.match(stderr, message);
    }
    assert.equal(runCli(['info']).status, 2);
  });
});
