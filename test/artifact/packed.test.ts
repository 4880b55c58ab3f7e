import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Artifact, artifactParts, encodeArtifact } from '../../dist/artifact/artifact.js';
import { canPack, pack, unpack } from '../../dist/artifact/packed.js';
import { CacheError, ModuleHash } from '../../dist/index.js';
import { ofKind } from '../../dist/testing/assertions.js';

const wireBytes = Buffer.alloc(5000, 'wire');
const artifact: Artifact = {
  key: ModuleHash.sha256(wireBytes),
  engineId: 'engine',
  coverage: 'hot',
  generation: 3,
  final: false,
  leftAloneUntil: 0,
  nativeCode: Buffer.alloc(20_000, 'native code'),
  wireBytes,
  wireLength: wireBytes.length,
};
const original = encodeArtifact(artifact);
const nothing = () => {};

it('what is not packed comes back as it is, and its header is checked', async () => {
  assert.equal(await unpack(original, nothing), original);
  await assert.rejects(unpack(Buffer.from('not an artifact'), nothing), ofKind('Deserialize'));
});

describe('packed', { skip: canPack() ? false : 'no Zstandard in this Node' }, () => {
  it('it is smaller, and comes back as it was', async () => {
    const packed = await pack(artifactParts(artifact));
    assert.ok(packed.length < original.length / 5);
    assert.deepEqual(Buffer.from(await unpack(packed, nothing)), Buffer.from(original));
  });

  it('it is not unpacked when the header is not wanted', async () => {
    const packed = await pack(artifactParts(artifact));
    packed.fill(0, 320);
    const error = new Error('not wanted');
    await assert.rejects(
      unpack(packed, ({ key }) => {
        assert.ok(key.equals(artifact.key));
        throw error;
      }),
      (thrown) => thrown === error,
    );
  });

  it('it is not unpacked to more than its header announces', async () => {
    const [header] = artifactParts(artifact) as [Uint8Array];
    const bomb = await pack([header, Buffer.alloc(50_000_000)]);
    await assert.rejects(unpack(bomb, nothing), ofKind('Deserialize'));
  });

  it('damaged anywhere, it is an error or what it was', async () => {
    const packed = await pack(artifactParts(artifact));
    for (let at = 0; at < packed.length; at++) {
      const damaged = Uint8Array.from(packed);
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
      const outcome = await unpack(damaged, nothing).catch((error: unknown) => error);
      assert.ok(CacheError.is(outcome, 'Deserialize') || outcome instanceof Uint8Array, `byte ${at}: ${outcome}`);
    }
    for (let length = 0; length < packed.length; length += 7) {
      const outcome = await unpack(packed.subarray(0, length), nothing).catch((error: unknown) => error);
      assert.ok(CacheError.is(outcome, 'Deserialize'), `${length} bytes: ${outcome}`);
    }
  });
});
