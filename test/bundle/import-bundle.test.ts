import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { describe, it } from 'node:test';
import type { Artifact } from '../../dist/artifact/artifact.js';
import { HEADER_LENGTH } from '../../dist/artifact/header.js';
import { canPack, unpackArtifact } from '../../dist/artifact/packed.js';
import { Signer } from '../../dist/artifact/signature.js';
import { entryName } from '../../dist/caches/entry-name.js';
import {
  type ArtifactStore,
  CacheError,
  exportBundle,
  FileSystemCache,
  FileSystemStore,
  type ImportBundleOptions,
  type ImportedArtifact,
  importBundle,
  ModuleHash,
  RemoteCache,
} from '../../dist/index.js';
import { sha256 } from '../../dist/native/digest.js';
import { assertSameModule, ofKind } from '../../dist/testing/assertions.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { sample } from '../../dist/testing/sample.js';
import { MemoryStore } from '../../dist/testing.js';
import {
  bundleOf,
  ENGINE,
  type Entry,
  encoded,
  entriesOf,
  madeUp,
  SECRET,
  storeOf,
  streamOf,
  tarOf,
} from '../support/bundles.js';
import { damages, seeded } from '../support/damage.js';
import { filesIn, temporaryDirectory } from '../support/processes.js';

const onPosix = { skip: process.geteuid ? false : 'no file modes here' };
const secret = SECRET;
const engine = new FakeEngine(ENGINE);

/** Imports bytes into a store, and returns the report with the outcome of each artifact. */
async function importInto(store: ArtifactStore, bundle: Uint8Array, options: Partial<ImportBundleOptions> = {}) {
  const trust = 'allowUnsigned' in options ? {} : { secret };
  const report = await importBundle({ from: streamOf(bundle), into: store, engine, ...trust, ...options });
  return { ...report, outcomes: report.artifacts.map(({ outcome }) => outcome) };
}

function only({ artifacts }: { artifacts: ImportedArtifact[] }): ImportedArtifact {
  assert.equal(artifacts.length, 1);
  return artifacts[0] as ImportedArtifact;
}

/** The stored bytes of an artifact. */
async function storedIn(store: ArtifactStore, artifact: Artifact): Promise<Artifact> {
  const value = await store.get(entryName(artifact));
  assert.ok(value);
  return unpackArtifact(value.bytes, { check: () => {}, signer: undefined });
}

/** The bundle with another, signed manifest. */
async function withManifest(bundle: Uint8Array, change: (text: string) => string): Promise<Buffer> {
  const [manifest, signature, ...rest] = await entriesOf(bundle);
  assert.ok(manifest && signature);
  manifest.data = Buffer.from(change(Buffer.from(manifest.data).toString()));
  const hex = Buffer.from(new Signer([secret]).sign('bundle', [manifest.data])).toString('hex');
  return tarOf([manifest, { ...signature, data: Buffer.from(hex) }, ...rest]);
}

