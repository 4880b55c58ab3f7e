import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { HEADER_LENGTH } from '../../dist/artifact/header.js';
import { canPack } from '../../dist/artifact/packed.js';
import { entryName } from '../../dist/caches/entry-name.js';
import { type ExportBundleOptions, exportBundle, FileSystemCache, type LeftOutArtifact } from '../../dist/index.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { sample } from '../../dist/testing/sample.js';
import { MemoryStore } from '../../dist/testing.js';
import { ENGINE, encoded, entriesOf, madeUp, SECRET, storeOf } from '../support/bundles.js';
import { filesIn, temporaryDirectory } from '../support/processes.js';
import { quarantine } from '../support/quarantine.js';

const onPosix = { skip: process.geteuid ? false : 'no file modes here' };
const secret = SECRET;

/** A folder with three artifacts of two engines, and the path of the bundle. */
function setUp(options = {}) {
  const directory = temporaryDirectory();
  const cache = new FileSystemCache(directory, options);
  const samples = [
    sample({ offset: 1 }),
    sample({ offset: 2 }),
    sample({ offset: 1, engine: new FakeEngine('fake-engine-2') }),
  ];
  for (const { key, engine, module } of samples) cache.saveSync(key, engine, module);
  return { directory, cache, samples, to: path.join(temporaryDirectory(), 'bundle.tar') };
}

describe('exportBundle refuses', () => {
  const wrong: [option: string, value: unknown][] = [
    ['from', 7],
    ['from', ''],
    ['from', {}],
    ['to', ''],
    ['to', {}],
    ['engines', 'all'],
    ['keys', 'all'],
    ['wireBytes', true],
    ['compression', 'gzip'],
    ['maxArtifactSize', 0],
  ];
  for (const [option, value] of wrong) {
    it(`${option}: ${JSON.stringify(value)}`, async () => {
      const options = { from: new MemoryStore(), to: 'bundle.tar', secret, [option]: value } as ExportBundleOptions;
      await assert.rejects(exportBundle(options), {
        name: 'TypeError',
        message: new RegExp(`The option ${option} must`),
      });
    });
  }

  it('to work without a secret, unless allowUnsigned is set', async () => {
    const { directory, to } = setUp();
    await assert.rejects(exportBundle({ from: directory, to }), {
      name: 'TypeError',
      message: 'Whoever can write to the bundle could run code here: give the option secret, or allowUnsigned: true',
    });
    await assert.rejects(exportBundle({ from: directory, to, secret: 'short' }), { name: 'TypeError' });
  });

  it('a store that cannot list its names', async () => {
    const from = Object.assign(new MemoryStore(), { list: undefined }) as unknown as MemoryStore;
    await assert.rejects(exportBundle({ from, to: 'bundle.tar', secret }), {
      name: 'TypeError',
      message: /cannot list/,
    });
  });
});

