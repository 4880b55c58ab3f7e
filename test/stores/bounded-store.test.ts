import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ArtifactStore, PutOptions, StoredValue, StoreOptions } from '../../dist/artifact-store.js';
import { BoundedStore, StoreUnavailableError } from '../../dist/stores/bounded-store.js';
import { artifactStoreContract, MemoryStore } from '../../dist/testing.js';
import { until } from '../support/learning.js';

artifactStoreContract('BoundedStore', () => new BoundedStore(new MemoryStore()));

type Behaviour = 'works' | 'hangs' | 'refuses' | 'throws' | 'held';

/** A store that behaves as told. When it hangs, it ignores its signal. */
class TroubledStore extends MemoryStore {
  behaviour: Behaviour = 'works';
  asked = 0;
  /** Releases the waiting calls. */
  release = () => {};
  readonly #released = new Promise<void>((resolve) => {
    this.release = resolve;
  });

  async #trouble(): Promise<void> {
    this.asked++;
    if (this.behaviour === 'hangs') await new Promise(() => {});
    if (this.behaviour === 'refuses') throw new Error('connection refused');
    if (this.behaviour === 'held') await this.#released;
  }

  override async get(name: string, options?: StoreOptions): Promise<StoredValue | undefined> {
    await this.#trouble();
    return super.get(name, options);
  }

  override has(name: string, options?: StoreOptions): Promise<boolean> {
    if (this.behaviour === 'throws') throw new Error('synchronously');
    return this.#trouble().then(() => super.has(name, options));
  }

  override async put(name: string, bytes: Uint8Array, options?: PutOptions): Promise<boolean> {
    await this.#trouble();
    return super.put(name, bytes, options);
  }
}

async function milliseconds(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

const isUnavailable = (error: unknown) => error instanceof StoreUnavailableError;

describe('BoundedStore', () => {
  it('costs one deadline when the store hangs, and then nothing', async () => {
    const troubled = new TroubledStore();
    troubled.behaviour = 'hangs';
    const store = new BoundedStore(troubled, { timeout: 300 });
    const first = await milliseconds(() => assert.rejects(store.get('a'), /memory did not answer within 300 ms/));
    assert.ok(first >= 290, `${first} ms`);
    for (let count = 0; count < 20; count++) await assert.rejects(store.get('a'), isUnavailable);
    assert.equal(troubled.asked, 1);
    assert.deepEqual(store.stats, { succeeded: 0, timedOut: 1, late: 0, failed: 0, notAsked: 20 });
  });

  it('passes on the errors of a failing store three times, and then stops asking', async () => {
    const troubled = new TroubledStore();
    troubled.behaviour = 'refuses';
    const store = new BoundedStore(troubled);
    for (let count = 0; count < 3; count++) await assert.rejects(store.get('a'), /connection refused/);
    await assert.rejects(store.put('a', Buffer.from('a')), isUnavailable);
    assert.equal(troubled.asked, 3);
  });

  it('treats an exception as a rejection', async () => {
    const troubled = new TroubledStore();
    troubled.behaviour = 'throws';
    await assert.rejects(new BoundedStore(troubled).has('a'), /synchronously/);
  });

  it('notices that a store is back, without making anybody wait', async () => {
    const troubled = new TroubledStore();
    const store = new BoundedStore(troubled, { timeout: 20, retryAfter: 20 });
    await store.put('a', Buffer.from('a'));
    troubled.behaviour = 'hangs';
    await assert.rejects(store.get('a'), isUnavailable);
    troubled.behaviour = 'held';
    await until('it is time for a probe', () => store.state === 'half-open');
    await assert.rejects(store.get('a'), isUnavailable, 'the one that starts the probe does not wait for it');
    troubled.behaviour = 'works';
    troubled.release();
    await until('the probe is back', () => store.state === 'closed');
    assert.equal((await store.get('a'))?.bytes.length, 1);
  });

  it('passes late answers to whoever wants them', async () => {
    const troubled = new TroubledStore();
    const store = new BoundedStore(troubled, { timeout: 20 });
    await store.put('a', Buffer.from('bytes'));
    troubled.behaviour = 'held';
    const late: unknown[] = [];
    const length = async (inner: ArtifactStore) => (await inner.get('a'))?.bytes.length;
    await assert.rejects(store.read(length, { onLate: (found) => late.push(found) }), isUnavailable);
    assert.deepEqual(late, []);
    troubled.release();
    await until('it is there', () => late.length > 0);
    assert.deepEqual(late, [5]);
    assert.equal(store.stats.late, 1);
  });

  it('an abort of the caller is no failure of the store', async () => {
    const troubled = new TroubledStore();
    troubled.behaviour = 'hangs';
    const store = new BoundedStore(troubled, { timeout: 1000 });
    const reason = new Error('enough');
    const controller = new AbortController();
    const outcome = store.get('a', { signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(outcome, (error) => error === reason);
    assert.equal(store.state, 'closed');
  });

  it('stops asking a store with useless answers', async () => {
    const troubled = new TroubledStore();
    const store = new BoundedStore(troubled);
    const use = async (inner: ArtifactStore) => {
      await inner.get('a');
      throw new Error('garbage');
    };
    for (let count = 0; count < 3; count++) await assert.rejects(store.read(use), /garbage/);
    await assert.rejects(store.read(use), isUnavailable);
    assert.equal(troubled.asked, 3);
  });
});
