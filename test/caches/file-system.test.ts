import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { decodeArtifact, encodeArtifact } from '../../dist/artifact/artifact.js';
import { type ArtifactHeader, decodeHeader, HEADER_LENGTH } from '../../dist/artifact/header.js';
import { CacheError } from '../../dist/cache-error.js';
import { FileSystemCache } from '../../dist/caches/file-system.js';
import type { FileSystemCacheOptions } from '../../dist/caches/file-system-options.js';
import type { ModuleCache } from '../../dist/module-cache.js';
import { ModuleHash } from '../../dist/module-hash.js';
import { assertSameModule, ofKind } from '../../dist/testing/assertions.js';
import { syncModuleCacheContract } from '../../dist/testing/contract.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { optimisedFurther, type Sample, sample } from '../../dist/testing/sample.js';
import { type Variant, variants } from '../../dist/testing/variants.js';
import { damages } from '../support/damage.js';
import { filesIn, temporaryDirectory } from '../support/processes.js';

const onPosix = { skip: process.geteuid ? false : 'no file modes here' };
const asRoot = { skip: process.geteuid?.() === 0 ? false : 'only root may give folders away' };

interface Setup extends Sample {
  directory: string;
  cache: ModuleCache;
  /** The path of the sample's entry, for engines whose id can be a folder's name. */
  entry: string;
}

interface SetupOptions extends FileSystemCacheOptions {
  directory?: string;
  engine?: FakeEngine;
}

/** A sample, and a cache that does not hold it. */
function empty(
  variant: Variant,
  { directory = temporaryDirectory(), engine = new FakeEngine(), ...rest }: SetupOptions = {},
): Setup {
  const example = sample({ engine });
  const entry = path.join(directory, engine.deterministicId, `${example.key}.artifact`);
  return { ...example, directory, cache: variant.of(new FileSystemCache(directory, rest)), entry };
}

/** A sample, and a cache that holds it. */
async function stored(variant: Variant, options: SetupOptions = {}): Promise<Setup> {
  const setup = empty(variant, options);
  await setup.cache.save(setup.key, setup.engine, setup.module);
  assert.deepEqual(filesIn(setup.directory), [setup.entry]);
  return setup;
}

/** The length of the native code, which distinguishes the artifacts of one module. */
const lengthOf = (nativeCode: Uint8Array | undefined): number => nativeCode?.length ?? 0;

function headerOf(entry: string): ArtifactHeader {
  return decodeHeader(readFileSync(entry));
}

function flipped(bytes: Buffer, at: number): Buffer {
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return bytes;
}

/** The bytes of a whole entry, for this key and engine or for others. */
function artifactFor({ key, engine, wireBytes }: Pick<Setup, 'key' | 'engine' | 'wireBytes'>): Buffer {
  const bytes = encodeArtifact({
    key,
    engineId: engine.deterministicId,
    coverage: 'hot',
    generation: 0,
    final: false,
    hasLearnerCode: false,
    optimisedFor: 0,
    observedFor: 0,
    missing: 0,
    bypassedUntil: 0,
    nativeCode: engine.nativeCode as Uint8Array,
    wireBytes,
    wireLength: wireBytes.length,
  });
  return Buffer.from(bytes);
}

interface Ruin {
  name: string;
  /** Ruins the bytes of an entry. */
  of(bytes: Buffer, setup: Setup): Uint8Array;
  /** Whether the header and the size are still valid, so that `contains` is true. */
  headerIsGood?: true;
}