describe('importBundle refuses', () => {
  const wrong: [option: string, value: unknown][] = [
    ['from', 7],
    ['from', ''],
    ['into', ''],
    ['into', {}],
    ['wireBytes', true],
    ['maxArtifactSize', 0],
    ['maxArtifacts', '1'],
  ];
  for (const [option, value] of wrong) {
    it(`${option}: ${JSON.stringify(value)}`, async () => {
      const options = { from: 'bundle.tar', into: new MemoryStore(), secret, [option]: value } as ImportBundleOptions;
      await assert.rejects(importBundle(options), {
        name: 'TypeError',
        message: new RegExp(`The option ${option} must`),
      });
    });
  }

  it('to work without a secret, unless allowUnsigned is set', async () => {
    await assert.rejects(importBundle({ from: 'bundle.tar', into: new MemoryStore() }), {
      name: 'TypeError',
      message: 'Whoever can write to the bundle could run code here: give the option secret, or allowUnsigned: true',
    });
  });

  it('a missing file, and a folder', async () => {
    const from = path.join(temporaryDirectory(), 'nowhere.tar');
    await assert.rejects(importBundle({ from, into: new MemoryStore(), secret }), { kind: 'FileRead', path: from });
    const folder = temporaryDirectory();
    await assert.rejects(importBundle({ from: folder, into: new MemoryStore(), secret }), { kind: 'FileRead' });
  });

  it('a folder that others may write to, unless everything is signed', onPosix, async () => {
    const into = temporaryDirectory();
    chmodSync(into, 0o777);
    const unsigned = { from: streamOf(await bundleOf([madeUp(1)], null)), into, engine, allowUnsigned: true };
    await assert.rejects(importBundle(unsigned), ofKind('Untrusted'));
    const report = await importBundle({ from: streamOf(await bundleOf([madeUp(1)])), into, engine, secret });
    assert.equal(only(report).outcome, 'imported');
  });

  const noBundles: [what: string, bytes: () => Buffer | Promise<Buffer>][] = [
    ['nothing', () => Buffer.alloc(0)],
    ['text', () => Buffer.from('text')],
    ['zeros', () => Buffer.alloc(10_240)],
    ['garbage', () => Buffer.from(Array.from({ length: 5000 }, (_, index) => (index * 7919) & 0xff))],
    ['another tar file', () => tarOf([{ header: { name: 'notes.txt', size: 0 }, data: Buffer.from('text') }])],
    [
      'a manifest that is a link',
      () =>
        tarOf([
          {
            header: { name: 'manifest.json', size: 0, type: 'symlink', linkname: '/etc/passwd' },
            data: Buffer.alloc(0),
          },
        ]),
    ],
    ['a manifest that is not JSON', async () => withManifest(await bundleOf([]), () => '{')],
    ['a manifest of something else', async () => withManifest(await bundleOf([]), () => '{"format":"x"}')],
    ['null for a manifest', async () => withManifest(await bundleOf([]), () => 'null')],
    ['a deep manifest', async () => withManifest(await bundleOf([]), () => '['.repeat(100_000))],
    [
      'another version',
      async () => withManifest(await bundleOf([]), (text) => text.replace('"version":1', '"version":2')),
    ],
    ['no date', async () => withManifest(await bundleOf([]), (text) => text.replace('"created"', '"x"'))],
    [
      'an artifact without a key',
      async () => withManifest(await bundleOf([madeUp(1)]), (text) => text.replace('"key"', '"x"')),
    ],
    [
      'a key that is none',
      async () => withManifest(await bundleOf([madeUp(1)]), (text) => text.replace('"key":"', '"key":"x')),
    ],
    [
      'a negative size',
      async () => withManifest(await bundleOf([madeUp(1)]), (text) => text.replace('"size":', '"size":-')),
    ],
    [
      'an artifact twice',
      async () => withManifest(await bundleOf([madeUp(1)]), (text) => text.replace(/\n(\{.*\})\n/, '\n$1,\n$1\n')),
    ],
  ];
  for (const [what, bytes] of noBundles) {
    it(`as no bundle: ${what}`, async () => {
      const into = new MemoryStore();
      await assert.rejects(importInto(into, await bytes()), ofKind('Deserialize'));
      assert.equal(into.values.size, 0);
    });
  }
});

