import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { type Artifact, decodeArtifact, encodeArtifact } from '../../dist/artifact/artifact.js';
import { checkExpectation, FORMAT_VERSION, HEADER_LENGTH } from '../../dist/artifact/header.js';
import { ModuleHash } from '../../dist/module-hash.js';
import { loadAddon } from '../../dist/native/addon.js';
import { damages, withHeaderChecksum } from '../support/damage.js';
import { temporaryDirectory } from '../support/processes.js';

const { addon } = loadAddon();
const KEY = ModuleHash.sha256(Buffer.from('module'));
const WIRE_LENGTH = 10;
const good: Artifact = {
  ...{ key: KEY, engineId: 'engine-1', coverage: 'hot', generation: 3, final: true, hasLearnerCode: false },
  ...{ optimisedFor: 1, observedFor: 2, missing: 3, bypassedUntil: 0, wireLength: WIRE_LENGTH },
  ...{ nativeCode: Buffer.from('native code of some length'), wireBytes: undefined },
};
const directory = temporaryDirectory();
const folder = path.join(directory, 'engine');
const file = path.join(folder, `${KEY}.artifact`);
mkdirSync(folder, { mode: 0o700 });

type Answer = [header: string, nativeCode: string] | undefined;

function native(): Answer {
  const found = addon?.readArtifact?.(directory, 'engine', 'engine-1', FORMAT_VERSION, String(KEY), WIRE_LENGTH, false);
  return found && [found[0].toString('hex'), found[1].toString('hex')];
}

/** What src/artifact/ says of the same bytes. */
function reference(bytes: Uint8Array): Answer {
  try {
    const artifact = decodeArtifact(bytes);
    checkExpectation(artifact, { key: KEY, engineId: 'engine-1', wireLength: WIRE_LENGTH });
    if (artifact.coverage === 'none' || artifact.bypassedUntil !== 0) return undefined;
    const header = Buffer.from(bytes.subarray(0, HEADER_LENGTH)).toString('hex');
    return [header, Buffer.from(artifact.nativeCode).toString('hex')];
  } catch {
    return undefined;
  }
}

function agree(bytes: Uint8Array, what: string): void {
  writeFileSync(file, bytes, { mode: 0o600 });
  assert.deepEqual(native(), reference(bytes), what);
}

describe('readArtifact', { skip: addon === undefined }, () => {
  it('reads what was encoded', () => {
    const bytes = encodeArtifact(good);
    agree(bytes, 'good');
    assert.ok(native());
    agree(encodeArtifact({ ...good, wireBytes: Buffer.alloc(WIRE_LENGTH) }), 'with wire bytes');
    assert.ok(native());
  });

  const others: Record<string, Partial<Artifact>> = {
    'another key': { key: ModuleHash.sha256(Buffer.from('other')) },
    'a key of another kind': { key: ModuleHash.parseHex('0011223344556677') },
    'another engine': { engineId: 'engine-2' },
    'an engine with a longer name': { engineId: 'engine-11' },
    'another length of wire bytes': { wireLength: WIRE_LENGTH + 1 },
    'a bypass': { coverage: 'none', nativeCode: new Uint8Array(0), bypassedUntil: 5 },
    'no code': { coverage: 'none', nativeCode: new Uint8Array(0), wireBytes: Buffer.alloc(WIRE_LENGTH) },
  };
  for (const [what, change] of Object.entries(others)) {
    it(`refuses ${what}, as src/artifact/ does`, () => {
      agree(encodeArtifact({ ...good, ...change }), what);
      assert.equal(native(), undefined);
    });
  }

  it('says the same as src/artifact/ of every cut, and of every changed byte, with and without a checksum that fits', () => {
    const bytes = encodeArtifact(good);
    for (let length = 0; length < bytes.length; length++) agree(bytes.subarray(0, length), `${length} bytes`);
    agree(Buffer.concat([bytes, Buffer.alloc(1)]), 'a byte more');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ 0xff;
      agree(changed, `byte ${at}`);
      if (at < HEADER_LENGTH) agree(withHeaderChecksum(changed), `byte ${at}, with a checksum that fits`);
    }
  });

  it('says the same of damage of every kind', () => {
    const other = encodeArtifact({ ...good, nativeCode: Buffer.from('other code') });
    for (const { name, bytes } of damages(encodeArtifact(good), other, 1000)) agree(bytes, name);
  });

  it('reads no file that is not trusted', () => {
    writeFileSync(file, encodeArtifact(good), { mode: 0o600 });
    assert.ok(native());
    chmodSync(file, 0o606);
    assert.equal(native(), undefined);
    chmodSync(file, 0o600);
    chmodSync(folder, 0o770);
    assert.equal(native(), undefined);
    chmodSync(folder, 0o700);
    symlinkSync(folder, path.join(directory, 'link'));
    assert.equal(
      addon?.readArtifact?.(directory, 'link', 'engine-1', FORMAT_VERSION, String(KEY), WIRE_LENGTH, false),
      undefined,
    );
    assert.ok(native());
  });
});
