// node scripts/same-code.mjs <folder of the spec suite's data>: compiles every module of the suite ahead of time, whole and with
// stubs in the place of every other body, and compares the code of the functions that were kept, byte by byte. The learner relies on it.
// It checks the Node that runs it, and changes V8's flags, so it does nothing else in its process.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { compileOptimised } from '../dist/engine/ahead-of-time.js';
import { readNativeCode } from '../dist/engine/native-code.js';
import { readWasmBinary, withOnlyBodies } from '../dist/engine/wasm-binary.js';

const folder = process.argv[2];
let modules = 0;
let functions = 0;
const different = [];
for (const file of readdirSync(folder).filter((each) => each.endsWith('.json'))) {
  const binaries = path.join(folder, file.replace(/json$/, 'bin'));
  if (!existsSync(binaries)) continue;
  const bytes = readFileSync(binaries);
  for (const [offset, length] of JSON.parse(readFileSync(path.join(folder, file), 'utf8')).modules) {
    const wireBytes = new Uint8Array(bytes.subarray(offset, offset + length));
    if (!WebAssembly.validate(wireBytes)) continue;
    const binary = readWasmBinary(wireBytes);
    if (binary.functions.declared === 0) continue;
    modules++;
    const whole = readNativeCode(compileOptimised(wireBytes), binary.functions);
    const all = [...Array(binary.functions.declared).keys()];
    for (const remainder of [0, 1]) {
      const kept = all.filter((index) => index % 2 === remainder);
      if (kept.length === 0) continue;
      const part = readNativeCode(compileOptimised(withOnlyBodies(wireBytes, new Set(kept))), binary.functions);
      for (const index of kept) {
        functions++;
        if (Buffer.compare(recordOf(whole, index), recordOf(part, index)) !== 0) different.push(`${file} ${index}`);
      }
    }
  }
}
console.log(`${modules} modules, ${functions} functions, ${different.length} compiled differently beside stubs`);
for (const each of different) console.error(each);
process.exit(functions > 0 && different.length === 0 ? 0 : 1);

function recordOf({ bytes, recordStarts }, index) {
  return bytes.subarray(recordStarts[index], recordStarts[index + 1]);
}