describe('a bundle that was exported is imported', () => {
  for (const [what, compression] of [
    ['packed', canPack() ? 'zstd' : 'none'],
    ['as it is', 'none'],
  ] as const) {
    it(`${what}, from a folder into a folder, where caches find it`, async () => {
      const [from, into] = [temporaryDirectory(), path.join(temporaryDirectory(), 'made', 'by', 'import')];
      const to = path.join(temporaryDirectory(), 'bundle.tar');
      const { key, engine, module } = sample();
      const other = sample({ offset: 1, engine: new FakeEngine('fake-engine-2') });
      for (const each of [{ key, engine, module }, other]) {
        new FileSystemCache(from).saveSync(each.key, each.engine, each.module);
      }
      await exportBundle({ from, to, secret, compression });
      const { artifacts, totals, created } = await importBundle({ from: to, into, secret, engine });
      assert.deepEqual(
        artifacts.map(({ outcome }) => outcome),
        ['imported', 'unsuitable'],
      );
      assert.deepEqual([totals.imported.artifacts, totals.imported.size], [1, artifacts[0]?.size]);
      assert.ok(Math.abs(created.getTime() - Date.now()) < 60_000);
      // A signed artifact in a private folder is valid for readers with and without the secret.
      for (const cache of [new FileSystemCache(into), new FileSystemCache(into, { secret })]) {
        assertSameModule(await cache.load(key, engine), module);
      }
      assert.equal(filesIn(into).length, 1);
    });
  }

  it('into a cache with another secret', async () => {
    const { key, engine, module } = sample();
    const from = new FileSystemCache(temporaryDirectory());
    from.saveSync(key, engine, module);
    const to = path.join(temporaryDirectory(), 'bundle.tar');
    await exportBundle({ from, to, secret });
    const into = new FileSystemCache(temporaryDirectory(), { secret: 'the-secret-of-the-folder' });
    await importBundle({ from: to, into, secret, engine });
    assertSameModule(await into.load(key, engine), module);
  });

  it('into a store, where a RemoteCache finds it, packed as it was', async () => {
    const { key, engine, module } = sample();
    const from = new MemoryStore();
    await new RemoteCache(from, { secret, timeout: 60_000 }).save(key, engine, module);
    for (const compression of canPack() ? (['zstd', 'none'] as const) : (['none'] as const)) {
      const to = path.join(temporaryDirectory(), 'bundle.tar');
      await exportBundle({ from, to, secret, compression });
      const into = new MemoryStore();
      assert.equal(only(await importBundle({ from: to, into, secret, engine })).outcome, 'imported');
      assertSameModule(await new RemoteCache(into, { secret, timeout: 60_000 }).load(key, engine), module);
      const [value] = [...into.values.values()];
      assert.equal(value?.bytes[3] === 'Z'.charCodeAt(0), compression === 'zstd');
    }
  });

  it('unchanged byte by byte', async () => {
    const artifacts = [
      madeUp(1),
      madeUp(2, { coverage: 'full', final: true, generation: 9 }),
      madeUp(3, { wireBytes: undefined }),
    ];
    const into = new MemoryStore();
    assert.deepEqual((await importInto(into, await bundleOf(artifacts))).outcomes, [
      'imported',
      'imported',
      'imported',
    ]);
    for (const artifact of artifacts) {
      assert.deepEqual(
        Buffer.from((await into.get(entryName(artifact)))?.bytes ?? []),
        Buffer.from(encoded(artifact, secret)),
      );
    }
  });

  it('without wire bytes with wireBytes: omit', async () => {
    const into = new MemoryStore();
    const unoptimised = madeUp(2, { coverage: 'none', nativeCode: new Uint8Array(0) });
    const { artifacts } = await importInto(into, await bundleOf([madeUp(1), unoptimised]), { wireBytes: 'omit' });
    const [coverage] = artifacts.filter(({ outcome }) => outcome === 'unsuitable').map((each) => each.coverage);
    assert.deepEqual([into.values.size, coverage], [1, 'none']);
    assert.equal((await storedIn(into, madeUp(1))).wireBytes, undefined);
  });

  it('in any order, and in chunks of any size', async () => {
    const [manifest, signature, ...rest] = await entriesOf(await bundleOf([madeUp(1), madeUp(2), madeUp(3)]));
    const bundle = await tarOf([manifest as Entry, signature as Entry, ...rest.reverse()]);
    for (const size of [1, 511, 512, 513, 100_000]) {
      const options = { into: new MemoryStore(), engine, secret };
      const { totals } = await importBundle({ from: streamOf(bundle, size), ...options });
      assert.equal(totals.imported.artifacts, 3);
    }
  });
});

