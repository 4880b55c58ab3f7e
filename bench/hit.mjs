// npm run bench:hit: the duration of each part of a hit, and the floor: V8 deserialises the same artifact from memory, plus one
// hash of the wire bytes. The artifacts are those of bench/programs after training. Everything runs in one process, each part
// in turn. The figures are medians.
import '../scripts/built.mjs';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import Table from 'cli-table3';
import { FileSystemCache, ModuleHash, V8Engine } from '../dist/index.js';
import { crc32, sha256 } from '../dist/native/digest.js';
import { local, modules } from './modules.mjs';
import { learnersAreDone, median, run } from './processes.mjs';

const ROUNDS = 15;

// Not --expose-gc for the whole process, because that flag changes the engine id.
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');
setFlagsFromString('--no-expose-gc');

const table = new Table({
  head: ['module', 'wire', 'artifact', 'hash', 'read', 'check', 'deserialise', 'floor', 'hit', 'hit / floor'],
  colAligns: ['left', ...Array(9).fill('right')],
  style: { head: [], border: [], compact: true },
});
const engine = new V8Engine();
for (const [name, file] of Object.entries(modules)) {
  const directory = mkdtempSync(path.join(tmpdir(), 'wasm-cache-hit-'));
  try {
    const wireBytes = readFileSync(local(file));
    const key = ModuleHash.sha256(wireBytes);
    for (let i = 0; i < 3; i++) {
      run(process.execPath, local(`programs/${name}.mjs`), { directory });
      await learnersAreDone(directory);
    }
    const cache = new FileSystemCache(directory, { wireBytes: 'omit' });
    const { nativeCode } = cache.readArtifactSync(key, engine, wireBytes.length);
    const times = { hash: [], read: [], check: [], deserialise: [], hit: [] };
    const measure = async (part, action) => {
      const start = performance.now();
      action();
      times[part].push(performance.now() - start);
      // V8 restores nothing while a module of these bytes is alive, so the last one must be gone.
      await settled();
    };
    for (let round = 0; round < ROUNDS; round++) {
      await measure('hash', () => sha256(wireBytes));
      await measure('read', () => cache.readArtifactSync(key, engine, wireBytes.length));
      await measure('check', () => crc32(nativeCode));
      await measure('deserialise', () => engine.deserialize(nativeCode, wireBytes));
      await measure('hit', () => cache.loadSync(key, engine, { wireBytes }));
    }
    const of = Object.fromEntries(Object.entries(times).map(([part, all]) => [part, median(all)]));
    const floor = of.hash + of.deserialise;
    const ms = [of.hash, of.read - of.check, of.check, of.deserialise, floor, of.hit].map(
      (each) => `${each.toFixed(1)} ms`,
    );
    const sizes = [wireBytes, nativeCode].map(({ length }) => `${(length / 1e6).toFixed(1)} MB`);
    table.push([name, ...sizes, ...ms, `${(of.hit / floor).toFixed(2)} x`]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
console.log(`Node ${process.version}, medians of ${ROUNDS}:\n${table}`);

async function settled() {
  await new Promise(setImmediate);
  collectGarbage();
  await new Promise(setImmediate);
}
