// node bench/start.mjs [--node <binary>] [--pairs 40]
// What the hook costs a program that does not need it: an empty program, and one that compiles 300 modules of 40 bytes.
// Whole processes for the first, the compiling part alone for the second; plain and hooked runs alternate.
import '../scripts/built.mjs';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { node: { type: 'string', default: process.execPath }, pairs: { type: 'string', default: '40' } },
});
const hook = new URL('../dist/register.js', import.meta.url).href;
const directory = mkdtempSync(path.join(tmpdir(), 'wasm-cache-start-'));
const env = { ...process.env, WASM_CACHE_DIR: directory };

const tinyModules = `
  const bytes = (n) => Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0,
    10, 6, 1, 4, 0, 65, n, 11);
  new WebAssembly.Module(bytes(63));
  const start = performance.now();
  for (let i = 0; i < 300; i++) new WebAssembly.Module(bytes(i % 60));
  console.log(performance.now() - start);`;

const run = (args) => {
  const start = performance.now();
  const { status, stdout, stderr } = spawnSync(values.node, args, { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return { whole: performance.now() - start, printed: Number(stdout) };
};
const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];

function compare(name, program, pick) {
  const plain = [];
  const hooked = [];
  for (let i = 0; i < Number(values.pairs); i++) {
    plain.push(pick(run(['-e', program])));
    hooked.push(pick(run(['--import', hook, '-e', program])));
  }
  const [before, after] = [median(plain), median(hooked)];
  const difference = `${(after - before).toFixed(2)} ms, ${((after / before - 1) * 100).toFixed(1)} %`;
  console.log(`| ${name} | ${before.toFixed(2)} ms | ${after.toFixed(2)} ms | ${difference} |`);
}

console.log(
  `Node ${spawnSync(values.node, ['--version'], { encoding: 'utf8' }).stdout.trim()}, medians of ${values.pairs} pairs\n`,
);
console.log('| program | plain | with the hook | difference |\n|---|---|---|---|');
compare('`-e 0`, whole process', '0', ({ whole }) => whole);
compare('300 modules of 40 bytes, that part', tinyModules, ({ printed }) => printed);
rmSync(directory, { recursive: true, force: true });
