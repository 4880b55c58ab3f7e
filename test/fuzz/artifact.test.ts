import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { type Artifact, checkSignature, decodeArtifact, encodeArtifact } from '../../dist/artifact/artifact.js';
import { decodeHeader, HEADER_LENGTH } from '../../dist/artifact/header.js';
import { Signer } from '../../dist/artifact/signature.js';
import { CacheError, decodeModule, decodeModuleSync, ModuleHash } from '../../dist/index.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { withHeaderChecksum } from '../support/damage.js';
import {
  arbitraryBytes,
  arbitraryJunk,
  arbitraryMutations,
  arbitraryText,
  arbitraryUnicode,
  holds,
  mutate,
} from '../support/fuzz.js';

const SIGNATURE = 272;
const SIGNATURE_END = 304;

const ours = new Signer(['a-secret-of-many-letters']);
const both = new Signer(['another-secret-of-them', 'a-secret-of-many-letters']);
const theirs = new Signer(['the-secret-of-somebody-else']);

const keys = fc
  .tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.constantFrom(8, 32))
  .map(([bytes, length]) => ModuleHash.fromBytes(bytes.subarray(0, length)));

const artifacts: fc.Arbitrary<Artifact> = fc
  .record({
    key: keys,
    engineId: fc.oneof(arbitraryUnicode, fc.constant('')).filter((text) => Buffer.byteLength(text) <= 180),
    coverage: fc.constantFrom('hot', 'full'),
    generation: fc.integer({ min: 0, max: 0xffff_ffff }),
    final: fc.boolean(),
    bypassedUntil: fc.integer({ min: 0, max: 0xffff_ffff }),
    hasLearnerCode: fc.boolean(),
    optimisedFor: fc.integer({ min: 0, max: 0xffff_ffff }),
    observedFor: fc.integer({ min: 0, max: 0xffff_ffff }),
    missing: fc.integer({ min: 0, max: 0xffff_ffff }),
    nativeCode: arbitraryBytes(100),
    wireBytes: fc.option(arbitraryBytes(100), { nil: undefined }),
    wireLength: fc.maxSafeNat(),
  })
  .map((fields) => ({
    ...fields,
    coverage: fields.nativeCode.length === 0 ? ('none' as const) : (fields.coverage as 'hot' | 'full'),
    wireLength: fields.wireBytes?.length ?? fields.wireLength,
  }));

/** `deepEqual` does not look into private fields. */
function inWords<T extends { key: ModuleHash }>({ key, ...rest }: T): object {
  return { ...rest, key: `${key.algorithm} ${key}` };
}

function assertSame(actual: Artifact, expected: Artifact): void {
  const plain = (artifact: Artifact) => ({
    ...inWords(artifact),
    nativeCode: Buffer.from(artifact.nativeCode),
    wireBytes: artifact.wireBytes && Buffer.from(artifact.wireBytes),
  });
  assert.deepEqual(plain(actual), plain(expected));
}

const isRefusal = ofKind('Deserialize', ({ message }) => assert.match(message, /at byte \d+: ./));

/** The result, or `undefined` if it refused the bytes properly. */
function unlessRefused<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    assert.ok(isRefusal(error));
    return undefined;
  }
}

/** Bytes that are not refused are exactly those that `encodeArtifact` writes for that artifact, whoever signed it. */
function assertTotal(bytes: Uint8Array): void {
  const header = unlessRefused(() => decodeHeader(bytes));
  const artifact = unlessRefused(() => decodeArtifact(bytes));
  if (!artifact) return;
  const { nativeCode, wireBytes, ...fields } = artifact;
  const expected = { ...fields, nativeLength: nativeCode.length, includesWireBytes: wireBytes !== undefined };
  assert.deepEqual(inWords(header as { key: ModuleHash }), inWords(expected));
  assert.equal(nativeCode.buffer, bytes.buffer, 'a view, so that nothing is as large as a header says it is');
  const again = Buffer.from(encodeArtifact(artifact));
  again.set(bytes.subarray(SIGNATURE, SIGNATURE_END), SIGNATURE);
  assert.deepEqual(withHeaderChecksum(again), Buffer.from(bytes));
}

/** Offset and length of the number fields, and extreme values for some of them. */
const FIELDS: [at: number, length: number][] = [
  ...[8, 12, 16, 24, 28, 304].map((at): [number, number] => [at, 4]),
  ...[20, 21, 22, 23].map((at): [number, number] => [at, 1]),
  ...[32, 40].map((at): [number, number] => [at, 8]),
];
const EXTREMES = [
  0n,
  1n,
  2n,
  3n,
  4n,
  192n,
  193n,
  255n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 64n - 1n,
];
const forgeries = fc.array(fc.tuple(fc.constantFrom(...FIELDS), fc.constantFrom(...EXTREMES)), { maxLength: 4 });

