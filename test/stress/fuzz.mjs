// node test/stress/fuzz.mjs [--runs 5000] [--seed <number>] [--node <binary>] [<part of a file name>...]
// Runs the property tests of test/fuzz/ with a new seed and many more runs. Keep what fails: see test/support/fuzz.ts. Exits with 1
// if something fails.
import '../../scripts/built.mjs';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { run } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { atLeast } from '../../bench/processes.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    node: { type: 'string' },
  },
});
const runs = atLeast('runs', values.runs, 1);
const seed = atLeast('seed', values.seed, 0);
if (values.node) {
  const args = [fileURLToPath(import.meta.url), '--runs', values.runs, '--seed', values.seed, ...positionals];
  process.exit(spawnSync(values.node, args, { stdio: 'inherit' }).status ?? 1);
}

const folder = fileURLToPath(new URL('../../.test-build/fuzz', import.meta.url));
const files = readdirSync(folder)
  .filter((file) => file.endsWith('.test.js'))
  .filter((file) => positionals.length === 0 || positionals.some((part) => file.includes(part)))
  .sort()
  .map((file) => path.join(folder, file));
if (files.length === 0) throw new Error(`No file of test/fuzz matches ${positionals.join(' ')}`);

console.log(`Node ${process.version}, seed ${seed}, ${runs} runs of each property`);
process.env.FUZZ_SEED = String(seed);
process.env.FUZZ_RUNS = String(runs);
const start = performance.now();
const figures = [];
let isWrong = false;
for (const file of files) {
  const each = { name: path.basename(file, '.test.js'), properties: 0, runs: 0, failed: 0, ms: 0 };
  figures.push(each);
  for await (const { type, data } of run({ files: [file] })) {
    if (type === 'test:diagnostic') {
      each.runs += Number(/^(\d+) runs$/.exec(data.message)?.[1] ?? 0);
    } else if (type === 'test:stderr') {
      console.error(data.message);
    } else if (type === 'test:pass' || type === 'test:fail') {
      const { type: kind, error, duration_ms: ms } = data.details;
      if (type === 'test:fail') isWrong = true;
      // A suite (on some versions a file) also fails if a test in it does.
      if (kind === 'suite' || error?.failureType === 'subtestsFailed') continue;
      if (type === 'test:fail') {
        each.failed++;
        console.error(`\n${each.name}: ${data.name}\n${error.cause?.stack ?? error.cause ?? error}`);
      }
      if (data.nesting === 0) continue;
      each.properties++;
      each.ms += ms;
    }
  }
}

const table = new Table({
  head: ['file', 'properties', 'runs', 'failed', 'seconds'],
  colAligns: ['left', 'right', 'right', 'right', 'right'],
  style: { head: [], border: [], compact: true },
});
const all = { name: 'all', properties: 0, runs: 0, failed: 0, ms: performance.now() - start };
for (const each of figures) for (const name of ['properties', 'runs', 'failed']) all[name] += each[name];
for (const { name, properties, runs: count, failed, ms } of [...figures, all]) {
  table.push([name, properties, count, failed, (ms / 1000).toFixed(1)]);
}
console.log(`\n${table}`);
console.log(isWrong ? `${all.failed} properties fail with the seed ${seed}.` : 'Nothing is wrong.');
process.exit(isWrong ? 1 : 0);
