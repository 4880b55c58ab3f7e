import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Artifact, decodeArtifact, decodeNativeCode, encodeArtifact } from '../../dist/artifact/artifact.js';
import { checkExpectation, decodeHeader, FORMAT_VERSION, HEADER_LENGTH } from '../../dist/artifact/header.js';
import { V8Engine } from '../../dist/engine/v8-engine.js';
import { ModuleHash } from '../../dist/module-hash.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { optimise, sumModule } from '../../dist/testing/modules.js';
import { damages, withHeaderChecksum } from '../support/damage.js';

const wireBytes = new Uint8Array(Buffer.from('wire bytes'));
const nativeCode = new Uint8Array(Buffer.from('native code'));
const WIRE_AT = HEADER_LENGTH + nativeCode.length;

const small: Artifact = {
  key: ModuleHash.parseHex('00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210'),
  engineId: 'engine-1',
  coverage: 'hot',
  generation: 0x01020304,
  final: true,
  hasLearnerCode: false,
  optimisedFor: 0x090a0b0c,
  observedFor: 0x0d0e0f10,
  missing: 0x11121314,
  bypassedUntil: 0x05060708,
  nativeCode,
  wireBytes,
  wireLength: wireBytes.length,
};

const encodeSmall = (changes: Partial<Artifact> = {}) => encodeArtifact({ ...small, ...changes });
const withoutWireBytes: Partial<Artifact> = { wireBytes: undefined };
const withoutCode: Partial<Artifact> = { coverage: 'none', nativeCode: new Uint8Array(0) };
const underXxhash: Partial<Artifact> = { key: ModuleHash.parseHex('0011223344556677') };

/** The key as text, because `deepEqual` does not compare private fields. */
function inWords<T extends { key: ModuleHash }>({ key, ...rest }: T): Omit<T, 'key'> & { key: string } {
  return { ...rest, key: `${key.algorithm} ${key}` };
}

/** The offset that the error names. Checks that there is one, and the kind of the error. */
function refusedAt(decode: () => unknown, what?: string): number {
  let offset: string | undefined;
  const namesAnOffset = ofKind('Deserialize', ({ message }) => {
    offset = /\bat byte (\d+): ./.exec(message)?.[1];
    assert.ok(offset, message);
  });
  assert.throws(decode, namesAnOffset, what);
  return Number(offset);
}

function withFlippedBit(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
  return copy;
}

function forged(bytes: Uint8Array, change: (bytes: Buffer) => unknown): Uint8Array {
  const copy = Buffer.from(bytes);
  change(copy);
  return withHeaderChecksum(copy);
}

