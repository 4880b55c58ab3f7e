import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Artifact, artifactParts, encodeArtifact } from '../../dist/artifact/artifact.js';
import { type ArtifactChecks, canPack, pack, unpackArtifact, wanted } from '../../dist/artifact/packed.js';
import { Signer } from '../../dist/artifact/signature.js';
import { CacheError, ModuleHash } from '../../dist/index.js';
import { crc32 } from '../../dist/native/digest.js';
import { ofKind } from '../../dist/testing/assertions.js';

const wireBytes = Buffer.alloc(5000, 'wire');
const artifact: Artifact = {
  key: ModuleHash.sha256(wireBytes),
  engineId: 'engine',
  coverage: 'hot',
  generation: 3,
  final: false,
  hasLearnerCode: false,
  optimisedFor: 0,
  observedFor: 0,
  missing: 0,
  bypassedUntil: 0,
  nativeCode: Buffer.alloc(20_000, 'native code'),
  wireBytes,
  wireLength: wireBytes.length,
};
const signer = new Signer(['the-secret-of-this-fleet']);
const stranger = new Signer(['the-secret-of-others']);
const original = encodeArtifact(artifact);
const anything: ArtifactChecks = { check: () => {}, signer: undefined };
const signed: ArtifactChecks = { ...anything, signer };

/** Encodes the parts again, because only their bytes matter. */
async function unpacked(bytes: Uint8Array, checks = anything): Promise<Uint8Array> {
  return encodeArtifact(await unpackArtifact(bytes, checks));
}

it('bytes that are not packed are read in place', async () => {
  const { nativeCode } = await unpackArtifact(original, anything);
  assert.deepEqual(await unpacked(original), original);
  assert.equal(nativeCode.buffer, original.buffer);
  await assert.rejects(unpackArtifact(Buffer.from('not an artifact'), anything), ofKind('Deserialize'));
});

it('the expectation and the size are checked with the header alone', () => {
  const check = wanted(artifact, 25_000);
  const { nativeCode, wireBytes: _, ...fields } = artifact;
  const header = { ...fields, nativeLength: nativeCode.length, includesWireBytes: true };
  check(header);
  assert.throws(() => check({ ...header, nativeLength: 20_001 }), ofKind('Deserialize'));
  assert.throws(() => check({ ...header, engineId: 'other' }), ofKind('Deserialize'));
});

describe('signatures', () => {
  const ways = {
    plain: async (by?: Signer) => Buffer.concat(artifactParts(artifact, by)),
    ...(canPack() ? { packed: (by?: Signer) => pack(artifactParts(artifact, by), by) } : {}),
  };
  for (const [way, encode] of Object.entries(ways)) {
    it(`of ${way} artifacts are required, unless the reader accepts unsigned ones`, async () => {
      const rotated = { ...anything, signer: new Signer(['the-next-secret-of-all', 'the-secret-of-this-fleet']) };
      for (const checks of [signed, rotated]) assert.deepEqual(await unpacked(await encode(signer), checks), original);
      for (const by of [undefined, stranger]) {
        await assert.rejects(unpacked(await encode(by), signed), ofKind('Untrusted'));
        assert.deepEqual(await unpacked(await encode(by)), original);
      }
    });

    it(`of ${way} artifacts may be missing, but not wrong, if the reader accepts unsigned ones`, async () => {
      const checks = { ...signed, acceptsUnsigned: true };
      assert.deepEqual(await unpacked(await encode(), checks), original);
      await assert.rejects(unpacked(await encode(stranger), checks), ofKind('Untrusted'));
    });
  }
});

describe('packed', { skip: canPack() ? false : 'no Zstandard in this Node' }, () => {
  it('it is smaller, and comes back as it was', async () => {
    const packed = await pack(artifactParts(artifact), undefined);
    assert.ok(packed.length < original.length / 5);
    assert.deepEqual(await unpacked(packed), original);
  });

  it('it is not unpacked if the header is refused', async () => {
    const packed = await pack(artifactParts(artifact), undefined);
    packed.fill(0, 360);
    const error = new Error('not wanted');
    const check = ({ key }: Pick<Artifact, 'key'>) => {
      assert.ok(key.equals(artifact.key));
      throw error;
    };
    await assert.rejects(unpackArtifact(packed, { ...anything, check }), (thrown) => thrown === error);
  });

  it('it is not unpacked to more than its header announces', async () => {
    const [header] = artifactParts(artifact) as [Uint8Array];
    const bomb = await pack([header, Buffer.alloc(50_000_000)], undefined);
    await assert.rejects(unpackArtifact(bomb, anything), ofKind('Deserialize'));
  });

  it('it is not unpacked before its signature is checked', async () => {
    const packed = withChecksum((await pack(artifactParts(artifact, signer), signer)).fill(0, 360));
    await assert.rejects(unpackArtifact(packed, anything), ofKind('Deserialize'));
    await assert.rejects(unpackArtifact(packed, signed), ofKind('Untrusted'));
  });

  it('another version of the format is refused', async () => {
    const packed = await pack(artifactParts(artifact), undefined);
    packed[8] = 3;
    await assert.rejects(
      unpackArtifact(packed, anything),
      ofKind('Deserialize', ({ message }) => assert.match(message, /version 3, not 2/)),
    );
    const [header = Buffer.alloc(0), ...parts] = artifactParts(artifact);
    const first = Buffer.concat([packed.subarray(0, 8), header, ...parts]);
    await assert.rejects(unpackArtifact(first, anything), ofKind('Deserialize'));
  });

  it('damage anywhere is an error, or makes no difference', async () => {
    const packed = await pack(artifactParts(artifact), undefined);
    for (let at = 0; at < packed.length; at++) {
      const damaged = Uint8Array.from(packed);
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
      const outcome = await outcomeOf(damaged);
      if (outcome instanceof Uint8Array) assert.deepEqual(outcome, original, `byte ${at}`);
      else assert.ok(CacheError.is(outcome, 'Deserialize'), `byte ${at}: ${outcome}`);
    }
    for (let length = 0; length < packed.length; length += 7) {
      const outcome = await outcomeOf(packed.subarray(0, length));
      assert.ok(CacheError.is(outcome, 'Deserialize'), `${length} bytes: ${outcome}`);
    }
  });

  it('damage anywhere in a signed one is an error, also if the checksum hides it', async () => {
    const packed = await pack(artifactParts(artifact, signer), signer);
    for (let at = 8; at < packed.length; at++) {
      const damaged = Uint8Array.from(packed);
      damaged[at] = (damaged[at] as number) ^ 1;
      await assert.rejects(unpackArtifact(damaged, signed), ofKind('Deserialize'));
      if (at >= 16) await assert.rejects(unpackArtifact(withChecksum(damaged), signed), CacheError);
      if (at >= 360) await assert.rejects(unpackArtifact(withChecksum(damaged), signed), ofKind('Untrusted'));
    }
  });
});

function withChecksum(packed: Uint8Array): Uint8Array {
  new DataView(packed.buffer, packed.byteOffset).setUint32(12, crc32(packed.subarray(16)), true);
  return packed;
}

async function outcomeOf(bytes: Uint8Array): Promise<unknown> {
  return unpacked(bytes).catch((error) => error);
}