const ruins: Ruin[] = [
  { name: 'an empty entry', of: () => Buffer.alloc(0) },
  { name: 'an entry of one byte', of: (bytes) => bytes.subarray(0, 1) },
  { name: 'an entry that ends in the header', of: (bytes) => bytes.subarray(0, HEADER_LENGTH - 1) },
  { name: 'an entry that is only a header', of: (bytes) => bytes.subarray(0, HEADER_LENGTH) },
  {
    name: 'an entry that ends in the native code',
    of: (bytes) => bytes.subarray(0, HEADER_LENGTH + 5),
  },
  {
    name: 'an entry that ends before the wire bytes',
    of: (bytes, { engine }) => bytes.subarray(0, HEADER_LENGTH + lengthOf(engine.nativeCode)),
  },
  { name: 'an entry that lacks the last byte', of: (bytes) => bytes.subarray(0, -1) },
  { name: 'an entry with a byte too many', of: (bytes) => Buffer.concat([bytes, Buffer.of(0)]) },
  { name: 'an entry with a wrong bit in the magic number', of: (bytes) => flipped(bytes, 0) },
  { name: 'an entry with a wrong bit in the header', of: (bytes) => flipped(bytes, 100) },
  {
    name: 'an entry with a wrong bit in the native code',
    of: (bytes) => flipped(bytes, HEADER_LENGTH),
    headerIsGood: true,
  },
  { name: 'a file of something else', of: () => Buffer.from('not an artifact '.repeat(40)) },
  { name: 'a wasm binary', of: (_, { wireBytes }) => wireBytes },
  { name: 'the artifact of another module', of: (_, setup) => artifactFor({ ...setup, key: ModuleHash.random() }) },
  {
    name: 'the artifact of another engine',
    of: (_, setup) => artifactFor({ ...setup, engine: new FakeEngine('other') }),
  },
];

/** A sample, and a cache with a ruined entry for it. */
function ruined(variant: Variant, ruin: Ruin): Setup {
  const setup = empty(variant);
  mkdirSync(path.dirname(setup.entry), { mode: 0o700 });
  writeFileSync(setup.entry, ruin.of(artifactFor(setup), setup), { mode: 0o600 });
  return setup;
}

/** Checks that every method is refused, and that the folder does not change. */
async function assertUntrusted({ directory, key, engine, module }: Setup, variant: Variant): Promise<void> {
  const cache = variant.of(new FileSystemCache(directory));
  const before = readdirSync(directory, { recursive: true });
  const namesTheFolder = ofKind('Untrusted', ({ path }) => assert.equal(path, directory));
  await assert.rejects(cache.load(key, engine), namesTheFolder);
  await assert.rejects(cache.contains(key, engine), namesTheFolder);
  await assert.rejects(cache.save(key, engine, module), namesTheFolder);
  assert.deepEqual(readdirSync(directory, { recursive: true }), before);
}

syncModuleCacheContract('FileSystemCache', () => new FileSystemCache(temporaryDirectory()));

describe('new FileSystemCache', () => {
  it('accepts a relative directory and shows the absolute one', () => {
    assert.equal(new FileSystemCache('some/folder').directory, path.resolve('some/folder'));
  });

  it('creates no folder', () => {
    const directory = path.join(temporaryDirectory(), 'cache');
    new FileSystemCache(directory);
    assert.equal(existsSync(directory), false);
  });

  for (const directory of ['', undefined, null, 5]) {
    it(`refuses the directory ${JSON.stringify(directory)} with a TypeError that says so`, () => {
      assert.throws(() => new FileSystemCache(directory as string), { name: 'TypeError', message: /directory/ });
    });
  }

  for (const wireBytes of ['', 'maybe', null, true]) {
    it(`refuses wireBytes: ${JSON.stringify(wireBytes)} with a TypeError that names the option`, () => {
      const options = { wireBytes } as unknown as FileSystemCacheOptions;
      assert.throws(() => new FileSystemCache('folder', options), { name: 'TypeError', message: /wireBytes/ });
    });
  }

  for (const name of ['maxSize', 'maxFiles', 'maxArtifactSize']) {
    it(`refuses other types than numbers for ${name} with a TypeError that names the option`, () => {
      for (const value of ['5', [5], true, 5n, Symbol('5'), Object.create(null), null, 0, Number.NaN]) {
        const options = { [name]: value } as FileSystemCacheOptions;
        assert.throws(() => new FileSystemCache('folder', options), { name: 'TypeError', message: new RegExp(name) });
      }
    });
  }
});

