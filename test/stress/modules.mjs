// Modules that can be told apart by what they compute, of any size, and whether one is what it should be.
import assert from 'node:assert/strict';
import { customSection, instantiate, sumModule } from '../../dist/testing/modules.js';

const paddings = new Map();

/** As `sumModule`, which takes longer: it makes the padding anew for each. */
export function paddedModule(offset, padding) {
  if (!paddings.has(padding)) paddings.set(padding, Uint8Array.from(customSection('padding', padding)));
  return Buffer.concat([sumModule({ offset }), paddings.get(padding)]);
}

/** The trap tells whether the code fits this process, not just whose it is. */
export function check(module, offset) {
  const { sum, peek } = instantiate(module);
  assert.equal(sum(1000), 500_500 + offset);
  assert.equal(peek(0), 0);
  assert.throws(() => peek(65_536), WebAssembly.RuntimeError);
}