describe('encodeArtifact', () => {
  it('writes the documented layout', () => {
    const layout: [offset: number, field: string, hex: string][] = [
      [0, 'magic', '89574d430d0a1a0a'],
      [8, 'format version', '04000000'],
      [12, 'CRC-32 of the native code', 'adf1fa75'],
      [16, 'CRC-32 of the wire bytes', '22853340'],
      [20, 'algorithm', '01'],
      [21, 'coverage', '01'],
      [22, 'flags', '03'],
      [23, 'length of the engine id', '08'],
      [24, 'generation', '04030201'],
      [28, 'left alone until', '08070605'],
      [32, 'length of the native code', '0b00000000000000'],
      [40, 'length of the wire bytes', '0a00000000000000'],
      [48, 'key', '00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210'],
      [
        80,
        'engine id',
        Buffer.from('engine-1')
          .toString('hex')
          .padEnd(2 * 180, '0'),
      ],
      [260, 'milliseconds of the longest run', '100f0e0d'],
      [264, 'functions that are missing', '14131211'],
      [268, 'milliseconds for which V8 has optimised', '0c0b0a09'],
      [272, 'no signature', '00'.repeat(32)],
      [304, 'zero', '00000000'],
      [308, 'CRC-32 of the header', '27f11776'],
      [312, 'native code', Buffer.from('native code').toString('hex')],
      [323, 'wire bytes', Buffer.from('wire bytes').toString('hex')],
    ];
    const bytes = Buffer.from(encodeSmall());
    assert.equal(bytes.length, 333);
    for (const [index, [offset, field, hex]] of layout.entries()) {
      assert.equal(bytes.toString('hex', offset, layout[index + 1]?.[0]), hex, field);
    }
    assert.deepEqual([FORMAT_VERSION, HEADER_LENGTH], [4, 312]);
  });

  const variants: [name: string, changes: Partial<Artifact>, fields: Record<number, string>, length: number][] = [
    ['not final', { final: false }, { 22: '02' }, 333],
    ['full coverage', { coverage: 'full' }, { 21: '02' }, 333],
    ['no native code', withoutCode, { 12: '00000000', 21: '00', 32: '0000000000000000', 312: '77697265' }, 322],
    ['no wire bytes', withoutWireBytes, { 16: '00000000', 22: '01', 40: '0a00000000000000' }, 323],
    ['neither', { ...withoutCode, ...withoutWireBytes, final: false }, { 21: '00', 22: '00' }, 312],
    ['a key of xxhash', underXxhash, { 20: '02', 48: `0011223344556677${'00'.repeat(24)}` }, 333],
    ['the highest generation', { generation: 2 ** 32 - 1 }, { 24: 'ffffffff' }, 333],
    ['a module that is not left alone', { bypassedUntil: 0 }, { 28: '00000000' }, 333],
    ['an empty engine id', { engineId: '' }, { 23: '00', 80: '00'.repeat(180) }, 333],
    ['an engine id of 180 bytes', { engineId: 'é'.repeat(90) }, { 23: 'b4', 80: 'c3a9'.repeat(90) }, 333],
    ['code that a learner made', { hasLearnerCode: true }, { 22: '07' }, 333],
    ['a module that V8 has optimised for ever', { optimisedFor: 2 ** 32 - 1 }, { 268: 'ffffffff' }, 333],
  ];
  for (const [name, changes, fields, length] of variants) {
    it(`writes ${name}`, () => {
      const bytes = Buffer.from(encodeSmall(changes));
      assert.equal(bytes.length, length);
      for (const [offset, hex] of Object.entries(fields)) {
        assert.equal(bytes.toString('hex', Number(offset), Number(offset) + hex.length / 2), hex, `at ${offset}`);
      }
    });
  }

  const unfit: [name: string, changes: Partial<Artifact>, message: RegExp][] = [
    ['an engine id of 181 bytes', { engineId: 'x'.repeat(181) }, /deterministicId .*181 bytes/],
    ['an engine id of few characters but many bytes', { engineId: '漢'.repeat(65) }, /deterministicId .*195 bytes/],
    ['native code with coverage none', { coverage: 'none' }, /[Cc]overage "none"/],
    ['coverage hot without native code', { ...withoutCode, coverage: 'hot' }, /[Cc]overage "hot"/],
    ['coverage full without native code', { ...withoutCode, coverage: 'full' }, /[Cc]overage "full"/],
    ['fewer wire bytes than announced', { wireLength: 11 }, /10 wire bytes.*11/],
    ['more wire bytes than announced', { wireLength: 9 }, /10 wire bytes.*9/],
    ['a generation below 0', { generation: -1 }, /generation/],
    ['a generation of more than 32 bits', { generation: 2 ** 32 }, /generation/],
    ['a time of more than 32 bits', { optimisedFor: 2 ** 32 }, /optimisedFor/],
    ['a run of more than 32 bits', { observedFor: 2 ** 32 }, /observedFor/],
    ['less than no missing function', { missing: -1 }, /missing/],
    ['a generation that is no whole number', { generation: 0.5 }, /generation/],
    ['a length below 0', { ...withoutWireBytes, wireLength: -1 }, /-1/],
    ['a length that is no whole number', { ...withoutWireBytes, wireLength: 0.5 }, /0\.5/],
    ['a length that no reader takes', { ...withoutWireBytes, wireLength: 2 ** 53 }, /9007199254740992/],
  ];
  for (const [name, changes, message] of unfit) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => encodeSmall(changes),
        ofKind('Serialize', (error) => assert.match(error.message, message)),
      );
    });
  }
});