for (const variant of variants) {
  describe(`FileSystemCache (${variant.name}) writes`, () => {
    it('private folders and files', onPosix, async () => {
      const parent = temporaryDirectory();
      const umask = process.umask(0);
      try {
        await stored(variant, { directory: path.join(parent, 'several', 'levels') });
      } finally {
        process.umask(umask);
      }
      const names = readdirSync(parent, { recursive: true, encoding: 'utf8' });
      const modes = names.map((name) => (statSync(path.join(parent, name)).mode & 0o777).toString(8));
      assert.deepEqual(modes, ['700', '700', '700', '600']);
    });

    it('and leaves no temporary files', async () => {
      const { cache, key, engine, module, directory, entry } = await stored(variant);
      for (let more = 1; more <= 5; more++) {
        engine.nativeCode = optimisedFurther(engine, more);
        await Promise.all([1, 2, 3].map(() => cache.save(key, engine, module)));
      }
      assert.deepEqual(filesIn(directory), [entry]);
    });

    it('nothing when a module is saved with less native code, or as much, or none', async () => {
      const { cache, key, engine, module, entry } = await stored(variant);
      const better = optimisedFurther(engine, 64);
      engine.nativeCode = better;
      await cache.save(key, engine, module);
      const before = readFileSync(entry);
      for (const nativeCode of [better, better.subarray(0, -1), undefined]) {
        engine.nativeCode = nativeCode;
        await cache.save(key, engine, module);
        assert.deepEqual(readFileSync(entry), before);
      }
    });

    it('the number of the generation, which counts up from 0', async () => {
      const { cache, key, engine, module, entry } = await stored(variant);
      const generations = [headerOf(entry).generation];
      for (const more of [10, 20, 20, 15, 30]) {
        engine.nativeCode = optimisedFurther(engine, more);
        await cache.save(key, engine, module);
        generations.push(headerOf(entry).generation);
      }
      assert.deepEqual(generations, [0, 1, 2, 2, 2, 3]);
    });

    it('generation 0 again after the highest one', async () => {
      const { cache, key, engine, module, entry } = await stored(variant);
      const generation = 2 ** 32 - 1;
      writeFileSync(entry, encodeArtifact({ ...decodeArtifact(readFileSync(entry)), generation }));
      engine.nativeCode = optimisedFurther(engine, 10);
      await cache.save(key, engine, module);
      assert.equal(headerOf(entry).generation, 0);
      assertSameModule(await cache.load(key, engine), module);
    });

    for (const ruin of ruins) {
      it(`over ${ruin.name}`, async () => {
        const setup = ruined(variant, ruin);
        await setup.cache.save(setup.key, setup.engine, setup.module);
        assert.deepEqual(readFileSync(setup.entry), artifactFor(setup));
      });
    }
  });

  describe(`FileSystemCache (${variant.name}) reads`, () => {
    it('exactly the native code that was saved', async () => {
      const { cache, key, engine, wireBytes } = await stored(variant);
      const seen: Uint8Array[] = [];
      engine.deserialize = (nativeCode, bytes) => {
        seen.push(nativeCode);
        return FakeEngine.prototype.deserialize.call(engine, nativeCode, bytes);
      };
      await cache.load(key, engine);
      await cache.load(key, engine, { wireBytes });
      const saved = Buffer.from(engine.nativeCode ?? []);
      assert.deepEqual(seen.map(Buffer.from), [saved, saved]);
    });

    it('a module without optimised code by compiling it', async () => {
      const { cache, key, engine, module, wireBytes } = empty(variant);
      engine.nativeCode = undefined;
      await cache.save(key, engine, module);
      await cache.load(key, engine);
      await cache.load(key, engine, { wireBytes });
      assert.deepEqual(engine.calls, { compile: 3, serialize: 1, deserialize: 0 });
    });

    for (const ruin of ruins) {
      for (const given of ['with', 'without']) {
        it(`${ruin.name} as a miss and removes it, ${given} wire bytes given`, async () => {
          const { cache, key, engine, wireBytes, entry } = ruined(variant, ruin);
          assert.equal(await cache.contains(key, engine), ruin.headerIsGood ?? false);
          await assert.rejects(
            cache.load(key, engine, given === 'with' ? { wireBytes } : undefined),
            ofKind('NotFound', ({ cause }) => assert.ok(CacheError.is(cause, 'Deserialize'))),
          );
          assert.equal(engine.calls.deserialize, 0);
          assert.equal(existsSync(entry), false);
        });
      }
    }

    it('no wire bytes if they are given, so that damage to them does not matter', async () => {
      const { cache, key, engine, module, wireBytes, entry } = await stored(variant);
      const bytes = readFileSync(entry);
      writeFileSync(entry, flipped(bytes, bytes.length - 1));
      assertSameModule(await cache.load(key, engine, { wireBytes }), module);
      await assert.rejects(cache.load(key, engine), ofKind('NotFound'));
      assert.equal(existsSync(entry), false);
    });

    it('nothing into the engine if the wire bytes have another length', async () => {
      for (const nativeCode of [new FakeEngine().nativeCode, undefined]) {
        const { cache, key, engine, module, wireBytes } = empty(variant);
        engine.nativeCode = nativeCode;
        for (const wrong of [wireBytes.subarray(0, -1), Buffer.concat([wireBytes, Buffer.of(0)]), new Uint8Array(0)]) {
          await cache.save(key, engine, module);
          await assert.rejects(cache.load(key, engine, { wireBytes: wrong }), ofKind('NotFound'));
        }
        assert.deepEqual(engine.calls, { compile: 1, serialize: 3, deserialize: 0 });
      }
    });

    it('an entry that the engine refuses as a miss and removes it', async () => {
      const { cache, key, engine, module, directory } = empty(variant);
      engine.nativeCode = Buffer.from('something that the fake engine does not know');
      await cache.save(key, engine, module);
      await assert.rejects(
        cache.load(key, engine),
        ofKind('NotFound', ({ cause }) => assert.ok(CacheError.is(cause, 'Deserialize'))),
      );
      assert.deepEqual(filesIn(directory), []);
    });

    it('an entry for an engine that cannot deserialise, and keeps it', async () => {
      const { cache, key, engine, entry } = await stored(variant);
      engine.canSerialize = false;
      engine.deserialize = () => {
        throw new CacheError('Deserialize', 'not supported here');
      };
      await assert.rejects(cache.load(key, engine), ofKind('Deserialize'));
      assert.equal(existsSync(entry), true);
    });
  });

  describe(`FileSystemCache (${variant.name}) reports`, () => {
    it('an entry that is a directory, and leaves it', async () => {
      const { cache, key, engine, module, wireBytes, entry } = empty(variant);
      mkdirSync(path.join(entry, 'below'), { recursive: true, mode: 0o700 });
      const withPath = ({ path }: CacheError) => assert.equal(path, entry);
      await assert.rejects(cache.load(key, engine), ofKind('FileRead', withPath));
      await assert.rejects(cache.load(key, engine, { wireBytes }), ofKind('FileRead', withPath));
      await assert.rejects(cache.contains(key, engine), ofKind('FileRead', withPath));
      await assert.rejects(cache.save(key, engine, module), ofKind('FileWrite', withPath));
      assert.deepEqual(readdirSync(path.dirname(entry)), [path.basename(entry)]);
      assert.deepEqual(readdirSync(entry), ['below']);
    });

    for (const [where, below] of [
      ['its folder', ''],
      ["the engine's folder", 'fake-engine-1'],
    ] as const) {
      it(`a file where ${where} should be, when it writes, and misses when it reads`, async () => {
        const directory = path.join(temporaryDirectory(), 'cache');
        const { cache, key, engine, module, entry } = empty(variant, { directory });
        const file = path.join(directory, below);
        mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
        writeFileSync(file, 'in the way', { mode: 0o600 });
        const withPath = ofKind('FileWrite', ({ path }) => assert.equal(path, entry));
        await assert.rejects(cache.save(key, engine, module), withPath);
        assert.equal(await cache.contains(key, engine), false);
        await assert.rejects(cache.load(key, engine), ofKind('NotFound'));
        assert.equal(readFileSync(file, 'utf8'), 'in the way');
      });
    }

    for (const mode of [0o777, 0o770, 0o720, 0o702]) {
      it(
        `a folder of mode ${mode.toString(8)}, to which others may write, and does not touch it`,
        onPosix,
        async () => {
          for (const setup of [await stored(variant), empty(variant)]) {
            chmodSync(setup.directory, mode);
            await assertUntrusted(setup, variant);
          }
        },
      );
    }

    it('a folder of another user, and does not touch it', asRoot, async () => {
      for (const setup of [await stored(variant), empty(variant)]) {
        chownSync(setup.directory, 12345, 12345);
        await assertUntrusted(setup, variant);
      }
    });

    for (const [what, id] of Object.entries({ '300 characters': 'x'.repeat(300), '300 bytes': '漢'.repeat(100) })) {
      it(`an engine whose deterministicId takes ${what}, when it writes, and misses when it reads`, async () => {
        const { cache, key, engine, module, directory } = empty(variant, { engine: new FakeEngine(id) });
        const namesIt = ofKind('Serialize', ({ message }) => assert.match(message, /deterministicId/));
        await assert.rejects(cache.save(key, engine, module), namesIt);
        await assert.rejects(cache.load(key, engine), ofKind('NotFound'));
        assert.equal(await cache.contains(key, engine), false);
        assert.deepEqual(filesIn(directory), []);
      });
    }
  });

  describe(`FileSystemCache (${variant.name}) loads what was saved for the engine`, () => {
    const ids = [
      ...['', '.', '..', '../../escape', '/absolute', 'a/b', 'C:\\windows', 'nul\0byte', 'line\nbreak', 'two words'],
      ...['-dash', '.hidden', 'ünïcödé 漢字 🦀', 'Engine', 'engine', 'ENGINE', 'con', '%2e', '__proto__', '\ufeffbom'],
      ...['x'.repeat(127), 'x'.repeat(128), 'x'.repeat(129), 'x'.repeat(180), '🦀'.repeat(45)],
    ];
    for (const id of ids) {
      it(id.length > 40 ? `${id.slice(0, 4)}... of ${id.length} characters` : JSON.stringify(id), async () => {
        const { cache, key, engine, module, directory } = empty(variant, { engine: new FakeEngine(id) });
        await cache.save(key, engine, module);
        const names = filesIn(directory).map((file) => path.relative(directory, file));
        assert.equal(names.length, 1);
        assert.match(names.join(), /^\w[\w.+-]*[\\/][0-9a-f]{64}\.artifact$/);
        assert.equal(await cache.contains(key, engine), true);
        assertSameModule(await cache.load(key, engine), module);
      });
    }

    it('and no other, also where file names differ only in case', async () => {
      const { cache, key } = empty(variant);
      const samples = ['Engine', 'engine', 'ENGINE'].map((id, offset) =>
        sample({ engine: new FakeEngine(id), offset }),
      );
      for (const { engine, module } of samples) await cache.save(key, engine, module);
      for (const { engine, module } of samples) {
        // On a file system that ignores case they replace each other.
        const found = await cache.contains(key, engine);
        if (process.platform === 'linux') assert.equal(found, true);
        if (found) assertSameModule(await cache.load(key, engine), module);
        else await assert.rejects(cache.load(key, engine), ofKind('NotFound'));
        assert.equal(engine.calls.deserialize, found ? 1 : 0);
      }
    });
  });

  describe(`FileSystemCache (${variant.name}) with wireBytes: 'omit'`, () => {
    /** Two caches with the two choices of `wireBytes` on one empty folder. */
    function mixed(): Setup & { including: ModuleCache; omitting: ModuleCache } {
      const setup = empty(variant);
      const omitting = variant.of(new FileSystemCache(setup.directory, { wireBytes: 'omit' }));
      return { ...setup, including: setup.cache, omitting };
    }

    it('stores the native code alone', async () => {
      const { engine, wireBytes, entry } = await stored(variant, { wireBytes: 'omit' });
      assert.equal(headerOf(entry).includesWireBytes, false);
      assert.equal(headerOf(entry).wireLength, wireBytes.length);
      assert.equal(statSync(entry).size, HEADER_LENGTH + lengthOf(engine.nativeCode));
    });

    it('stores nothing as long as nothing is optimised', async () => {
      const { cache, key, engine, module, directory } = empty(variant, { wireBytes: 'omit' });
      engine.nativeCode = undefined;
      await cache.save(key, engine, module);
      assert.equal(await cache.contains(key, engine), false);
      assert.deepEqual(filesIn(directory), []);
    });

    for (const writer of ['omitting', 'including'] as const) {
      it(`both kinds of cache load an entry of the ${writer} cache if they are given the wire bytes`, async () => {
        const { key, engine, module, wireBytes, ...caches } = mixed();
        await caches[writer].save(key, engine, module);
        for (const cache of [caches.including, caches.omitting]) {
          assertSameModule(await cache.load(key, engine, { wireBytes }), module);
        }
        assert.equal(engine.calls.deserialize, 2);
      });
    }

    for (const [writer, reader, ruin] of [
      ['including', 'omitting', (bytes, wireBytes) => bytes.subarray(0, bytes.length - wireBytes.length)],
      ['omitting', 'including', (bytes, wireBytes) => Buffer.concat([bytes, wireBytes])],
    ] as ['including' | 'omitting', 'including' | 'omitting', (bytes: Buffer, wireBytes: Uint8Array) => Uint8Array][]) {
      it(`an entry of the ${writer} cache that only looks like one of the ${reader} cache is a miss for that`, async () => {
        const { key, engine, module, wireBytes, entry, ...caches } = mixed();
        await caches[writer].save(key, engine, module);
        writeFileSync(entry, ruin(readFileSync(entry), wireBytes));
        await assert.rejects(caches[reader].load(key, engine, { wireBytes }), ofKind('NotFound'));
        assert.equal(engine.calls.deserialize, 0);
        assert.equal(existsSync(entry), false);
      });
    }

    it('loads an entry with wire bytes without being given them', async () => {
      const { including, omitting, key, engine, module } = mixed();
      await including.save(key, engine, module);
      assertSameModule(await omitting.load(key, engine), module);
    });

    it('stores entries that are a miss for readers without wire bytes, and stay', async () => {
      const { including, omitting, key, engine, module, entry } = mixed();
      await omitting.save(key, engine, module);
      for (const cache of [including, omitting]) {
        await assert.rejects(cache.load(key, engine), ofKind('NotFound'));
        assert.equal(existsSync(entry), true);
      }
    });

    it('stores entries to which a cache that includes wire bytes adds them, keeping the better native code', async () => {
      const { including, omitting, key, engine, module, entry } = mixed();
      const better = optimisedFurther(engine, 64);
      engine.nativeCode = better;
      await omitting.save(key, engine, module);
      for (const nativeCode of [better.subarray(0, -1), better, undefined]) {
        engine.nativeCode = nativeCode;
        await including.save(key, engine, module);
        assertSameModule(await including.load(key, engine), module);
        assert.equal(headerOf(entry).nativeLength, better.length);
        assert.equal(headerOf(entry).generation, 1);
      }
    });

    it('puts better native code into an entry and keeps its wire bytes', async () => {
      const { including, omitting, key, engine, module, entry } = mixed();
      await including.save(key, engine, module);
      engine.nativeCode = optimisedFurther(engine, 64);
      await omitting.save(key, engine, module);
      assert.equal(headerOf(entry).nativeLength, engine.nativeCode.length);
      assertSameModule(await including.load(key, engine), module);
    });

    it('leaves an entry with better native code alone', async () => {
      const { including, omitting, key, engine, module, entry } = mixed();
      const less = engine.nativeCode;
      engine.nativeCode = optimisedFurther(engine, 64);
      await including.save(key, engine, module);
      const before = readFileSync(entry);
      engine.nativeCode = less;
      await omitting.save(key, engine, module);
      assert.deepEqual(readFileSync(entry), before);
    });
  });
}

