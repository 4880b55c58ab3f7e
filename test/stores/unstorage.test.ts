import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { createStorage, defineDriver, prefixStorage, type Storage } from 'unstorage';
import fsDriver from 'unstorage/drivers/fs';
import fsLiteDriver from 'unstorage/drivers/fs-lite';
import lruCacheDriver from 'unstorage/drivers/lru-cache';
import memoryDriver from 'unstorage/drivers/memory';
import { UnstorageStore } from '../../dist/stores/unstorage.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { artifactStoreContract } from '../../dist/testing.js';
import { filesIn, temporaryDirectory } from '../support/processes.js';

/** Keeps only text, as redis, localstorage and many others; then bytes come and go as base64. */
const textDriver = defineDriver(() => {
  const items = new Map<string, string>();
  return {
    name: 'text',
    hasItem: (key) => items.has(key),
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
    getKeys: () => [...items.keys(), ...items.keys()], // Some scan, and find a key twice.
  };
});

const storages: Record<string, () => Storage> = {
  memory: () => createStorage({ driver: memoryDriver() }),
  fs: () => createStorage({ driver: fsDriver({ base: temporaryDirectory() }) }),
  'fs-lite': () => createStorage({ driver: fsLiteDriver({ base: temporaryDirectory() }) }),
  'lru-cache': () => createStorage({ driver: lruCacheDriver({}) }),
  text: () => createStorage({ driver: textDriver({}) }),
  prefixed: () => prefixStorage(createStorage(), 'a:b'),
  mounted: () => createStorage().mount('folder', memoryDriver()).mount('folder:deep', textDriver({})),
};
for (const [name, create] of Object.entries(storages)) {
  artifactStoreContract(`UnstorageStore (${name})`, () => new UnstorageStore(create()));
}

const givesRaw = (value: unknown) => {
  const storage = createStorage();
  return new UnstorageStore({ ...storage, getItemRaw: async () => value } as Storage);
};

async function namesIn(store: UnstorageStore, prefix = ''): Promise<string[]> {
  const names: string[] = [];
  for await (const name of store.list(prefix)) names.push(name);
  return names.sort();
}