describe('importBundle keeps the stored artifact', () => {
  const better: [what: string, there: Partial<Artifact>, comes: Partial<Artifact>, outcome: string, reason: RegExp][] =
    [
      ['when it is the same', {}, {}, 'kept', /as good/],
      [
        'when it has more native code',
        { nativeCode: Buffer.alloc(4000) },
        {},
        'kept',
        /more native code: 4000 bytes, this 3000/,
      ],
      [
        'when it has more, and the other is final',
        { nativeCode: Buffer.alloc(4000) },
        { final: true },
        'kept',
        /more native/,
      ],
      ['but not when the other has more', {}, { nativeCode: Buffer.alloc(4000) }, 'imported', /^$/],
      ['but not when the other is final', {}, { final: true }, 'imported', /^$/],
      ['but not when the other has the wire bytes, too', { wireBytes: undefined }, {}, 'imported', /^$/],
      [
        'when it says that the module is left to V8',
        { coverage: 'none', nativeCode: new Uint8Array(0), bypassedUntil: Math.ceil(Date.now() / 60_000) + 60 },
        {},
        'kept',
        /left to V8 here until \d{4}/,
      ],
      [
        'but not when that is over',
        { coverage: 'none', nativeCode: new Uint8Array(0), bypassedUntil: Math.ceil(Date.now() / 60_000) - 60 },
        {},
        'imported',
        /^$/,
      ],
    ];
  for (const [what, there, comes, outcome, reason] of better) {
    it(what, async () => {
      const into = await storeOf([madeUp(1, there)]);
      const result = only(await importInto(into, await bundleOf([madeUp(1, comes)])));
      assert.equal(result.outcome, outcome);
      assert.match(result.reasons.join(), reason);
      const stored = await storedIn(into, madeUp(1));
      const expected = madeUp(1, outcome === 'kept' ? there : comes).nativeCode;
      assert.deepEqual(Buffer.from(stored.nativeCode), Buffer.from(expected));
      assert.equal(stored.generation, outcome === 'kept' ? 0 : 1);
    });
  }

  it('at least its wire bytes, if the other has none', async () => {
    const into = await storeOf([madeUp(1)]);
    await importInto(into, await bundleOf([madeUp(1, { nativeCode: Buffer.alloc(4000), wireBytes: undefined })]));
    const { nativeCode, wireBytes } = await storedIn(into, madeUp(1));
    assert.deepEqual([nativeCode.length, wireBytes?.length], [4000, 1001]);
  });

  it('but not if it is damaged, or signed by somebody else', async () => {
    for (const bytes of [
      Buffer.from('garbage'),
      encoded(madeUp(1, { nativeCode: Buffer.alloc(9000) }), 'the-secret-of-others'),
    ]) {
      const into = new MemoryStore();
      await into.put(entryName(madeUp(1)), bytes);
      assert.equal(only(await importInto(into, await bundleOf([madeUp(1)]))).outcome, 'imported');
      assert.deepEqual((await storedIn(into, madeUp(1))).nativeCode.length, 3000);
    }
  });

  it('if somebody else stores it meanwhile', async () => {
    const into = new MemoryStore();
    const { get } = into;
    let gets = 0;
    into.get = async (...args) => {
      const value = await get.apply(into, args);
      if (++gets === 1)
        await into.put(entryName(madeUp(1)), encoded(madeUp(1, { nativeCode: Buffer.alloc(4000) }), secret));
      return value;
    };
    assert.match(only(await importInto(into, await bundleOf([madeUp(1)]))).reasons.join(), /more native code/);
    assert.equal(gets, 2);
  });
});

