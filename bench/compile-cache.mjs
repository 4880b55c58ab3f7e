// node bench/compile-cache.mjs [--node <binary>] [--workloads <folder>] [--only sqljs,esbuild] [--runs 9] [--json <file>]
// Compares Node's own compile cache (NODE_COMPILE_CACHE), this package, and both together, for programs that use WebAssembly: fresh
// processes, all four ways in turn, after training runs of each. The programs are in a copy of ../shared/workloads in which `npm ci` was run.
import '../scripts/built.mjs';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { atLeast, learnersAreDone, median, run } from './processes.mjs';

const { values } = parseArgs({
  options: {
    node: { type: 'string', default: process.execPath },
    workloads: { type: 'string', default: fileURLToPath(new URL('../../shared/workloads', import.meta.url)) },
    only: { type: 'string', default: 'sqljs,esbuild' },
    runs: { type: 'string', default: '9' },
    json: { type: 'string' },
  },
});
const runs = atLeast('runs', values.runs, 5);
const TRAINING = 4;

const version = run(values.node, fileURLToPath(new URL('version.mjs', import.meta.url))).output.trim();
console.log(`${version}, whole processes, medians of ${runs}, all ways in turn, after ${TRAINING} training runs\n`);
console.log(
  '| program | plain | compile cache | this package | both | the same of CPU time | outputs | in the compile cache |',
);
console.log('| --- | ---: | ---: | ---: | ---: | ---: | --- | --- |');
const rows = [];
for (const name of values.only.split(',')) rows.push(await measure(name));
if (values.json) writeFileSync(values.json, `${JSON.stringify({ version, runs, rows }, null, 2)}\n`);
process.exit(rows.every(({ sameOutput }) => sameOutput) ? 0 : 1);

async function measure(name) {
  const folder = mkdtempSync(path.join(tmpdir(), 'wasm-cache-bench-'));
  const at = (each) => path.join(folder, each);
  const compileCache = (each) => ({ NODE_COMPILE_CACHE: at(each) });
  const ways = {
    plain: {},
    compileCache: { env: compileCache('compile-cache') },
    hook: { directory: at('artifacts') },
    both: { directory: at('artifacts-of-both'), env: compileCache('compile-cache-of-both') },
  };
  const none = () => Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
  const [times, cpuTimes] = [none(), none()];
  const outputs = new Set();
  try {
    for (let i = -TRAINING; i < runs; i++) {
      for (const [way, options] of Object.entries(ways)) {
        const { ms, cpuMs, output } = run(values.node, path.join(values.workloads, `w_${name}.mjs`), {
          cwd: values.workloads,
          ...options,
        });
        if (options.directory) await learnersAreDone(options.directory);
        outputs.add(/^RESULT .*$/m.exec(output)?.[0]);
        if (i >= 0) {
          times[way].push(ms);
          cpuTimes[way].push(cpuMs);
        }
      }
    }
    const ratiosOf = (all) => ['compileCache', 'hook', 'both'].map((way) => median(all.plain) / median(all[way]));
    const [ratios, cpuRatios] = [ratiosOf(times), ratiosOf(cpuTimes)];
    const inTimes = (ratio) => `${ratio.toFixed(2)} x`;
    const sizes = sizesIn(at('compile-cache'));
    const sameOutput = outputs.size === 1 && !outputs.has(undefined);
    const cells = [
      name,
      `${median(times.plain).toFixed(0)} ms`,
      ...ratios.map(inTimes),
      cpuRatios.map(inTimes).join(', '),
      sameOutput ? 'equal' : 'DIFFERENT',
      `${sizes.length} files, ${(sizes.reduce((sum, size) => sum + size, 0) / 1e6).toFixed(2)} MB`,
    ];
    console.log(`| ${cells.join(' | ')} |`);
    return { name, sameOutput, ratios, cpuRatios, times, cpuTimes };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function sizesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => statSync(path.join(each.parentPath, each.name)).size);
}