it('FileSystemCache.loadSync gives an engine the saved native code or nothing, however the entry is damaged', () => {
  const directory = temporaryDirectory();
  const cache = new FileSystemCache(directory);
  const engine = new FakeEngine();
  engine.nativeCode = optimisedFurther(engine, 500);
  const [good, other] = [1, 2].map((offset) => {
    const { key, module, wireBytes } = sample({ engine, offset });
    cache.saveSync(key, engine, module);
    const entry = path.join(directory, engine.deterministicId, `${key}.artifact`);
    return { key, wireBytes, entry, bytes: readFileSync(entry) };
  }) as [{ key: ModuleHash; wireBytes: Uint8Array; entry: string; bytes: Buffer }, { bytes: Buffer }];

  for (const { name, bytes } of damages(good.bytes, other.bytes, 400)) {
    writeFileSync(good.entry, bytes);
    assert.throws(() => cache.loadSync(good.key, engine), ofKind('NotFound'), name);
    assert.equal(engine.calls.deserialize, 0, name);
  }

  engine.deserialize = (nativeCode) => {
    assert.deepEqual(new Uint8Array(nativeCode), engine.nativeCode);
    throw new CacheError('Deserialize', 'seen');
  };
  for (const { name, bytes } of damages(good.bytes, other.bytes, 400, 2)) {
    writeFileSync(good.entry, bytes);
    const { wireBytes } = good;
    assert.throws(
      () => cache.loadSync(good.key, engine, { wireBytes }),
      ofKind('NotFound', ({ cause }) => {
        assert.ok(CacheError.is(cause, 'Deserialize'), name);
      }),
    );
  }
});

