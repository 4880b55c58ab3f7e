// Makes modules of any size that compute different results, and checks whether a module is the right one.
import assert from 'node:assert/strict';
import { customSection } from '../../.test-build/support/wasm-binary.js';
import { instantiate, sumModule } from '../../dist/testing/modules.js';

const paddings = new Map();

/** The same as `sumModule`, but faster, because it makes the padding only once. */
export function paddedModule(offset, padding) {
  if (!paddings.has(padding)) paddings.set(padding, Uint8Array.from(customSection('padding', padding)));
  return Buffer.concat([sumModule({ offset }), paddings.get(padding)]);
}

/** The trap shows that the code fits this process, not only this module. */
export function check(module, offset) {
  const { sum, peek } = instantiate(module);
  assert.equal(sum(1000), 500_500 + offset);
  assert.equal(peek(0), 0);
  assert.throws(() => peek(65_536), WebAssembly.RuntimeError);
}