describe('UnstorageStore', () => {
  it('says which driver it has', () => {
    assert.equal(new UnstorageStore(createStorage({ driver: textDriver({}) })).description, 'unstorage (text)');
    assert.equal(new UnstorageStore({ ...createStorage(), getMount: undefined } as never).description, 'unstorage');
  });

  const names = [
    'b..',
    'a.',
    'a../b',
    'a..b',
    '.../b',
    '.a/..b/c',
    'a.b/c.',
    'a-+_',
    'A',
    'node_modules.x',
    'a/b/c',
  ].sort();
  for (const driver of ['memory', 'fs', 'fs-lite', 'text']) {
    it(`keeps names with unusual dots apart (${driver})`, async () => {
      const store = new UnstorageStore((storages[driver] as () => Storage)());
      for (const name of names) await store.put(name, Buffer.from(name));
      for (const name of names) assert.equal(Buffer.from((await store.get(name))?.bytes ?? []).toString(), name);
      assert.deepEqual(await namesIn(store), names);
      assert.deepEqual(await namesIn(store, 'a../'), ['a../b']);
      assert.deepEqual(await namesIn(store, 'a..'), ['a../b', 'a..b']);
    });
  }

  it('does not list what has no name', async () => {
    const storage = createStorage();
    const store = new UnstorageStore(storage);
    await storage.setItem('folder:trailing.', 'x');
    await store.put('folder/x', Buffer.from('x'));
    assert.deepEqual(await namesIn(store), ['folder/x']);
  });

  for (const driver of ['memory', 'text']) {
    it(`refuses a value that is larger than the caller takes (${driver})`, async () => {
      const store = new UnstorageStore((storages[driver] as () => Storage)());
      for (let length = 500; length < 504; length++) {
        await store.put('a', Buffer.alloc(length, 1));
        assert.equal((await store.get('a', { maxSize: length }))?.bytes.length, length);
        await assert.rejects(store.get('a', { maxSize: length - 1 }), new RegExp(`more than ${length - 1} bytes`));
      }
    });
  }

  it('takes bytes in every form', async () => {
    const storage = createStorage();
    await new UnstorageStore(storage).put('a', Buffer.from([0, 128, 255]));
    const raw = Buffer.from((await storage.getItemRaw<Buffer>('a')) ?? []);
    const buffer = Uint8Array.from(raw).buffer;
    const shared = new SharedArrayBuffer(raw.length);
    new Uint8Array(shared).set(raw);
    const surrounded = Buffer.concat([Buffer.from('x'), raw, Buffer.from('y')]).subarray(1, -1);
    for (const form of [raw, new Uint8Array(raw), buffer, shared, new DataView(buffer), surrounded]) {
      assert.deepEqual((await givesRaw(form).get('a'))?.bytes, Uint8Array.of(0, 128, 255));
    }
    assert.deepEqual((await givesRaw(`base64:${raw.toString('base64')}`).get('a'))?.bytes, Uint8Array.of(0, 128, 255));
    for (const form of [raw.toString(), 'base64:?', String(raw), JSON.parse(JSON.stringify(raw)), 5, true]) {
      await assert.rejects(
        givesRaw(form).get('a'),
        ofKind('Other', ({ message }) => assert.match(message, /memory.* a:/)),
      );
    }
    for (const form of [null, undefined]) assert.equal(await givesRaw(form).get('a'), undefined);
  });

  it('misses what is not there whole', async () => {
    const base = temporaryDirectory();
    const store = new UnstorageStore(createStorage({ driver: fsLiteDriver({ base }) }));
    await store.put('a', Buffer.from('0123456789'));
    const [file = ''] = filesIn(base);
    const whole = readFileSync(file);
    const damaged = [
      ...Array.from({ length: whole.length }, (_, length) => whole.subarray(0, length)),
      Buffer.concat([whole, Buffer.from('0')]),
      whole.map((byte, index) => (index === 12 ? byte + 1 : byte)),
    ];
    for (const each of damaged) {
      writeFileSync(file, each);
      assert.equal(await store.get('a'), undefined);
    }
    writeFileSync(file, whole);
    assert.equal((await store.get('a'))?.bytes.length, 10);
  });

  it('gives whole values, or none, while others write', async () => {
    const base = temporaryDirectory();
    const newStore = () => new UnstorageStore(createStorage({ driver: fsLiteDriver({ base }) }));
    const writers = [1, 2, 3].map(async (n) => {
      const store = newStore(); // Each as if in a process of its own.
      for (let round = 0; round < 20; round++) await store.put('a', Buffer.alloc(n * 100_000, n));
    });
    let isOver = false;
    const all = Promise.all(writers).finally(() => {
      isOver = true;
    });
    const reader = newStore();
    while (!isOver) {
      const { bytes } = (await reader.get('a')) ?? {};
      if (bytes) assert.ok(Buffer.alloc(bytes.length, bytes.length / 100_000).equals(bytes));
    }
    await all;
  });

  it('reports what a driver reports', async () => {
    const fails = async () => {
      throw new Error('out of order');
    };
    const store = new UnstorageStore({
      hasItem: fails,
      getItemRaw: fails,
      setItemRaw: fails,
      removeItem: fails,
      getKeys: fails,
    });
    const says = ofKind('Other', ({ message, cause }) => {
      assert.match(message, /^unstorage: could not .*: out of order$/);
      assert.ok(cause instanceof Error);
    });
    await assert.rejects(store.get('a'), says);
    await assert.rejects(store.put('a', Buffer.from('a')), says);
    await assert.rejects(store.has('a'), says);
    await assert.rejects(store.delete('a'), says);
    await assert.rejects(namesIn(store), says);
  });

  it('misses where a driver fails because there is nothing', async () => {
    const storage = createStorage();
    const getItemRaw = () => Promise.reject(new TypeError("Cannot read properties of null (reading '_data')"));
    assert.equal(await new UnstorageStore({ ...storage, getItemRaw } as Storage).get('a'), undefined);
  });

  const skip = process.geteuid?.() === 0 ? 'root may read everything' : false;
  it('rejects for a file that it may not read', { skip }, async () => {
    const base = temporaryDirectory();
    writeFileSync(path.join(base, 'a'), 'x');
    chmodSync(path.join(base, 'a'), 0);
    await assert.rejects(new UnstorageStore(createStorage({ driver: fsDriver({ base }) })).get('a'), ofKind('Other'));
  });

  it('rejects where the file system refuses', async () => {
    const base = temporaryDirectory();
    mkdirSync(path.join(base, 'folder'));
    const store = new UnstorageStore(createStorage({ driver: fsDriver({ base }) }));
    await assert.rejects(store.put('folder', Buffer.from('x')), ofKind('Other'));
    await store.put('file', Buffer.from('x'));
    await assert.rejects(store.put('file/below', Buffer.from('x')), ofKind('Other'));
    assert.equal(await store.get('file/below'), undefined);
    assert.equal(await store.get('x'.repeat(300)), undefined);
  });

  it('refuses what is no storage', () => {
    for (const each of [undefined, null, {}, 'memory', new Map()]) {
      assert.throws(() => new UnstorageStore(each as never), TypeError);
    }
  });
});
