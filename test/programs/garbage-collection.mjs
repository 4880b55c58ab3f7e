// Loads, instantiates, clones and drops several hundred modules, with forced garbage collections and a small heap.

import { V8Engine } from '../../dist/index.js';
import { instantiate, optimise, sumModule } from '../../dist/testing/modules.js';

const engine = new V8Engine();
const entries = [];
for (let offset = 0; offset < 4; offset++) {
  const wireBytes = sumModule({ offset, padding: 1000 });
  entries.push({
    offset,
    wireBytes,
    nativeCode: await optimise(engine.compileSync(wireBytes), (each) => engine.serialize(each)),
  });
}

let kept = [];
let garbage = [];
for (let round = 0; round < 600; round++) {
  const { offset, wireBytes, nativeCode } = entries[round % entries.length];
  const module = engine.deserialize(nativeCode, wireBytes);
  if (engine.serialize(module) === undefined) throw new Error(`round ${round}: nothing optimised was restored`);
  const clone = engine.clone(module);
  const exports = instantiate(round % 2 ? module : clone);
  if (round % 3 === 0) kept.push({ exports, offset });
  if (round % 7 === 0) globalThis.gc();
  if (round % 50 === 0) kept = kept.slice(-20);
  garbage.push(new Array(2000).fill(round));
  if (garbage.length > 100) garbage = [];
  for (const each of [{ exports, offset }, ...kept.slice(-5)]) {
    if (each.exports.sum(100) !== 5050 + each.offset) throw new Error(`round ${round}: wrong result`);
  }
  if (round % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
}
globalThis.gc();
console.log(
  'ok',
  kept.every(({ exports, offset }) => exports.sum(10) === 55 + offset),
);