describe('importBundle says why an artifact does not fit:', () => {
  const other = 'node-v24.1.0_v8-13.6.233.8-node.12_linux-arm64_bin-118000000_trap_tag-11223344';

  it('an engine of another Node and another machine', async () => {
    const into = new MemoryStore();
    const { outcome, reasons } = only(await importInto(into, await bundleOf([madeUp(1, { engineId: other })])));
    assert.equal(outcome, 'unsuitable');
    assert.deepEqual(reasons, ['made by Node v24.1.0, this is v26.10.0', 'made on linux-arm64, this is linux-x64']);
    assert.equal(into.values.size, 0);
  });

  it('which is imported all the same with all engines', async () => {
    const into = new MemoryStore();
    const bundle = await bundleOf([madeUp(1, { engineId: other }), madeUp(1)]);
    const { artifacts, outcomes } = await importInto(into, bundle, { all: true });
    assert.deepEqual(outcomes, ['imported', 'imported']);
    assert.deepEqual(
      artifacts.map(({ reasons }) => reasons.length),
      [2, 0],
    );
    assert.equal((await storedIn(into, madeUp(1, { engineId: other }))).engineId, other);
  });

  it('a process that cannot load native code, by its own reason', async () => {
    const unable = new FakeEngine(ENGINE);
    unable.canSerialize = false;
    unable.unsupportedReason = 'it is a fake';
    const report = await importInto(new MemoryStore(), await bundleOf([madeUp(1)]), { engine: unable });
    assert.deepEqual(only(report).reasons, ['native code is not supported in this process: it is a fake']);
  });

  it('a Node without Zstandard', { skip: canPack() }, async () => {
    const bundle = await withManifest(await bundleOf([madeUp(1)]), (text) => text.replace('"none"', '"zstd"'));
    const { outcome, reasons } = only(await importInto(new MemoryStore(), bundle));
    assert.deepEqual(
      [outcome, reasons],
      ['unsuitable', [`packed with Zstandard, which Node ${process.version} does not have (from 22.15)`]],
    );
  });
});

describe('importBundle checks the signature:', () => {
  it('any of several secrets is accepted, and the first one signs', async () => {
    const into = new MemoryStore();
    const secrets = ['the-new-secret-of-the-fleet', secret];
    assert.equal(only(await importInto(into, await bundleOf([madeUp(1)]), { secret: secrets })).outcome, 'imported');
    const stored = (await into.get(entryName(madeUp(1))))?.bytes;
    assert.deepEqual(Buffer.from(stored ?? []), Buffer.from(encoded(madeUp(1), 'the-new-secret-of-the-fleet')));
  });

  it('a missing one, or one of another secret, is refused without showing a secret', async () => {
    const into = new MemoryStore();
    const isSaid = (message: RegExp) => (error: unknown) =>
      CacheError.is(error, 'Untrusted') && message.test(error.message) && !error.message.includes(secret);
    await assert.rejects(importInto(into, await bundleOf([madeUp(1)], null)), isSaid(/not signed/));
    const other = await bundleOf([madeUp(1)], 'the-secret-of-others');
    await assert.rejects(importInto(into, other), isSaid(/another secret/));
    assert.equal(into.values.size, 0);
  });

  it('an artifact of another secret is refused, although the manifest is valid', async () => {
    const bundle = await bundleOf([madeUp(1)]);
    const bytes = encoded(madeUp(1), 'the-secret-of-others');
    const entries = await entriesOf(bundle);
    (entries[2] as Entry).data = bytes;
    const forged = await withManifest(await tarOf(entries), (text) =>
      text.replace(/"sha256":"\w+"/, `"sha256":"${sha256(bytes)}"`),
    );
    const { outcome, reasons } = only(await importInto(new MemoryStore(), forged));
    assert.equal(outcome, 'refused');
    assert.match(reasons.join(), /another secret/);
  });

  it('none is required with allowUnsigned, also for a signed bundle', async () => {
    const into = new MemoryStore();
    const bundle = await bundleOf([madeUp(1)]);
    assert.deepEqual((await importInto(into, bundle, { allowUnsigned: true })).outcomes, ['imported']);
    assert.deepEqual(
      Buffer.from((await into.get(entryName(madeUp(1))))?.bytes ?? []),
      Buffer.from(encoded(madeUp(1), null)),
    );
  });
});