describe('FileSystemCache with a secret', () => {
  const secret = 'a-secret-of-many-letters';

  syncModuleCacheContract('FileSystemCache with a secret', () => new FileSystemCache(temporaryDirectory(), { secret }));

  for (const variant of variants) {
    it(`accepts a folder that others may write to, ${variant.name}`, onPosix, async () => {
      const directory = temporaryDirectory();
      chmodSync(directory, 0o777);
      const { cache, key, engine, module } = await stored(variant, { directory, secret });
      assertSameModule(await cache.load(key, engine), module);
    });

    for (const wireBytes of ['include', 'omit'] as const) {
      it(`refuses an entry that it did not sign, before the engine sees it, and replaces it, ${variant.name}, ${wireBytes}`, async () => {
        const { directory, key, engine, module, wireBytes: bytes } = await stored(variant, { wireBytes });
        const before = engine.calls.deserialize;
        for (const secrets of [secret, ['another-secret-that-is-long', secret]]) {
          const cache = variant.of(new FileSystemCache(directory, { secret: secrets, wireBytes }));
          const options = { wireBytes: bytes };
          await assert.rejects(cache.load(key, engine, options), ofKind('Untrusted'));
          await assert.rejects(cache.load(key, engine), ofKind('Untrusted'));
          assert.equal(await cache.contains(key, engine), false);
          assert.equal(engine.calls.deserialize, before);
        }
        const cache = variant.of(new FileSystemCache(directory, { secret, wireBytes }));
        await cache.save(key, engine, module);
        assertSameModule(await cache.load(key, engine, { wireBytes: bytes }), module);
        const unsigned = variant.of(new FileSystemCache(directory, { wireBytes }));
        assertSameModule(await unsigned.load(key, engine, { wireBytes: bytes }), module);
      });
    }

    it(`reads signed entries of a cache with the other choice of wire bytes, ${variant.name}`, async () => {
      const { directory, key, engine, module, wireBytes } = await stored(variant, { secret });
      const omitting = variant.of(new FileSystemCache(directory, { secret, wireBytes: 'omit' }));
      assertSameModule(await omitting.load(key, engine, { wireBytes }), module);
    });
  }

  it('says what is wrong with a secret', () => {
    for (const wrong of ['short', '', [], [secret, 'short'], 1234]) {
      assert.throws(() => new FileSystemCache('folder', { secret: wrong as string }), {
        name: 'TypeError',
        message: /secret/i,
      });
    }
  });
});