describe('a bundle', () => {
  it('is a tar file with the manifest, its signature and the artifacts', async () => {
    const { directory, samples, to } = setUp();
    const { artifacts, leftOut, size } = await exportBundle({ from: directory, to, secret });
    assert.deepEqual([artifacts.length, leftOut], [3, []]);
    const bytes = readFileSync(to);
    assert.equal(bytes.length, size);
    const entries = await entriesOf(bytes);
    const names = samples.map(({ key, engine }) => `artifacts/${engine.deterministicId}/${key}.artifact`).sort();
    assert.deepEqual(
      entries.map(({ header }) => header.name),
      ['manifest.json', 'manifest.sig', ...names],
    );
    const manifest = JSON.parse(Buffer.from(entries[0]?.data ?? []).toString());
    assert.deepEqual([manifest.format, manifest.version], ['wasm-module-cache bundle', 1]);
    assert.deepEqual(manifest.artifacts, JSON.parse(JSON.stringify(artifacts)));
    assert.equal(readdirSync(path.dirname(to)).length, 1, 'nothing is left behind');
  });

  it('is one that other programs can read', (test) => {
    const { directory, to } = setUp();
    return exportBundle({ from: directory, to, allowUnsigned: true }).then(() => {
      const { status, stdout, error } = spawnSync('tar', ['tf', to], { encoding: 'utf8' });
      if (error) return test.skip('SKIPPED: there is no tar here');
      assert.deepEqual([status, stdout.split('\n').length], [0, 5]);
      assert.ok(stdout.startsWith('manifest.json\nartifacts/fake-engine-1/'), stdout);
    });
  });

  it('describes every artifact', async () => {
    const artifact = madeUp(1, { coverage: 'full', generation: 7, final: true });
    const options = { to: new PassThrough().resume(), secret, compression: 'none' } as const;
    const { artifacts } = await exportBundle({ from: await storeOf([artifact]), ...options });
    const [{ sha256 = '', ...rest } = {}] = artifacts;
    assert.match(sha256, /^[0-9a-f]{64}$/);
    assert.deepEqual(rest, {
      path: `artifacts/${ENGINE}/${artifact.key}.artifact`,
      key: artifact.key,
      engineId: ENGINE,
      engine: {
        node: 'v26.10.0',
        v8: '14.6.202.34-node.18',
        platform: 'linux',
        arch: 'x64',
        binarySize: 129387408,
        trapHandler: true,
        tag: '310b2ce3',
      },
      coverage: 'full',
      generation: 7,
      final: true,
      nativeLength: 3000,
      wireLength: 1001,
      includesWireBytes: true,
      compression: 'none',
      size: HEADER_LENGTH + 4001,
    });
  });

  it('is packed if this Node can, or if asked to', { skip: !canPack() }, async () => {
    const from = await storeOf([madeUp(1)]);
    const sizes: number[] = [];
    for (const compression of [undefined, 'zstd', 'none'] as const) {
      const { artifacts } = await exportBundle({ from, to: new PassThrough().resume(), secret, compression });
      sizes.push(artifacts[0]?.size ?? 0);
    }
    assert.ok((sizes[0] ?? 0) < 1000, String(sizes));
    assert.deepEqual(sizes.slice(1), [sizes[0], HEADER_LENGTH + 4001]);
  });

  it('cannot be packed by a Node that has no Zstandard', { skip: canPack() }, async () => {
    const options = { from: new MemoryStore(), to: 'bundle.tar', secret, compression: 'zstd' } as const;
    await assert.rejects(exportBundle(options), { name: 'TypeError', message: /does not have; give none/ });
  });

  it('may go to a stream, which is ended', async () => {
    const { directory } = setUp();
    const to = new PassThrough();
    const [bytes, { size }] = await Promise.all([buffer(to), exportBundle({ from: directory, to, secret })]);
    assert.equal(bytes.length, size);
  });

  it('contains only the requested artifacts, and reports no others', async () => {
    const { directory, samples, to } = setUp();
    const wanted = samples[0]?.key;
    const cases: [Partial<ExportBundleOptions>, number][] = [
      [{ engines: (id) => id === 'fake-engine-2' }, 1],
      [{ engines: 'this' }, 0],
      [{ keys: (key) => key.equals(wanted as typeof key) }, 2],
      [{ engines: (id) => id === 'fake-engine-1', keys: (key) => !key.equals(wanted as typeof key) }, 1],
    ];
    for (const [filter, count] of cases) {
      const { artifacts, leftOut } = await exportBundle({ from: directory, to, secret, ...filter });
      assert.deepEqual([artifacts.length, leftOut], [count, []]);
    }
  });

  it('finds an engine whose id is no folder name by its id', async () => {
    const from = await storeOf([madeUp(1, { engineId: 'an engine / of mine' }), madeUp(2)]);
    const asked = new Set<string>();
    const engines = (id: string) => !asked.add(id);
    await exportBundle({ from, to: new PassThrough().resume(), secret, engines });
    assert.deepEqual([...asked].sort(), ['an engine / of mine', ENGINE]);
  });

  it('has no wire bytes with wireBytes: omit', async () => {
    const from = await storeOf([madeUp(1)]);
    const { artifacts } = await exportBundle({ from, to: new PassThrough().resume(), secret, wireBytes: 'omit' });
    assert.deepEqual([artifacts[0]?.includesWireBytes, artifacts[0]?.wireLength], [false, 1001]);
  });

  it('of a missing folder is empty', async () => {
    const { to } = setUp();
    const from = path.join(temporaryDirectory(), 'nowhere');
    assert.deepEqual((await exportBundle({ from, to, secret })).artifacts, []);
  });

  it('does not contain the secret', async () => {
    const { directory, to } = setUp({ secret });
    const report = await exportBundle({ from: directory, to, secret });
    assert.equal(readFileSync(to).includes(secret), false);
    assert.equal(JSON.stringify(report).includes(secret), false);
  });
});