describe('importBundle trusts no name:', () => {
  const name = entryName(madeUp(1));
  for (const evil of [
    '../../x',
    '/tmp/wasm-module-cache-evil',
    'artifacts/../../x.artifact',
    `artifacts/${name}/`,
    `./artifacts/${name}`,
    `artifacts/${ENGINE}/${ModuleHash.random()}.artifact`,
    'manifest.json',
    'C:\\x',
    'a\0b',
  ]) {
    it(`the manifest and the tar file say ${JSON.stringify(evil).slice(0, 60)}`, async () => {
      const entries = await entriesOf(await bundleOf([madeUp(1)]));
      (entries[2] as Entry).header = { name: evil, size: 0 };
      const json = JSON.stringify(evil);
      const bundle = await withManifest(await tarOf(entries), (text) =>
        text.replace(`"artifacts/${name}"`, () => json),
      );
      const into = path.join(temporaryDirectory(), 'into');
      const { outcome, reasons } = only(await importBundle({ from: streamOf(bundle), into, engine, secret }));
      assert.equal(outcome, 'refused', reasons.join());
      assert.deepEqual(filesIn(path.dirname(into)), []);
    });
  }

  for (const type of ['symlink', 'link', 'character-device', 'block-device', 'directory', 'fifo'] as const) {
    it(`an artifact that is a ${type}`, async () => {
      const [manifest, signature, first, second] = await entriesOf(await bundleOf([madeUp(1), madeUp(2)]));
      assert.ok(manifest && signature && first && second);
      const evil: Entry = { header: { ...first.header, type, linkname: '/etc/passwd' }, data: new Uint8Array(0) };
      const into = path.join(temporaryDirectory(), 'into');
      const bundle = await tarOf([manifest, signature, evil, second]);
      const { artifacts } = await importBundle({ from: streamOf(bundle), into, engine, secret });
      assert.deepEqual(
        artifacts.map(({ outcome }) => outcome),
        ['refused', 'refused'],
      );
      assert.match(artifacts[0]?.reasons.join() ?? '', /that its manifest does not name/);
      assert.deepEqual(filesIn(path.dirname(into)), []);
    });
  }

  it('an artifact under the key or the engine of another', async () => {
    for (const [what, artifact] of [
      ['module', madeUp(2, { wireLength: 1001, wireBytes: undefined })],
      ['engine', madeUp(1, { engineId: 'another', wireBytes: undefined })],
      ['wire bytes', madeUp(1, { wireLength: 7, wireBytes: undefined })],
    ] as const) {
      const entries = await entriesOf(await bundleOf([madeUp(1)]));
      const bytes = encoded(artifact, secret);
      (entries[2] as Entry).data = bytes;
      const bundle = await withManifest(await tarOf(entries), (text) =>
        text.replace(/"size":\d+,"sha256":"\w+"/, `"size":${bytes.length},"sha256":"${sha256(bytes)}"`),
      );
      const into = new MemoryStore();
      const { outcome, reasons } = only(await importInto(into, bundle));
      assert.deepEqual([outcome, into.values.size], ['refused', 0]);
      assert.match(reasons.join(), new RegExp(`${what}.*expected`));
    }
  });

  it('added and repeated files end the import', async () => {
    const [manifest, signature, first, second] = await entriesOf(await bundleOf([madeUp(1), madeUp(2)]));
    assert.ok(manifest && signature && first && second);
    const extra: Entry = { header: { name: 'extra', size: 0 }, data: Buffer.from('extra') };
    for (const [order, outcomes] of [
      [
        [first, first, second],
        ['imported', 'refused'],
      ],
      [
        [extra, first, second],
        ['refused', 'refused'],
      ],
      [
        [first, second, extra],
        ['imported', 'imported'],
      ],
      [
        [first, signature, second],
        ['imported', 'refused'],
      ],
    ] as const) {
      const report = await importInto(new MemoryStore(), await tarOf([manifest, signature, ...order]));
      assert.deepEqual(report.outcomes, outcomes);
    }
  });
});

