// Nothing in a shared folder reaches the engine unless this fleet signed it for exactly this module and engine.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { type Artifact, decodeArtifact, encodeArtifact } from '../../dist/artifact/artifact.js';
import { Signer } from '../../dist/artifact/signature.js';
import { CacheError, FileSystemCache, ModuleHash } from '../../dist/index.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { sample } from '../../dist/testing/sample.js';
import { variants } from '../../dist/testing/variants.js';
import { filesIn, temporaryDirectory } from '../support/processes.js';

const OURS = 'the-secret-of-this-fleet';
const RETIRED = 'the-secret-before-that-one';
const THEIRS = 'the-secret-of-somebody-else';

const signedBy = (artifact: Artifact, secret: string) => encodeArtifact(artifact, new Signer([secret]));
/** With the signature of another artifact, and correct checksums. */
const withSignatureOf = (bytes: Uint8Array, artifact: Artifact) =>
  encodeArtifact(artifact, { sign: () => bytes.subarray(272, 304) } as never as Signer);

/** Replacements for an artifact that this fleet signed. */
const inputs: Record<string, (original: Uint8Array, artifact: Artifact) => Uint8Array> = {
  'unsigned, or stripped of its signature': (_original, artifact) => encodeArtifact(artifact),
  'wrongly signed': (_original, artifact) => signedBy(artifact, THEIRS),
  'signed with a retired secret': (_original, artifact) => signedBy(artifact, RETIRED),
  'signed for another module': (_original, artifact) => signedBy({ ...artifact, key: ModuleHash.random() }, OURS),
  'signed for another engine, as on another machine': (_original, artifact) =>
    signedBy({ ...artifact, engineId: 'an-engine-of-another-cpu' }, OURS),
  'of another module, renamed, with its signature': (original, artifact) =>
    withSignatureOf(signedBy({ ...artifact, key: ModuleHash.random() }, OURS), decodeArtifact(original)),
  'of another engine, with its signature': (original, artifact) =>
    withSignatureOf(signedBy({ ...artifact, engineId: 'another-engine' }, OURS), decodeArtifact(original)),
  'of another coverage, with the old signature': (original, artifact) =>
    withSignatureOf(original, { ...artifact, coverage: 'full', final: true }),
  'with other code, and the old signature': (original, artifact) => {
    const nativeCode = Buffer.concat([artifact.nativeCode, Buffer.from('and more')]);
    return withSignatureOf(original, { ...artifact, nativeCode });
  },
  'with other wire bytes, and the old signature': (original, artifact) => {
    const { wireBytes } = sample({ offset: 77 });
    return withSignatureOf(original, { ...artifact, wireBytes, wireLength: wireBytes.length });
  },
};

/** Records what it gets to deserialise. */
class WatchedEngine extends FakeEngine {
  given = 0;

  override deserialize(nativeCode: Uint8Array, wireBytes: Uint8Array): WebAssembly.Module {
    this.given++;
    return super.deserialize(nativeCode, wireBytes);
  }
}

describe('never handed to the engine:', () => {
  for (const [what, make] of Object.entries(inputs)) {
    for (const variant of variants) {
      for (const options of ['with', 'without'] as const) {
        it(`an artifact ${what}, ${variant.name}, ${options} the wire bytes at hand`, async () => {
          const directory = temporaryDirectory();
          const engine = new WatchedEngine();
          const { key, module, wireBytes } = sample({ engine, offset: 70 });
          const cache = variant.of(new FileSystemCache(directory, { secret: OURS }));
          await cache.save(key, engine, module);
          const [file = ''] = filesIn(directory);
          const original = new Uint8Array(readFileSync(file));
          await cache.load(key, engine);
          assert.equal(engine.given, 1, 'what is signed is loaded');

          writeFileSync(file, make(original, decodeArtifact(original)));
          const outcome = await cache
            .load(key, engine, options === 'with' ? { wireBytes } : {})
            .catch((error) => error);
          assert.ok(
            CacheError.is(outcome, 'Untrusted') || CacheError.is(outcome, 'NotFound'),
            `${outcome?.message ?? outcome}`,
          );
          assert.equal(engine.given, 1);
          await cache.save(key, engine, module);
          await cache.load(key, engine);
          assert.equal(engine.given, 2, 'and it is replaced by what is signed');
        });
      }
    }
  }
});
