import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Artifact } from '../../dist/artifact/artifact.js';
import { Signer } from '../../dist/artifact/signature.js';
import { ModuleHash } from '../../dist/index.js';
import { offerArtifact } from '../../dist/stores/offer-artifact.js';
import { readArtifact } from '../../dist/stores/read-artifact.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { MemoryStore } from '../../dist/testing.js';
import { TooLargeError } from '../../dist/too-large-error.js';

const signer = new Signer(['the-secret-of-this-fleet']);
const NAME = 'engine/key.artifact';
const key = ModuleHash.random();
const options = { signer, packs: false, maxSize: 2 ** 20 };

function artifact(length: number, more: Partial<Artifact> = {}): Artifact {
  const nativeCode = Buffer.alloc(length, 1);
  const fields = {
    key,
    engineId: 'engine',
    coverage: 'hot',
    generation: 0,
    final: false,
    hasLearnerCode: false,
    optimisedFor: 0,
    observedFor: 0,
    missing: 0,
    bypassedUntil: 0,
  } as const;
  return { ...fields, nativeCode, wireBytes: undefined, wireLength: 5000, ...more };
}

async function lengthIn(store: MemoryStore): Promise<number | undefined> {
  const found = await readArtifact(store, NAME, { check: () => {}, signer, maxSize: 2 ** 20 });
  return found?.artifact.nativeCode.length;
}

describe('offerArtifact', () => {
  it('stores what is better, and says why it does not store the rest', async () => {
    const store = new MemoryStore();
    assert.equal((await offerArtifact(store, NAME, artifact(1000), options)).isStored, true);
    for (const [length, reason] of [
      [1000, /as good/],
      [500, /more native code: 1000 bytes, this 500/],
    ] as const) {
      const offered = await offerArtifact(store, NAME, artifact(length), options);
      assert.equal(offered.isStored, false);
      assert.match(offered.reason ?? '', reason);
    }
    assert.equal((await offerArtifact(store, NAME, artifact(2000), options)).isStored, true);
    assert.equal(await lengthIn(store), 2000);
  });

  it('asks for nothing first when it is told that nothing is there, and does when something is', async () => {
    let gets = 0;
    class Counting extends MemoryStore {
      override get(...args: Parameters<MemoryStore['get']>) {
        gets++;
        return super.get(...args);
      }
    }
    const store = new Counting();
    await offerArtifact(store, NAME, artifact(1000), { ...options, isNew: true });
    assert.equal(gets, 0);
    assert.equal((await offerArtifact(store, NAME, artifact(500), { ...options, isNew: true })).isStored, false);
    assert.equal(gets, 1);
    assert.equal(await lengthIn(store), 1000);
  });

  it('replaces what is not usable, however large it is', async () => {
    const store = new MemoryStore();
    for (const bytes of [Buffer.from('garbage'), Buffer.alloc(2 ** 22)]) {
      await store.put(NAME, bytes);
      assert.equal((await offerArtifact(store, NAME, artifact(1000), options)).isStored, true);
      assert.equal(await lengthIn(store), 1000);
    }
    class Strict extends MemoryStore {
      override async get(): Promise<never> {
        throw new TooLargeError('value', undefined, 10);
      }
    }
    assert.equal((await offerArtifact(new Strict(), NAME, artifact(1000), options)).isStored, true);
  });

  it('does not store what is too large, nor over a note that the module is left to V8', async () => {
    const store = new MemoryStore();
    await assert.rejects(offerArtifact(store, NAME, artifact(2 ** 20), options), ofKind('Serialize'));
    const note = { coverage: 'none', bypassedUntil: Math.ceil(Date.now() / 60_000) + 60 } as const;
    await offerArtifact(store, NAME, artifact(0, note), options);
    assert.match((await offerArtifact(store, NAME, artifact(1000), options)).reason ?? '', /left to V8/);
  });
});