interface Case {
  what: string;
  reason: LeftOutArtifact['reason'];
  message: RegExp;
  options?: Partial<ExportBundleOptions>;
  /** Changes the folder of one artifact. */
  ruin(file: string, directory: string): void;
}

const left: Case[] = [
  {
    what: 'damaged',
    reason: 'damaged',
    message: /checksum/,
    ruin(file) {
      const bytes = readFileSync(file);
      bytes[400] = (bytes[400] as number) ^ 1;
      writeFileSync(file, bytes);
    },
  },
  { what: 'cut off', reason: 'damaged', message: /header announces/, ruin: (file) => truncateSync(file, 320) },
  { what: 'empty', reason: 'damaged', message: /ends inside/, ruin: (file) => truncateSync(file, 0) },
  {
    what: 'at the place of another module',
    reason: 'damaged',
    message: /belongs at/,
    ruin: (file) => writeFileSync(file, encoded(madeUp(9), null)),
  },
  {
    what: 'signed with another secret',
    reason: 'untrusted',
    message: /another secret/,
    ruin(file, directory) {
      const artifact = madeUp(1);
      assert.equal(path.join(directory, entryName(artifact)), file);
      writeFileSync(file, encoded(artifact, 'the-secret-of-others'));
    },
  },
  {
    what: 'in quarantine',
    reason: 'quarantined',
    message: /1 loads of it did not finish/,
    ruin: (file) => quarantine(file, { deaths: 1, goodTries: 0 }),
  },
  {
    what: 'a note that its module is left to V8',
    reason: 'empty',
    message: /left to V8/,
    ruin: (file) => {
      const nothing = { nativeCode: new Uint8Array(0), wireBytes: undefined, coverage: 'none' } as const;
      writeFileSync(file, encoded(madeUp(1, { ...nothing, bypassedUntil: 1 }), null));
    },
  },
  {
    what: 'not optimised, where wire bytes are not wanted',
    reason: 'empty',
    message: /Neither/,
    options: { wireBytes: 'omit' },
    ruin: (file) => writeFileSync(file, encoded(madeUp(1, { nativeCode: new Uint8Array(0), coverage: 'none' }), null)),
  },
  { what: 'too large', reason: 'too-large', message: /4001 bytes/, options: { maxArtifactSize: 4000 }, ruin: () => {} },
];

describe('exportBundle leaves out an artifact that is', () => {
  for (const { what, reason, message, options, ruin } of left) {
    it(what, async () => {
      const directory = temporaryDirectory();
      const name = entryName(madeUp(1));
      mkdirSync(path.join(directory, ENGINE), { mode: 0o700 });
      writeFileSync(path.join(directory, name), encoded(madeUp(1), null));
      ruin(path.join(directory, name), directory);
      const to = new PassThrough().resume();
      const { artifacts, leftOut } = await exportBundle({ from: directory, to, secret, ...options });
      assert.deepEqual([artifacts, leftOut.length], [[], 1]);
      assert.deepEqual([leftOut[0]?.name, leftOut[0]?.reason], [name, reason]);
      assert.match(leftOut[0]?.message ?? '', message);
    });
  }
});

