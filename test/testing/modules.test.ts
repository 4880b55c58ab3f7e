import assert from 'node:assert/strict';
import { it } from 'node:test';
import wabt from 'wabt';
import { instantiate, sumModule } from '../../dist/testing/modules.js';

const TEXT = `(module
  (memory 1)
  (func (export "sum") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $n) (local.get $sum)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.add (local.get $sum) (i32.const 0x7fffffff)))
  (func (export "peek") (param $index i32) (result i32) (i32.load8_u (local.get $index))))`;

it('sumModule is the module of its text', async () => {
  const { parseWat } = await wabt();
  const { buffer } = parseWat('sum.wat', TEXT).toBinary({ canonicalize_lebs: true });
  assert.deepEqual(Buffer.from(sumModule({ offset: 0x7fffffff })), Buffer.from(buffer));
});

for (const offset of [0, 5, -1, -70_000, 2 ** 31 - 1, -(2 ** 31)]) {
  it(`sumModule adds ${offset}, with any padding`, () => {
    for (const padding of [0, 1, 127, 128, 100_000]) {
      const wireBytes = sumModule({ offset, padding });
      const { sum, peek } = instantiate(new WebAssembly.Module(wireBytes));
      assert.equal(sum(10), (55 + offset) | 0);
      assert.equal(peek(65_535), 0);
      const [custom] = WebAssembly.Module.customSections(new WebAssembly.Module(wireBytes), 'padding');
      assert.equal(custom?.byteLength ?? 0, padding);
    }
  });
}
