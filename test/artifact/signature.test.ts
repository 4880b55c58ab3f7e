import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { artifactParts, checkSignature, decodeArtifact, encodeArtifact } from '../../dist/artifact/artifact.js';
import { HEADER_LENGTH } from '../../dist/artifact/header.js';
import { parseSecrets, Signer } from '../../dist/artifact/signature.js';
import { ModuleHash } from '../../dist/module-hash.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { damages } from '../support/damage.js';

const SECRET = 'a-secret-of-many-letters';
const signer = new Signer([SECRET]);
const bytes = (text: string) => new TextEncoder().encode(text);

describe('Signer', () => {
  it('is HMAC-SHA-256 over the purpose, the lengths of the parts, and the parts', () => {
    const expected = createHmac('sha256', SECRET).update('wasm-module-cache job 3 2\nabcde').digest();
    assert.deepEqual(Buffer.from(signer.sign('job', [bytes('abc'), bytes('de')])), expected);
  });

  it('verifies what it signed, and nothing else', () => {
    const parts = [bytes('abc'), bytes('de')];
    const signature = signer.sign('artifact', parts);
    assert.equal(signer.verify('artifact', parts, signature), true);
    assert.equal(signer.verify('job', parts, signature), false);
    assert.equal(signer.verify('artifact', [bytes('ab'), bytes('cde')], signature), false);
    assert.equal(signer.verify('artifact', [bytes('abcde')], signature), false);
    assert.equal(new Signer(['another-secret-that-is-long']).verify('artifact', parts, signature), false);
    for (const wrong of [signature.subarray(1), new Uint8Array(0), new Uint8Array(32), new Uint8Array(33)]) {
      assert.equal(signer.verify('artifact', parts, wrong), false);
    }
  });

  it('signs with the first secret and accepts all of them', () => {
    const both = new Signer(['the-next-secret-of-the-fleet', SECRET]);
    const parts = [bytes('abc')];
    assert.equal(both.verify('artifact', parts, signer.sign('artifact', parts)), true);
    assert.equal(signer.verify('artifact', parts, both.sign('artifact', parts)), false);
  });

  const wrong: [secrets: unknown[], message: RegExp][] = [
    [[], /empty/],
    [['too short'.replace(' ', '-')], /The secret must have at least 16 bytes, not 9/],
    [[SECRET, 'short'], /Secret 2 must have at least 16 bytes, not 5/],
    [['with spaces in the middle of it'], /The secret has spaces/],
    [[new Uint8Array(32)], /The secret must be text, not object/],
  ];
  for (const [secrets, message] of wrong) {
    it(`refuses ${JSON.stringify(secrets)}`, () => {
      assert.throws(() => new Signer(secrets as string[]), { name: 'TypeError', message });
    });
  }

  it('does not show its secrets', async () => {
    const { inspect } = await import('node:util');
    assert.equal(inspect(signer, { showHidden: true, depth: 5 }).includes(SECRET), false);
    assert.equal(JSON.stringify(signer).includes(SECRET), false);
  });

  it('reads several from one text', () => {
    assert.deepEqual(parseSecrets('  one\ntwo\tthree '), ['one', 'two', 'three']);
    assert.deepEqual(parseSecrets(''), []);
  });
});

describe('the signature of an artifact', () => {
  const wireBytes = bytes('wire bytes');
  const artifact = {
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
    nativeCode: bytes('native code'),
    wireBytes,
    wireLength: wireBytes.length,
  } as const;
  const check = (whole: Uint8Array, by = signer) => {
    const { nativeCode, wireBytes: stored } = decodeArtifact(whole);
    checkSignature(whole, nativeCode, stored, by);
  };

  it('is checked with and without the wire bytes in the artifact', () => {
    check(encodeArtifact(artifact, signer));
    check(encodeArtifact({ ...artifact, wireBytes: undefined }, signer));
  });

  it('is checked with the wire bytes of a reader who read the front only', () => {
    const [head = new Uint8Array(0)] = artifactParts(artifact, signer);
    checkSignature(head, artifact.nativeCode, wireBytes, signer);
    assert.throws(
      () => checkSignature(head, artifact.nativeCode, bytes('other bytes'), signer),
      ofKind('Untrusted', ({ message }) => assert.match(message, /is signed with another secret/)),
    );
  });

  it('says if there is none', () => {
    assert.throws(
      () => check(encodeArtifact(artifact)),
      ofKind('Untrusted', ({ message }) => assert.match(message, /is not signed/)),
    );
  });

  it('goes with every field: an artifact cannot be renamed, or replayed for another module or engine', () => {
    const signed = encodeArtifact(artifact, signer);
    const signature = signed.subarray(272, 304);
    const others = [
      { key: ModuleHash.random() },
      { engineId: 'another' },
      { coverage: 'full' },
      { generation: 4 },
      { final: true },
      { bypassedUntil: 1 },
      { nativeCode: bytes('other code!') },
      { wireBytes: bytes('wire bytez') },
      { wireBytes: undefined },
      { wireBytes: undefined, wireLength: 9 },
    ] as const;
    for (const other of others) {
      // The checksums are correct, and the signature is that of the other artifact.
      const forged = encodeArtifact({ ...artifact, ...other });
      const carrier = { sign: () => signature } as never as Signer;
      const resigned = encodeArtifact({ ...artifact, ...other }, carrier);
      assert.notDeepEqual(resigned, forged);
      assert.throws(() => check(resigned), ofKind('Untrusted'), JSON.stringify(other));
    }
    check(encodeArtifact(artifact, { sign: () => signature } as never as Signer));
  });

  it('does not match a damaged artifact', () => {
    const signed = encodeArtifact(artifact, signer);
    const other = encodeArtifact({ ...artifact, key: ModuleHash.random() }, signer);
    for (const damage of damages(signed, other, 2000)) {
      assert.throws(() => check(damage.bytes), /./, damage.name);
    }
    assert.equal(HEADER_LENGTH, 312);
  });
});
