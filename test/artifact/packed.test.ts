import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Artifact, artifactParts, encodeArtifact } from '../../dist/artifact/artifact.js';
import { canPack, pack, unpackArtifact, wanted } from '../../dist/artifact/packed.js';
import { CacheError, ModuleHash } from '../../dist/index.js';
import { ofKind } from '../../dist/testing/assertions.js';

const wireBytes = Buffer.alloc(5000, 'wire');
const artifact: Artifact = {
  key: ModuleHash.sha256(wireBytes),
  engineId: 'engine',
  coverage: 'hot',
  generation: 3,
  final: false,
  bypassedUntil: 0,
  nativeCode: Buffer.alloc(20_000, 'native code'),
  wireBytes,
  wireLength: wireBytes.length,
};
const original = encodeArtifact(artifact);
const nothing = () => {};

/** Encoded again, because of the parts only the bytes count. */
function unpacked(bytes: Uint8Array): Uint8Array {
  return encodeArtifact(unpackArtifact(bytes, nothing).artifact);
}

it('what is not packed is read where it is', () => {
  const { artifact: found, header } = unpackArtifact(original, nothing);
  assert.deepEqual(unpacked(original), original);
  assert.equal(found.nativeCode.buffer, original.buffer);
  assert.equal(header.buffer, original.buffer);
  assert.throws(() => unpackArtifact(Buffer.from('not an artifact'), nothing), ofKind('Deserialize'));
});

it('what is expected is checked by the header alone, and so is the size', () => {
  const check = wanted(artifact, 25_000);
  const { nativeCode, wireBytes: _, ...fields } = artifact;
  const header = { ...fields, nativeLength: nativeCode.length, includesWireBytes: true };
  check(header);
  assert.throws(() => check({ ...header, nativeLength: 20_001 }), ofKind('Deserialize'));
  assert.throws(() => check({ ...header, engineId: 'other' }), ofKind('Deserialize'));
});

describe('packed', { skip: canPack() ? false : 'no Zstandard in this Node' }, () => {
  it('it is smaller, and comes back as it was', async () => {
    const packed = await pack(artifactParts(artifact));
    assert.ok(packed.length < original.length / 5);
    assert.deepEqual(unpacked(packed), original);
  });

  it('it is not unpacked when the header is not wanted', async () => {
    const packed = await pack(artifactParts(artifact));
    packed.fill(0, 320);
    const error = new Error('not wanted');
    const check = ({ key }: Pick<Artifact, 'key'>) => {
      assert.ok(key.equals(artifact.key));
      throw error;
    };
    assert.throws(
      () => unpackArtifact(packed, check),
      (thrown) => thrown === error,
    );
  });

  it('it is not unpacked to more than its header announces', async () => {
    const [header] = artifactParts(artifact) as [Uint8Array];
    const bomb = await pack([header, Buffer.alloc(50_000_000)]);
    assert.throws(() => unpackArtifact(bomb, nothing), ofKind('Deserialize'));
  });

  it('damaged anywhere, it is an error or what it was', async () => {
    const packed = await pack(artifactParts(artifact));
    for (let at = 0; at < packed.length; at++) {
      const damaged = Uint8Array.from(packed);
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
      const outcome = outcomeOf(damaged);
      if (outcome instanceof Uint8Array) assert.deepEqual(outcome, original, `byte ${at}`);
      else assert.ok(CacheError.is(outcome, 'Deserialize'), `byte ${at}: ${outcome}`);
    }
    for (let length = 0; length < packed.length; length += 7) {
      const outcome = outcomeOf(packed.subarray(0, length));
      assert.ok(CacheError.is(outcome, 'Deserialize'), `${length} bytes: ${outcome}`);
    }
  });
});

function outcomeOf(bytes: Uint8Array): unknown {
  try {
    return unpacked(bytes);
  } catch (error) {
    return error;
  }
}