/** Sets numbers and corrects the checksums, which only detect accidents. */
function forge(original: Uint8Array, changes: [[number, number], bigint][], contentToo: boolean): Buffer {
  const bytes = Buffer.from(original);
  if (bytes.length < HEADER_LENGTH) return bytes;
  for (const [[at, length], value] of changes) {
    for (let i = 0; i < length; i++) bytes[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
  }
  if (contentToo) {
    const wireAt = HEADER_LENGTH + Number(BigInt.asUintN(32, bytes.readBigUInt64LE(32)));
    bytes.writeUInt32LE(crc32(bytes.subarray(HEADER_LENGTH, wireAt)), 12);
    bytes.writeUInt32LE((bytes[22] as number) & 2 ? crc32(bytes.subarray(wireAt)) : 0, 16);
  }
  return withHeaderChecksum(bytes);
}

describe('artifacts of any content', () => {
  holds('come back as they were, signed or not', [artifacts, fc.boolean()], (artifact, isSigned) => {
    const bytes = encodeArtifact(artifact, isSigned ? ours : undefined);
    assertSame(decodeArtifact(bytes), artifact);
    assertTotal(bytes);
    const { nativeCode, wireBytes } = artifact;
    for (const signer of [ours, both, theirs]) {
      const check = () => checkSignature(bytes, nativeCode, wireBytes, signer);
      if (isSigned && signer !== theirs) check();
      else assert.throws(check, ofKind('Untrusted'));
    }
  });

  holds(
    'come back as they were or are refused, whatever their text and numbers',
    [
      artifacts,
      arbitraryText,
      fc.tuple(...new Array<fc.Arbitrary<number>>(3).fill(fc.oneof(fc.double(), fc.integer()))),
    ],
    (artifact, engineId, [generation, bypassedUntil, wireLength]) => {
      const odd = { ...artifact, engineId, generation, bypassedUntil, wireLength } as Artifact;
      let bytes: Uint8Array;
      try {
        bytes = encodeArtifact(odd);
      } catch (error) {
        assert.ok(ofKind('Serialize')(error));
        return;
      }
      // It cannot contain a negative zero.
      assertSame(decodeArtifact(bytes), {
        ...odd,
        generation: odd.generation + 0,
        bypassedUntil: odd.bypassedUntil + 0,
      });
    },
  );
});

describe('decoding is total', () => {
  holds('for any bytes', [arbitraryBytes(400)], assertTotal);

  const starts = [artifacts, arbitraryBytes(400), forgeries] as const;
  holds('for any bytes after the start of an artifact', [...starts], (artifact, bytes, changes) => {
    const start = encodeArtifact(artifact).subarray(0, 12);
    assertTotal(forge(Buffer.concat([start, bytes]), changes, true));
  });

  holds('for artifacts to which something happened', [artifacts, arbitraryMutations], (artifact, mutations) => {
    const original = encodeArtifact(artifact, ours);
    const bytes = mutate(original, mutations);
    assertTotal(bytes);
    const decoded = unlessRefused(() => decodeArtifact(bytes));
    if (decoded) assertSame(decoded, artifact);
  });

  holds('for two artifacts spliced', [artifacts, artifacts, fc.nat(), fc.nat()], (one, other, end, start) => {
    const [head, tail] = [encodeArtifact(one), encodeArtifact(other)];
    const bytes = Buffer.concat([head.subarray(0, end % (head.length + 1)), tail.subarray(start % (tail.length + 1))]);
    assertTotal(bytes);
    assertTotal(forge(bytes, [], true));
  });

  holds(
    'for forgeries with correct checksums',
    [artifacts, arbitraryMutations, forgeries, fc.boolean()],
    (artifact, mutations, changes, contentToo) => {
      const bytes = forge(mutate(encodeArtifact(artifact, ours), mutations), changes, contentToo);
      assertTotal(bytes);
      const decoded = unlessRefused(() => decodeArtifact(bytes));
      if (!decoded) return;
      try {
        checkSignature(bytes, decoded.nativeCode, decoded.wireBytes, ours);
      } catch (error) {
        assert.ok(ofKind('Untrusted')(error));
        return;
      }
      assertSame(decoded, artifact);
    },
  );
});

/** Records what V8 would get. */
class Recorder extends FakeEngine {
  given: Uint8Array[] = [];

  override compileSync(wireBytes: Uint8Array): WebAssembly.Module {
    this.given = [wireBytes];
    return {} as WebAssembly.Module;
  }

  override deserialize(nativeCode: Uint8Array, wireBytes: Uint8Array): WebAssembly.Module {
    this.given = [nativeCode, wireBytes];
    return {} as WebAssembly.Module;
  }
}

describe('decodeModule and decodeModuleSync', () => {
  const settings = fc.record({ isForged: fc.boolean(), givesWireBytes: fc.boolean(), contentToo: fc.boolean() });
  holds(
    'give V8 what was encoded, or refuse it',
    [artifacts, arbitraryMutations, forgeries, settings],
    async (artifact, mutations, changes, { isForged, givesWireBytes, contentToo }) => {
      const { key, engineId, nativeCode, wireBytes } = artifact;
      const mutated = mutate(encodeArtifact(artifact), mutations);
      const bytes = isForged ? forge(mutated, changes, contentToo) : mutated;
      const options = givesWireBytes && wireBytes ? { wireBytes } : {};
      const ways = [
        (engine: Recorder) => decodeModuleSync(bytes, key, engine, options),
        (engine: Recorder) => decodeModule(bytes, key, engine, options),
      ];
      for (const decode of ways) {
        const engine = new Recorder(engineId);
        try {
          await decode(engine);
        } catch (error) {
          assert.ok(CacheError.is(error, 'Deserialize'), String(error));
          assert.notEqual(error.message, '');
          assert.deepEqual(engine.given, []);
          continue;
        }
        const header = decodeHeader(bytes);
        assert.deepEqual([header.key.toString(), header.engineId], [key.toString(), engineId]);
        if (isForged) continue;
        const expected = nativeCode.length > 0 ? [nativeCode, wireBytes] : [wireBytes];
        assert.deepEqual(
          engine.given.map(Buffer.from),
          expected.map((each) => Buffer.from(each as Uint8Array)),
        );
      }
    },
  );

  holds('refuse what are no bytes', [arbitraryJunk], async (junk) => {
    const engine = new Recorder();
    const key = ModuleHash.parseHex('0011223344556677');
    const isRefused = ofKind('Deserialize');
    assert.throws(() => decodeModuleSync(junk as Uint8Array, key, engine), isRefused);
    await assert.rejects(decodeModule(junk as Uint8Array, key, engine), isRefused);
  });
});