describe('exportBundle trusts', () => {
  it('unsigned artifacts in a private folder, and nowhere else', async () => {
    const artifacts = [madeUp(1)];
    const { directory } = setUp();
    const to = () => new PassThrough().resume();
    assert.equal((await exportBundle({ from: directory, to: to(), secret })).artifacts.length, 3);
    const { leftOut } = await exportBundle({ from: await storeOf(artifacts, null), to: to(), secret });
    assert.deepEqual(
      leftOut.map(({ reason }) => reason),
      ['untrusted'],
    );
    const unsigned = { from: await storeOf(artifacts, null), to: to(), allowUnsigned: true };
    assert.equal((await exportBundle(unsigned)).artifacts.length, 1);
  });

  it('a folder that others may write to only if everything is signed', onPosix, async () => {
    const { directory, to } = setUp();
    const shared = setUp({ secret });
    for (const each of [directory, shared.directory]) chmodSync(each, 0o777);
    await assert.rejects(exportBundle({ from: directory, to, allowUnsigned: true }), ofKind('Untrusted'));
    assert.equal((await exportBundle({ from: directory, to, secret })).leftOut.length, 3);
    assert.equal((await exportBundle({ from: shared.directory, to, secret })).artifacts.length, 3);
    // The folder has the cache's secret; the bundle has another one.
    const other = 'the-secret-of-the-bundle';
    assert.equal((await exportBundle({ from: shared.cache, to, secret: other })).artifacts.length, 3);
    assert.equal((await exportBundle({ from: shared.directory, to, secret: [other, secret] })).artifacts.length, 3);
    assert.equal((await exportBundle({ from: shared.directory, to, secret: other })).leftOut.length, 3);
  });
});

describe('exportBundle never leaves a half bundle:', () => {
  it('the old file stays if the store fails or the export is aborted', async () => {
    const { to } = setUp();
    writeFileSync(to, 'what was there');
    const from = await storeOf([madeUp(1), madeUp(2)]);
    let gets = 0;
    const { get } = from;
    from.get = (...args) => (++gets === 2 ? Promise.reject(new Error('gone')) : get.apply(from, args));
    await assert.rejects(exportBundle({ from, to, secret }), {
      kind: 'Other',
      message: 'The store memory failed: gone',
    });
    const controller = new AbortController();
    from.get = (...args) => {
      controller.abort(new Error('enough'));
      return get.apply(from, args);
    };
    await assert.rejects(exportBundle({ from, to, secret, signal: controller.signal }), { message: 'enough' });
    assert.equal(readFileSync(to, 'utf8'), 'what was there');
    assert.deepEqual(filesIn(path.dirname(to)), [to]);
  });

  it('a file that cannot be written is an error', async () => {
    const { directory } = setUp();
    const to = path.join(temporaryDirectory(), 'nowhere', 'bundle.tar');
    await assert.rejects(exportBundle({ from: directory, to, secret }), { kind: 'FileWrite', path: to });
    const parent = temporaryDirectory();
    const folder = path.join(parent, 'folder');
    mkdirSync(folder);
    await assert.rejects(exportBundle({ from: directory, to: folder, secret }), { kind: 'FileWrite', path: folder });
    assert.deepEqual(readdirSync(parent), ['folder']);
  });

  it('a stream that fails is an error', async () => {
    const from = await storeOf([madeUp(1), madeUp(2)]);
    const to = new Writable({ write: (_chunk, _encoding, done) => done(new Error('full')) });
    await assert.rejects(exportBundle({ from, to, secret }), { kind: 'Other', message: /full/ });
    assert.equal(to.destroyed, true);
  });
});
