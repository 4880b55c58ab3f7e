// Compares the code of functions that were compiled with the rest of their module and with stubs instead of it. Arguments: the file
// of the wire bytes, then how many functions, chosen at random, are compiled together, once per comparison ("all" is the module
// itself). Prints which functions differ.
//
// Before V8 13 the optimising compiler makes one of several forms of some functions, by chance: even the same bytes give two of them
// in two processes. Functions with several forms are counted separately.
import { readFileSync } from 'node:fs';
import { seeded } from '../../.test-build/support/damage.js';
import { joinNativeCode, readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions, readWasmBinary, realFunctions } from '../../dist/engine/wasm-binary.js';
import { loadAddon } from '../../dist/native/addon.js';
import { optimise } from './ahead-of-time.mjs';

const ATTEMPTS = 40;

const [file, whole, ...parts] = process.argv.slice(2);
const wireBytes = readFileSync(file);
const functions = countFunctions(wireBytes);
const tag = loadAddon().addon.versionTag();
const read = (bytes) => readNativeCode(bytes, functions);
const recordOf = ({ bytes, recordStarts }, i) => bytes.subarray(recordStarts[i], recordStarts[i + 1]);

const nothing = Buffer.from(joinNativeCode(undefined, read(optimise(wireBytes, undefined, 'hot')), new Set()));
const { recordStarts } = read(nothing);
/** Optimises these functions as if only they had run. The tail makes the bytes new to V8, which would find a live module otherwise. */
function compile(indices, tail = Buffer.alloc(0)) {
  const executed = Buffer.from(nothing);
  for (const i of indices) executed[recordStarts[i]] = 3;
  return read(optimise(Buffer.concat([wireBytes, tail]), executed, 'hot'));
}

const shuffled = Array.from({ length: functions.declared }, (_, i) => i);
const random = seeded(11);
for (let i = shuffled.length - 1; i > 0; i--) {
  const other = random(i + 1);
  [shuffled[i], shuffled[other]] = [shuffled[other], shuffled[i]];
}
const reference =
  whole === 'all' ? read(optimise(wireBytes, undefined, 'full')) : compile(shuffled.slice(0, Number(whole)));
// A function that looks like a stub is never compiled.
const real = realFunctions(readWasmBinary(wireBytes));
const pool = shuffled.slice(0, reference.optimised.size).filter((i) => real.has(i));

const again = [];
let compared = 0;
for (const part of parts) {
  // Other functions each time: start at another place of the pool.
  const start = random(pool.length);
  const chosen = [...pool.slice(start), ...pool.slice(0, start)].slice(0, Number(part));
  const compiled = compile(chosen);
  if (compiled.optimised.size !== chosen.length) throw new Error(`${compiled.optimised.size} of ${chosen.length}`);
  compared += chosen.length;
  again.push(...chosen.filter((i) => Buffer.compare(recordOf(compiled, i), recordOf(reference, i)) !== 0));
}
const different = again.filter((i) => {
  const forms = new Set();
  for (let attempt = 0; attempt < ATTEMPTS && forms.size < 2; attempt++) {
    const name = Buffer.from(`metadata.code.${10 + attempt}`);
    const customSection = Buffer.concat([Uint8Array.of(0, name.length + 1, name.length), name]);
    forms.add(Buffer.from(recordOf(compile([i], customSection), i)).toString('latin1'));
  }
  return forms.size < 2;
});
console.log(
  JSON.stringify({
    declared: functions.declared,
    reference: reference.optimised.size,
    compared,
    byChance: again.length - different.length,
    different,
    sameFlags: loadAddon().addon.versionTag() === tag,
  }),
);
