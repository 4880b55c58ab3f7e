import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeModule, decodeModuleSync, encodeModule, type LoadOptions, ModuleHash } from '../../dist/index.js';
import { assertSameModule, ofKind } from '../../dist/testing/assertions.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { sample } from '../../dist/testing/sample.js';
import { damages } from '../support/damage.js';

type Decode = (
  bytes: Uint8Array,
  key: ModuleHash,
  engine: FakeEngine,
  options?: LoadOptions,
) => Promise<WebAssembly.Module>;
const ways: Record<string, Decode> = { decodeModule, decodeModuleSync: async (...args) => decodeModuleSync(...args) };

for (const [name, decode] of Object.entries(ways)) {
  describe(`encodeModule and ${name}`, () => {
    for (const state of ['optimised', 'not optimised']) {
      it(`give the module again, ${state}, with and without the wire bytes`, async () => {
        const { key, engine, module, wireBytes } = sample({ offset: 3 });
        if (state === 'not optimised') engine.nativeCode = undefined;
        const bytes = encodeModule(key, engine, module);
        const before = engine.calls.deserialize;
        for (const options of [undefined, {}, { wireBytes }] as (LoadOptions | undefined)[]) {
          assertSameModule(await decode(bytes, key, engine, options), module);
        }
        assert.equal(engine.calls.deserialize - before, state === 'optimised' ? 3 : 0);
      });
    }

    const { key, engine, module, wireBytes } = sample();
    const bytes = encodeModule(key, engine, module);
    const refused: [what: string, ...Parameters<Decode>][] = [
      ['another key', bytes, ModuleHash.random(), engine],
      ['another engine', bytes, key, new FakeEngine('fake-engine-2')],
      ['other wire bytes', bytes, key, engine, { wireBytes: wireBytes.subarray(1) }],
      ['no bytes', new Uint8Array(0), key, engine],
      ['something else', 'text' as never, key, engine],
    ];
    for (const [what, ...args] of refused) {
      it(`refuse ${what}, before the engine sees any of it`, async () => {
        const before = { ...args[2].calls };
        await assert.rejects(decode(...args), ofKind('Deserialize'));
        assert.deepEqual(args[2].calls, before);
      });
    }

    it('refuse damaged bytes', async () => {
      const other = sample({ offset: 1 });
      for (const damage of damages(bytes, encodeModule(other.key, other.engine, other.module), 500)) {
        const before = engine.calls.deserialize;
        await assert.rejects(decode(damage.bytes, key, engine), ofKind('Deserialize'), damage.name);
        assert.equal(engine.calls.deserialize, before, damage.name);
      }
    });
  });
}
