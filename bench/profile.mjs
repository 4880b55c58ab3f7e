// node bench/profile.mjs --workloads <folder> --only rollup,resvg [--node <binary>]: where the main thread's time goes, plain and
// warm, by V8's CPU profiler. The cache can only save time in WebAssembly and its compilation.
import '../scripts/built.mjs';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { learnersAreDone, run } from './processes.mjs';

const { values } = parseArgs({
  options: {
    node: { type: 'string', default: process.execPath },
    workloads: { type: 'string' },
    only: { type: 'string', default: '' },
  },
});
if (!values.workloads) {
  console.error('Name the folder of the workloads, in which npm ci was run: --workloads <folder>');
  process.exit(2);
}

const table = new Table({
  head: ['program', '', 'whole', 'wasm', 'V8 compiling', 'JavaScript', 'Node', 'garbage', 'other native', 'idle'],
  colAligns: ['left', 'left', ...Array(8).fill('right')],
  style: { head: [], border: [], compact: true },
});
for (const name of values.only.split(',')) {
  const directory = mkdtempSync(path.join(tmpdir(), 'wasm-cache-profile-'));
  try {
    const program = path.join(values.workloads, `w_${name}.mjs`);
    const options = { cwd: values.workloads };
    for (let i = 0; i < 4; i++) {
      run(values.node, program, { ...options, directory });
      await learnersAreDone(directory);
    }
    table.push([name, 'plain', ...profile(program, options)]);
    table.push(['', 'warm', ...profile(program, { ...options, directory })]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
console.log(`Main thread, ms:\n${table}`);

function profile(program, options) {
  const folder = mkdtempSync(path.join(tmpdir(), 'wasm-cache-profile-'));
  const flags = ['--cpu-prof', '--cpu-prof-interval=200', `--cpu-prof-dir=${folder}`];
  const { ms } = run(values.node, [...flags, program], options);
  const sums = { wasm: 0, compiling: 0, javascript: 0, node: 0, garbage: 0, native: 0, idle: 0 };
  // Of several threads and processes, take the one with the most samples.
  const profiles = readdirSync(folder).map((file) => JSON.parse(readFileSync(path.join(folder, file), 'utf8')));
  const { nodes, samples, timeDeltas } = profiles.sort((a, b) => b.samples.length - a.samples.length)[0];
  const kinds = new Map(nodes.map((node) => [node.id, kindOf(node.callFrame)]));
  for (const [index, id] of samples.entries()) sums[kinds.get(id)] += timeDeltas[index] / 1000;
  rmSync(folder, { recursive: true, force: true });
  return [ms, ...Object.values(sums)].map((each) => each.toFixed(0));
}

function kindOf({ functionName, url }) {
  if (url.startsWith('wasm://')) return 'wasm';
  if (functionName === '(garbage collector)') return 'garbage';
  if (functionName === '(idle)') return 'idle';
  if (/^(Module|Instance|compile|instantiate|deserialize)$/.test(functionName) && !url.startsWith('file'))
    return 'compiling';
  if (url.startsWith('node:')) return 'node';
  if (url === '') return 'native';
  return 'javascript';
}
