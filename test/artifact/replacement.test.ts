import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Artifact, encodeArtifact } from '../../dist/artifact/artifact.js';
import { type ArtifactHeader, decodeHeader } from '../../dist/artifact/header.js';
import { compareArtifacts, generationAfter, joinArtifacts, keepsPartOf } from '../../dist/artifact/replacement.js';
import { ModuleHash } from '../../dist/module-hash.js';

const WIRE = Uint8Array.of(0, 97, 115, 109);
const KEY = ModuleHash.sha256(WIRE);

const artifact = (nativeLength: number, fields: Partial<Artifact> = {}): Artifact => ({
  key: KEY,
  engineId: 'engine',
  coverage: nativeLength > 0 ? 'hot' : 'none',
  generation: 3,
  final: false,
  hasLearnerCode: false,
  optimisedFor: 0,
  observedFor: 0,
  missing: 0,
  bypassedUntil: 0,
  nativeCode: new Uint8Array(nativeLength).fill(nativeLength),
  wireBytes: undefined,
  wireLength: WIRE.length,
  ...fields,
});
const headerOf = (stored: Artifact): ArtifactHeader => decodeHeader(encodeArtifact(stored));

describe('compareArtifacts', () => {
  const cases: [string, Artifact, Artifact, 1 | 0 | -1][] = [
    ['more native code', artifact(2), artifact(1), 1],
    ['more native code than a final one', artifact(2), artifact(1, { final: true }), 1],
    ['as much', artifact(2), artifact(2), 0],
    ['as much, of another generation', artifact(2, { generation: 9 }), artifact(2), 0],
    ['as much, not final any more', artifact(2), artifact(2, { final: true }), 0],
    ['as much, without the wire bytes', artifact(2), artifact(2, { wireBytes: WIRE }), 0],
    ['as much, but final', artifact(2, { final: true }), artifact(2), 1],
    ['as much, with wire bytes', artifact(2, { wireBytes: WIRE }), artifact(2), 1],
    ['less', artifact(1), artifact(2), -1],
    ['less than a final one, and final', artifact(1, { final: true }), artifact(2, { final: true }), -1],
    [
      'less, but optimised for longer, both final',
      artifact(1, { final: true, optimisedFor: 2 }),
      artifact(2, { final: true }),
      1,
    ],
    [
      'more, but optimised for less long, both final',
      artifact(2, { final: true }),
      artifact(1, { final: true, optimisedFor: 2 }),
      -1,
    ],
    ['less, but final', artifact(1, { final: true }), artifact(2), 1],
    ['less, with wire bytes', artifact(1, { wireBytes: WIRE }), artifact(2), 1],
    ['none', artifact(0), artifact(2), -1],
  ];
  for (const [what, offered, stored, expected] of cases) {
    it(`${what}: ${expected}`, () => {
      assert.equal(compareArtifacts(offered, stored), expected);
      assert.equal(compareArtifacts(offered, headerOf(stored)), expected);
    });
  }
});

describe('joinArtifacts', () => {
  it('takes the code of the one that has more, with its coverage', () => {
    const [small, large] = [artifact(1, { coverage: 'full' }), artifact(2)];
    for (const [offered, stored] of [[small, large] as const, [large, small] as const]) {
      const { nativeCode, coverage } = joinArtifacts(offered, stored);
      assert.equal(nativeCode, large.nativeCode);
      assert.equal(coverage, 'hot');
    }
  });

  it('of the same code keeps the wider coverage', () => {
    const [hot, full] = [artifact(2), artifact(2, { coverage: 'full' })];
    assert.equal(joinArtifacts(hot, full).coverage, 'full');
    assert.equal(joinArtifacts(full, hot).coverage, 'full');
  });

  it('is final if one of them is final and has no less code', () => {
    const final = (length: number) => artifact(length, { final: true });
    assert.equal(joinArtifacts(final(1), artifact(2)).final, true);
    assert.equal(joinArtifacts(artifact(1), final(2)).final, true);
    assert.equal(joinArtifacts(artifact(2), final(2)).final, true);
    assert.equal(joinArtifacts(artifact(3), final(2)).final, false);
  });

  it('keeps wire bytes, whichever has them', () => {
    const withWireBytes = artifact(1, { wireBytes: WIRE });
    assert.equal(joinArtifacts(withWireBytes, artifact(2)).wireBytes, WIRE);
    assert.equal(joinArtifacts(artifact(2), withWireBytes).wireBytes, WIRE);
  });

  it('is the generation after the stored one', () => {
    assert.equal(joinArtifacts(artifact(2, { generation: 9 }), artifact(1)).generation, 4);
  });

  it('needs only the header if keepsPartOf says so', () => {
    const offered = artifact(2);
    assert.equal(keepsPartOf(headerOf(artifact(1)), offered), false);
    assert.equal(keepsPartOf(headerOf(artifact(2)), offered), false);
    assert.equal(keepsPartOf(headerOf(artifact(3)), offered), true);
    assert.equal(keepsPartOf(headerOf(artifact(1, { wireBytes: WIRE })), offered), true);
    assert.equal(keepsPartOf(headerOf(artifact(1, { wireBytes: WIRE })), { ...offered, wireBytes: WIRE }), false);
    assert.deepEqual(joinArtifacts(offered, headerOf(artifact(1))), { ...offered, generation: 4 });
  });
});

describe('generationAfter', () => {
  it('is the next one, and after the last the first', () => {
    assert.equal(generationAfter({ generation: 0 }), 1);
    assert.equal(generationAfter({ generation: 0xffff_ffff }), 0);
  });
});
