import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadAddon } from '../../dist/native/addon.js';

const { addon, file } = loadAddon();
const empty = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));

describe('the addon', { skip: addon === undefined }, () => {
  it('is the one of this checkout', () => assert.match(file ?? '', /prebuilds/));

  it('refuses an object of another kind, where it takes one of its own', () => {
    const table = addon?.openShared('type tags') as never;
    const analysis = addon?.startAnalysis(empty) as never;
    for (const wrong of [analysis, empty, {}, undefined, null, 1, process.stdout] as never[]) {
      assert.throws(() => addon?.findShared(wrong, 'name', true), TypeError);
    }
    for (const wrong of [table, empty, {}, undefined]) {
      assert.throws(() => addon?.joinAnalysis(wrong as never), TypeError);
      assert.throws(() => addon?.abort(wrong as never), TypeError);
      assert.throws(() => addon?.finish(wrong as never, new Uint8Array(8)), TypeError);
    }
    assert.equal(addon?.findShared(table, 'name', true), 0);
  });

  it('refuses what is no WebAssembly.Module, which would crash V8', () => {
    const lookalikes = [{}, Object.create(WebAssembly.Module.prototype), new Proxy(empty, {}), 1, undefined];
    for (const wrong of lookalikes as WebAssembly.Module[]) {
      for (const name of ['serialize', 'wireBytes', 'clone', 'startAnalysis'] as const) {
        assert.throws(() => addon?.[name](wrong), TypeError, name);
      }
      assert.throws(() => addon?.hasWireBytes(wrong, new Uint8Array(8)), TypeError);
    }
  });
});