describe('importBundle has limits:', () => {
  it('maxArtifacts', async () => {
    const bundle = await bundleOf([madeUp(1), madeUp(2)]);
    await assert.rejects(importInto(new MemoryStore(), bundle, { maxArtifacts: 1 }), { message: /maxArtifacts, 1/ });
  });

  it('maxArtifactSize', async () => {
    const report = await importInto(new MemoryStore(), await bundleOf([madeUp(1)]), { maxArtifactSize: 4000 });
    assert.match(only(report).reasons.join(), /more than the option maxArtifactSize, 4000/);
  });

  it('an artifact that unpacks to more than it says', { skip: !canPack() }, async () => {
    const { zstdCompressSync } = await import('node:zlib');
    const to = new PassThrough();
    const { buffer } = await import('node:stream/consumers');
    const [bundle] = await Promise.all([buffer(to), exportBundle({ from: await storeOf([madeUp(1)]), to, secret })]);
    const entries = await entriesOf(bundle);
    const entry = entries[2] as Entry;
    // Behind the front of the packed format: its own 48 bytes, then the artifact's header.
    entry.data = Buffer.concat([
      entry.data.subarray(0, 48 + HEADER_LENGTH),
      zstdCompressSync(Buffer.alloc(50_000_000)),
    ]);
    const forged = await withManifest(await tarOf(entries), (text) =>
      text.replace(/"size":\d+,"sha256":"\w+"/, `"size":${entry.data.length},"sha256":"${sha256(entry.data)}"`),
    );
    const { outcome, reasons } = only(await importInto(new MemoryStore(), forged));
    assert.equal(outcome, 'refused');
    assert.match(reasons.join(), /A packed artifact whose checksum does not match/, 'refused before it is unpacked');
  });

  it('a manifest that is too large, before it is read', async () => {
    const { createTarPacker } = await import('modern-tar');
    const { readable, controller } = createTarPacker();
    controller.add({ name: 'manifest.json', size: 2 ** 40 });
    const from = Readable.fromWeb(readable as never);
    await assert.rejects(importBundle({ from, into: new MemoryStore(), engine, secret }), {
      message: /too many for 10000/,
    });
    assert.equal(from.destroyed, true);
  });

  for (const [what, make] of [
    ['zeros', async () => Buffer.alloc(2 ** 20)],
    [
      'metadata',
      async () => {
        const header = { name: 'x', size: 0, type: 'pax-header' } as const;
        return (await tarOf([{ header, data: Buffer.alloc(2 ** 20) }])).subarray(0, -1024);
      },
    ],
  ] as const) {
    it(`endless ${what} at the end, and instead of everything`, async () => {
      const bundle = await bundleOf([madeUp(1)]);
      const piece = await make();
      let given = 0;
      const endless = function* (start: Uint8Array) {
        yield start;
        for (;;) {
          given += piece.length;
          yield piece;
        }
      };
      const from = Readable.from(endless(bundle.subarray(0, -1024)), { objectMode: false });
      assert.equal(only(await importBundle({ from, into: new MemoryStore(), engine, secret })).outcome, 'imported');
      assert.ok(given < 50_000_000, `${given} bytes were taken`);
      given = 0;
      const nothing = Readable.from(endless(Buffer.alloc(0)), { objectMode: false });
      await assert.rejects(
        importBundle({ from: nothing, into: new MemoryStore(), engine, secret }),
        ofKind('Deserialize'),
      );
      assert.ok(given < 50_000_000, `${given} bytes were taken`);
    });
  }

  it('its signal', async () => {
    const bundle = await bundleOf([madeUp(1)]);
    const controller = new AbortController();
    const reason = new Error('enough');
    const hanging = Readable.from(
      (async function* () {
        yield bundle.subarray(0, 3000);
        setTimeout(() => controller.abort(reason), 20);
        await new Promise(() => {});
      })(),
      { objectMode: false },
    );
    const options = { into: new MemoryStore(), engine, secret, signal: controller.signal };
    await assert.rejects(importBundle({ from: hanging, ...options }), (error) => error === reason);
    await assert.rejects(importBundle({ from: streamOf(bundle), ...options }), (error) => error === reason);
  });

  it('a stream of text instead of bytes', async () => {
    const from = streamOf(await bundleOf([madeUp(1)])).setEncoding('utf8');
    const error = { kind: 'Deserialize', message: /does not consist of bytes/ };
    await assert.rejects(importBundle({ from, into: new MemoryStore(), engine, secret }), error);
  });

  it('a failing store ends it', async () => {
    const into = new MemoryStore();
    into.put = () => Promise.reject(new Error('full'));
    const error = { kind: 'Other', message: 'The store memory failed: full' };
    await assert.rejects(importInto(into, await bundleOf([madeUp(1)])), error);
    const file = path.join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    await assert.rejects(importInto(new FileSystemStore(file), await bundleOf([madeUp(1)])), CacheError.is);
  });
});

