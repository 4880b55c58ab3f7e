import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ArtifactStore } from '../artifact-store.js';

/** Every byte value; long ones need several packets. */
const everyByte = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 0xff);

async function bytesOf(store: ArtifactStore, name: string): Promise<Buffer | undefined> {
  const value = await store.get(name);
  return value && Buffer.from(value.bytes);
}

/**
 * Tests for `node:test` of the promises that every store makes: call it in a test file.
 *
 * @param name - the store's name, for the report
 * @param createStore - returns a new, empty store, which is closed after the test
 *
 * @example
 * ```ts
 * import { mkdtempSync } from 'node:fs';
 * import { FileSystemStore } from 'wasm-module-cache';
 * import { artifactStoreContract } from 'wasm-module-cache/testing';
 *
 * artifactStoreContract('my store', () => new FileSystemStore(mkdtempSync('store-')));
 * ```
 */
export function artifactStoreContract(name: string, createStore: () => ArtifactStore | Promise<ArtifactStore>): void {
  const test = (what: string, check: (store: ArtifactStore) => Promise<unknown>) =>
    it(what, async () => {
      const store = await createStore();
      try {
        await check(store);
      } finally {
        await store.close?.();
      }
    });

  describe(`${name} keeps the contract of ArtifactStore:`, () => {
    test('what is not there is undefined, and deleting it is no error', async (store) => {
      assert.equal(await store.get('folder/nothing.artifact'), undefined);
      assert.equal(await store.has('folder/nothing.artifact'), false);
      await store.delete('folder/nothing.artifact');
    });

    for (const [what, length] of [
      ['no bytes', 0],
      ['every byte there is', 70_000],
      ['5 MB', 5_000_000],
    ] as const) {
      test(`keeps ${what}`, async (store) => {
        const bytes = everyByte(length);
        assert.equal(await store.put('folder/value.artifact', bytes), true);
        assert.equal(await store.has('folder/value.artifact'), true);
        const stored = await bytesOf(store, 'folder/value.artifact');
        assert.ok(stored?.equals(bytes), `${stored?.length} bytes came back`);
      });
    }

    test('keeps what a view of a larger buffer shows, and gives memory of its own', async (store) => {
      const bytes = everyByte(100).subarray(10, 20);
      await store.put('a', bytes);
      const first = (await store.get('a'))?.bytes as Uint8Array;
      assert.deepEqual(Buffer.from(first), Buffer.from(bytes));
      first.fill(0);
      assert.deepEqual(await bytesOf(store, 'a'), Buffer.from(bytes));
    });

    test('a value replaces what was there, and is gone when it is deleted', async (store) => {
      for (const length of [100, 1000, 10]) {
        assert.equal(await store.put('a/b', everyByte(length)), true);
        assert.equal((await bytesOf(store, 'a/b'))?.length, length);
      }
      await store.delete('a/b');
      assert.equal(await store.get('a/b'), undefined);
      assert.equal(await store.has('a/b'), false);
    });

    const names = [
      'x',
      'X+y_z-1.0',
      'folder/x',
      'folder/deep/deeper/x',
      `${'n'.repeat(128)}/${'0'.repeat(64)}.artifact`,
    ];
    test('names of every kind live side by side', async (store) => {
      for (const [index, each] of names.entries()) await store.put(each, everyByte(index + 1));
      for (const [index, each] of names.entries()) assert.equal((await bytesOf(store, each))?.length, index + 1);
      await store.delete('x');
      assert.equal((await bytesOf(store, 'folder/x'))?.length, 3);
    });

    test('of concurrent puts one wins, whole', async (store) => {
      const values = [1, 2, 3, 4, 5].map((each) => Buffer.alloc(100_000 * each, each));
      await Promise.all(values.map((value) => store.put('a', value)));
      const stored = await bytesOf(store, 'a');
      assert.ok(values.some((value) => stored?.equals(value)));
    });

    test('an aborted operation rejects with the reason', async (store) => {
      const reason = new Error('enough');
      const signal = AbortSignal.abort(reason);
      const isReason = (error: unknown) => error === reason;
      await assert.rejects(store.get('a', { signal }), isReason);
      await assert.rejects(store.put('a', everyByte(1), { signal }), isReason);
      await assert.rejects(store.has('a', { signal }), isReason);
      await assert.rejects(store.delete('a', { signal }), isReason);
      assert.equal(await store.get('a'), undefined);
      assert.equal(await store.has('a', { signal: new AbortController().signal }), false);
    });

    test('one that is aborted meanwhile rejects with the reason, or was done before', async (store) => {
      await store.put('a', everyByte(3_000_000));
      for (const delay of [0, 1, 2, 5]) {
        const controller = new AbortController();
        const reason = new Error('enough');
        setTimeout(() => controller.abort(reason), delay);
        const outcome = await store.get('a', { signal: controller.signal }).catch((error: unknown) => error);
        assert.ok(outcome === reason || (outcome as { bytes: Uint8Array }).bytes?.length === 3_000_000, `${outcome}`);
      }
      assert.equal((await bytesOf(store, 'a'))?.length, 3_000_000, 'it goes on working');
    });

    test('lists the names that start with a prefix, where it can', async (store) => {
      if (!store.list) return;
      const all = [...names, 'folders/x'];
      for (const each of all) await store.put(each, everyByte(1));
      for (const prefix of ['', 'f', 'folder', 'folder/', 'folder/deep/d', 'nothing', 'nothing/']) {
        const listed: string[] = [];
        for await (const each of store.list(prefix)) listed.push(each);
        assert.deepEqual(listed.sort(), all.filter((each) => each.startsWith(prefix)).sort(), `prefix ${prefix}`);
      }
    });

    test('minds versions, where it is conditional', async (store) => {
      if (!store.isConditional) {
        assert.equal(await store.put('a', everyByte(1), { ifVersion: null }), true);
        assert.equal(await store.put('a', everyByte(2), { ifVersion: null }), true);
        return;
      }
      assert.equal(await store.put('a', everyByte(1), { ifVersion: 'of-something-else' }), false, 'nothing is there');
      assert.equal(await store.put('a', everyByte(1), { ifVersion: null }), true);
      assert.equal(await store.put('a', everyByte(2), { ifVersion: null }), false);
      const first = await store.get('a');
      assert.equal(typeof first?.version, 'string');
      assert.equal(await store.put('a', everyByte(3), { ifVersion: first?.version }), true);
      assert.equal(await store.put('a', everyByte(4), { ifVersion: first?.version }), false);
      const second = await store.get('a');
      assert.notEqual(second?.version, first?.version);
      assert.equal(second?.bytes.length, 3);
      const outcomes = await Promise.all(
        [5, 6, 7, 8].map((length) => store.put('a', everyByte(length), { ifVersion: second?.version })),
      );
      assert.equal(outcomes.filter(Boolean).length, 1, 'of several writers one wins');
    });

    test('says what it is', async (store) => assert.ok(store.description.length > 0));
  });
}