describe('decodeArtifact', () => {
  const engineIds = ['engine-1', '', 'x'.repeat(180), 'é'.repeat(90), 'nul\0byte', '🦀', '\ufeffbyte order mark'];
  for (const [name, changes] of Object.entries({
    ...Object.fromEntries(
      engineIds.map((engineId) => [`engine id ${JSON.stringify(engineId.slice(0, 8))}`, { engineId }]),
    ),
    'generation 0': { generation: 0 },
    'the highest generation': { generation: 2 ** 32 - 1 },
    'coverage full': { coverage: 'full' as const },
    'coverage none': withoutCode,
    'the longest length': { ...withoutWireBytes, wireLength: Number.MAX_SAFE_INTEGER },
    'a module of 0 bytes': { wireBytes: new Uint8Array(0), wireLength: 0 },
  })) {
    for (const key of [small.key, ModuleHash.parseHex('00000000000000ff')]) {
      it(`gives back what was encoded: ${name}, ${key.algorithm}, final or not, with and without wire bytes`, () => {
        for (const more of [{}, { final: false }, withoutWireBytes, { ...withoutWireBytes, final: false }]) {
          const artifact = { ...small, ...changes, key, ...more };
          const bytes = encodeArtifact(artifact);
          assert.deepEqual(inWords(decodeArtifact(bytes)), inWords(artifact));
          const { nativeCode, wireBytes, ...fields } = artifact;
          const expected = { ...fields, nativeLength: nativeCode.length, includesWireBytes: wireBytes !== undefined };
          assert.deepEqual(inWords(decodeHeader(bytes)), inWords(expected));
          assert.deepEqual(inWords(decodeHeader(bytes.subarray(0, HEADER_LENGTH))), inWords(expected));
        }
      });
    }
  }

  it('gives back an engine id that UTF-8 cannot hold, unless encodeArtifact refuses it', () => {
    const engineId = 'half a pair: \ud83e';
    let bytes: Uint8Array;
    try {
      bytes = encodeSmall({ engineId });
    } catch (error) {
      assert.ok(ofKind('Serialize')(error));
      return;
    }
    assert.equal(decodeArtifact(bytes).engineId, engineId);
  });

  it('reads a view in the middle of a buffer, and gives views of it', () => {
    const bytes = encodeSmall();
    const around = new Uint8Array(bytes.length + 20).fill(0xff);
    around.set(bytes, 7);
    const artifact = decodeArtifact(around.subarray(7, 7 + bytes.length));
    assert.deepEqual(inWords(artifact), inWords(small));
    assert.equal(artifact.nativeCode.buffer, around.buffer);
    assert.equal(artifact.wireBytes?.buffer, around.buffer);
    assert.equal(artifact.nativeCode.byteOffset, 7 + HEADER_LENGTH);
  });

  for (const [name, changes] of Object.entries({
    'all parts': {},
    'no wire bytes': withoutWireBytes,
    'no code': withoutCode,
  })) {
    it(`refuses an artifact with ${name} that is cut off anywhere, naming the place`, () => {
      const bytes = encodeSmall(changes);
      for (let length = 0; length < bytes.length; length++) {
        assert.equal(
          refusedAt(() => decodeArtifact(bytes.subarray(0, length)), `${length} bytes`),
          length,
        );
      }
    });

    it(`refuses an artifact with ${name} and more bytes after it, naming the place`, () => {
      const bytes = encodeSmall(changes);
      for (const extra of [new Uint8Array(1), new Uint8Array(1000), bytes]) {
        assert.equal(
          refusedAt(() => decodeArtifact(Buffer.concat([bytes, extra]))),
          bytes.length,
        );
      }
    });

    it(`refuses an artifact with ${name} and a flipped bit anywhere in the header`, () => {
      const bytes = encodeSmall(changes);
      for (let bit = 0; bit < 8 * HEADER_LENGTH; bit++) {
        const damaged = withFlippedBit(bytes, bit);
        const at = bit >> 3;
        const named = at < 8 ? at : at < 12 ? 8 : 308;
        assert.equal(
          refusedAt(() => decodeArtifact(damaged), `bit ${bit}`),
          named,
        );
        assert.equal(
          refusedAt(() => decodeHeader(damaged.subarray(0, HEADER_LENGTH)), `bit ${bit}`),
          named,
        );
      }
    });

    it(`refuses an artifact with ${name} and a flipped bit anywhere after the header, naming the part`, () => {
      const bytes = encodeSmall(changes);
      const wireAt = HEADER_LENGTH + decodeHeader(bytes).nativeLength;
      for (let bit = 8 * HEADER_LENGTH; bit < 8 * bytes.length; bit++) {
        const damaged = withFlippedBit(bytes, bit);
        const named = bit < 8 * wireAt ? HEADER_LENGTH : wireAt;
        assert.equal(
          refusedAt(() => decodeArtifact(damaged), `bit ${bit}`),
          named,
        );
      }
    });
  }

  it('refuses other files', () => {
    for (const bytes of [
      new Uint8Array(0),
      new Uint8Array(1000),
      sumModule({ padding: 1000 }),
      Buffer.alloc(400, 'text'),
    ]) {
      refusedAt(() => decodeArtifact(bytes));
    }
  });

  it('says which version it found, and which it expected', () => {
    const newer = forged(encodeSmall(), (bytes) => bytes.writeUInt32LE(5, 8));
    assert.throws(
      () => decodeArtifact(newer),
      ofKind('Deserialize', ({ message }) => assert.match(message, /at byte 8: format version 5, expected 4/)),
    );
  });

  const forgeries: [name: string, at: number, change: (bytes: Buffer) => unknown, changes?: Partial<Artifact>][] = [
    ['algorithm 0', 20, (bytes) => bytes.writeUInt8(0, 20)],
    ['algorithm 3', 20, (bytes) => bytes.writeUInt8(3, 20)],
    ['algorithm 255', 20, (bytes) => bytes.writeUInt8(255, 20)],
    ['coverage 3', 21, (bytes) => bytes.writeUInt8(3, 21)],
    ['coverage 255', 21, (bytes) => bytes.writeUInt8(255, 21)],
    ['coverage none with native code', 21, (bytes) => bytes.writeUInt8(0, 21)],
    ['coverage hot without native code', 21, (bytes) => bytes.writeUInt8(1, 21), withoutCode],
    ['an unknown flag', 22, (bytes) => bytes.writeUInt8(8, 22)],
    ['all flags', 22, (bytes) => bytes.writeUInt8(255, 22)],
    ['an engine id longer than its field', 23, (bytes) => bytes.writeUInt8(193, 23)],
    ['an engine id that is not UTF-8', 80, (bytes) => bytes.writeUInt8(0xff, 80)],
    ['something after the engine id', 90, (bytes) => bytes.writeUInt8(1, 90)],
    ['something after the key', 60, (bytes) => bytes.writeUInt8(1, 60), underXxhash],
    ['something in the gap', 304, (bytes) => bytes.writeUInt8(1, 304)],
    ['a checksum of wire bytes that it does not have', 16, (bytes) => bytes.writeUInt8(1, 16), withoutWireBytes],
    ['an impossible length of the native code', 32, (bytes) => bytes.writeBigUInt64LE(2n ** 53n, 32)],
    ['the longest length of the native code', 32, (bytes) => bytes.writeBigUInt64LE(2n ** 64n - 1n, 32)],
    ['an impossible length of the wire bytes', 40, (bytes) => bytes.writeBigUInt64LE(2n ** 63n, 40)],
  ];
  for (const [name, at, change, changes] of forgeries) {
    it(`refuses ${name}, also with a correct checksum`, () => {
      const bytes = forged(encodeSmall(changes), change);
      assert.equal(
        refusedAt(() => decodeArtifact(bytes)),
        at,
      );
      assert.equal(
        refusedAt(() => decodeHeader(bytes)),
        at,
      );
    });
  }

  const shifts: [name: string, change: (bytes: Buffer) => unknown][] = [
    ['a byte more', (bytes) => bytes.writeBigUInt64LE(BigInt(nativeCode.length + 1), 32)],
    ['a byte less', (bytes) => bytes.writeBigUInt64LE(BigInt(nativeCode.length - 1), 32)],
    ['as much as there can be', (bytes) => bytes.writeBigUInt64LE(BigInt(Number.MAX_SAFE_INTEGER), 32)],
    [
      'a byte more, taken from the wire bytes',
      (bytes) => {
        bytes.writeBigUInt64LE(BigInt(nativeCode.length + 1), 32);
        bytes.writeBigUInt64LE(BigInt(wireBytes.length - 1), 40);
      },
    ],
  ];
  for (const [name, change] of shifts) {
    it(`refuses a header that announces ${name} of native code, also with a correct checksum`, () => {
      assert.ok(refusedAt(() => decodeArtifact(forged(encodeSmall(), change))) >= HEADER_LENGTH);
    });
  }

  const engine = new V8Engine();
  const skip = engine.canSerialize ? false : (engine.unsupportedReason ?? true);
  it("refuses 10,000 kinds of damage to an artifact of V8's own code", { skip }, async () => {
    const [original, other] = (await Promise.all(
      [1, 2].map(async (offset) => {
        const wireBytes = sumModule({ offset, padding: 300 * offset });
        const nativeCode = await optimise(engine.compileSync(wireBytes), (module) => engine.serialize(module));
        const key = ModuleHash.sha256(wireBytes);
        const engineId = engine.deterministicId;
        return encodeSmall({ key, engineId, nativeCode, wireBytes, wireLength: wireBytes.length });
      }),
    )) as [Uint8Array, Uint8Array];
    let tried = 0;
    for (const { name, bytes } of damages(original, other, 10_000)) {
      tried++;
      refusedAt(() => decodeArtifact(bytes), name);
    }
    assert.equal(tried, 10_000);
    decodeArtifact(original);
    decodeArtifact(other);
  });
});