describe('a damaged bundle', () => {
  const artifacts = [madeUp(1), madeUp(2), madeUp(3, { engineId: 'another' })];

  for (const signature of [secret, null]) {
    const trust = signature === null ? { allowUnsigned: true } : { secret: signature };
    /** Checks that everything imported from these bytes is right, and that everything else is reported. */
    const attempt = async (bytes: Buffer) => {
      const into = new MemoryStore();
      let outcome = 'whole';
      try {
        const { totals } = await importBundle({ from: streamOf(bytes, 4096), into, engine, all: true, ...trust });
        if (totals.refused.artifacts > 0) outcome = 'in part';
        assert.equal(into.values.size, totals.imported.artifacts);
      } catch (error) {
        assert.ok(CacheError.is(error), String(error));
        assert.equal(into.values.size, 0);
        outcome = 'not';
      }
      for (const [name, { bytes: stored }] of into.values) {
        const original = artifacts.find((artifact) => entryName(artifact) === name);
        assert.ok(original, name);
        assert.deepEqual(Buffer.from(stored), Buffer.from(encoded(original, signature)));
      }
      return outcome;
    };

    const name = signature === null ? 'unsigned' : 'signed';
    it(`${name}, cut off at many places, imports only valid artifacts`, async () => {
      const bundle = await bundleOf(artifacts, signature);
      const outcomes = new Set<string>();
      for (let length = 0; length < bundle.length; length += 97)
        outcomes.add(await attempt(bundle.subarray(0, length)));
      assert.deepEqual([...outcomes].sort(), ['in part', 'not', 'whole']);
    });

    it(`${name}, with bits flipped at many places, imports only valid artifacts`, async () => {
      const bundle = await bundleOf(artifacts, signature);
      const random = seeded(7);
      const outcomes = new Set<string>();
      for (let at = 0; at < bundle.length; at += 1 + random(60)) {
        const bytes = Buffer.from(bundle);
        bytes[at] = (bytes[at] as number) ^ (1 << random(8));
        outcomes.add(await attempt(bytes));
      }
      assert.ok(outcomes.has('in part') && outcomes.has('not'), [...outcomes].join());
    });

    it(`${name}, damaged in every way, imports only valid artifacts`, async () => {
      const bundle = await bundleOf(artifacts, signature);
      const other = await bundleOf([madeUp(4), madeUp(5), madeUp(6)], signature);
      for (const { bytes } of damages(bundle, other, 300)) await attempt(Buffer.from(bytes));
    });
  }

  it('does not change stored artifacts', async () => {
    const into = temporaryDirectory();
    mkdirSync(path.join(into, ENGINE), { mode: 0o700 });
    const file = path.join(into, entryName(madeUp(1)));
    writeFileSync(file, encoded(madeUp(1), null));
    const bundle = await bundleOf([madeUp(1, { nativeCode: Buffer.alloc(9000, 'better') })]);
    bundle[5000] = (bundle[5000] as number) ^ 1;
    const { outcome, reasons } = only(await importBundle({ from: streamOf(bundle), into, engine, secret }));
    assert.deepEqual(
      [outcome, reasons],
      ['refused', ['It is damaged: its SHA-256 differs from the one in the manifest']],
    );
    assert.deepEqual(readFileSync(file), Buffer.from(encoded(madeUp(1), null)));
  });
});
