import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Artifact, encodeArtifact } from '../../dist/artifact/artifact.js';
import { wanted } from '../../dist/artifact/packed.js';
import { Signer } from '../../dist/artifact/signature.js';
import type { GetOptions } from '../../dist/artifact-store.js';
import { ModuleHash } from '../../dist/index.js';
import { largestArtifact, readArtifact } from '../../dist/stores/read-artifact.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { MemoryStore } from '../../dist/testing.js';
import { TooLargeError } from '../../dist/too-large-error.js';

const signer = new Signer(['the-secret-of-this-fleet']);
const NAME = 'engine/key.artifact';
const artifact: Artifact = {
  key: ModuleHash.random(),
  engineId: 'engine',
  coverage: 'hot',
  generation: 0,
  final: false,
  hasLearnerCode: false,
  optimisedFor: 0,
  observedFor: 0,
  missing: 0,
  bypassedUntil: 0,
  nativeCode: Buffer.alloc(20_000, 1),
  wireBytes: undefined,
  wireLength: 5000,
};

async function storeOf(bytes: Uint8Array): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.put(NAME, bytes);
  return store;
}

describe('readArtifact', () => {
  const options = { check: wanted(artifact, 20_000), signer, maxSize: 20_000 };

  it('gives the artifact, its size in the store, and its version', async () => {
    const bytes = encodeArtifact(artifact, signer);
    const found = await readArtifact(await storeOf(bytes), NAME, options);
    assert.ok(found && Buffer.from(found.artifact.nativeCode).equals(artifact.nativeCode));
    assert.deepEqual([found?.size, found?.version], [bytes.length, '1']);
    assert.equal(await readArtifact(new MemoryStore(), NAME, options), undefined);
  });

  it('tells the store how much it takes, and does not look at more', async () => {
    let asked = 0;
    class Flood extends MemoryStore {
      override async get(_: string, { maxSize = 0 }: GetOptions = {}) {
        asked = maxSize;
        return { bytes: new Uint8Array(maxSize + 1), version: undefined };
      }
    }
    await assert.rejects(
      readArtifact(new Flood(), NAME, options),
      ofKind('Deserialize', (error) => assert.ok(error instanceof TooLargeError)),
    );
    assert.ok(asked > 20_000 && asked < 30_000, `${asked}`);
  });

  it('an artifact that the store calls too large is not usable, and the store is not at fault', async () => {
    class Strict extends MemoryStore {
      override async get(name: string, { maxSize = 0 }: GetOptions = {}): Promise<never> {
        throw new TooLargeError(name, 10 ** 9, maxSize);
      }
    }
    await assert.rejects(readArtifact(new Strict(), NAME, options), ofKind('Deserialize'));
  });

  it('refuses what is not expected, damaged, or not signed', async () => {
    const bytes = encodeArtifact(artifact, signer);
    for (const other of [
      { ...artifact, engineId: 'other' },
      { ...artifact, wireLength: 1 },
    ]) {
      const store = await storeOf(encodeArtifact(other, signer));
      await assert.rejects(readArtifact(store, NAME, options), ofKind('Deserialize'));
    }
    const damaged = await storeOf(bytes.fill(2, 1000, 1001));
    await assert.rejects(readArtifact(damaged, NAME, options), ofKind('Deserialize'));
    await assert.rejects(readArtifact(await storeOf(encodeArtifact(artifact)), NAME, options), ofKind('Untrusted'));
  });
});

it('the largest artifact of a module is bounded by its wire bytes and by the limit', () => {
  assert.equal(largestArtifact(undefined, 1000), 1000);
  assert.equal(largestArtifact(2 ** 30, 2 ** 28), 2 ** 28);
  assert.equal(largestArtifact(70_000, 2 ** 28), 16 * 70_000 + 2 ** 22);
});