describe('decodeNativeCode', () => {
  const header = encodeSmall().subarray(0, HEADER_LENGTH);

  it('passes the native code of the header', () => {
    decodeNativeCode(header, decodeHeader(header), nativeCode);
    const empty = encodeSmall(withoutCode);
    decodeNativeCode(empty, decodeHeader(empty), new Uint8Array(0));
  });

  for (const [name, bytes, at] of [
    ['no native code', new Uint8Array(0), HEADER_LENGTH],
    ['a byte less', nativeCode.subarray(0, -1), WIRE_AT - 1],
    ['a byte more', Buffer.concat([nativeCode, Buffer.of(0)]), WIRE_AT],
    ['a flipped bit', withFlippedBit(nativeCode, 40), HEADER_LENGTH],
  ] as const) {
    it(`refuses ${name}`, () =>
      assert.equal(
        refusedAt(() => decodeNativeCode(header, decodeHeader(header), bytes)),
        at,
      ));
  }
});

describe('checkExpectation', () => {
  const { key, engineId, wireLength } = small;

  it('accepts the same key and engine, and the same length of the wire bytes if one is expected', () => {
    for (const header of [decodeHeader(encodeSmall()), decodeHeader(encodeSmall(withoutWireBytes))]) {
      const copy = ModuleHash.parseHex(key.toString());
      checkExpectation(header, { key: copy, engineId });
      checkExpectation(header, { key: copy, engineId, wireLength: undefined });
      checkExpectation(header, { key: copy, engineId, wireLength });
    }
  });

  for (const [name, expected, at] of [
    ['another key', { key: ModuleHash.random(), engineId }, 48],
    ['a key of another algorithm', { ...underXxhash, engineId } as { key: ModuleHash; engineId: string }, 48],
    ['another engine', { key, engineId: 'engine-2' }, 80],
    ['an engine whose id differs in case', { key, engineId: 'Engine-1' }, 80],
    ['an engine whose id begins alike', { key, engineId: 'engine-12' }, 80],
    ['no engine', { key, engineId: '' }, 80],
    ['fewer wire bytes', { key, engineId, wireLength: wireLength - 1 }, 40],
    ['more wire bytes', { key, engineId, wireLength: wireLength + 1 }, 40],
    ['no wire bytes', { key, engineId, wireLength: 0 }, 40],
  ] as const) {
    it(`refuses ${name}`, () => {
      const header = decodeHeader(encodeSmall());
      assert.equal(
        refusedAt(() => checkExpectation(header, expected)),
        at,
      );
    });
  }
});
