// node test/stress/remote-faults.mjs [--store redis] [--way compile] [--runs 3] [--timeout 250] [--node <binary>]
// Prints a table of what faults of a store cost a program: in the call for the module and in the whole process, compared with a run
// without WASM_CACHE_REMOTE (alternating, medians), in the first process and in the next one.
import '../../scripts/built.mjs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { faultScene, QUIET_FAULTS } from '../../.test-build/support/remote-faults.js';
import { atLeast, median } from '../../bench/processes.mjs';

const { values } = parseArgs({
  options: {
    store: { type: 'string', multiple: true, default: ['nginx', 'redis', 'ceph'] },
    way: { type: 'string', default: 'Module' },
    runs: { type: 'string', default: '3' },
    timeout: { type: 'string', default: '250' },
    node: { type: 'string' },
  },
});
const runs = atLeast('runs', values.runs, 1);
const timeout = atLeast('timeout', values.timeout, 1);
if (values.node) {
  const { store, way } = values;
  const args = [
    ...store.flatMap((each) => ['--store', each]),
    '--way',
    way,
    '--runs',
    `${runs}`,
    '--timeout',
    `${timeout}`,
  ];
  const program = fileURLToPath(import.meta.url);
  process.exit(spawnSync(values.node, [program, ...args], { stdio: 'inherit' }).status ?? 1);
}

const table = new Table({
  head: ['store', 'fault', 'in the call', 'process', 'next: in the call', 'process', 'told', 'counted', 'output'],
  colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'left', 'right', 'left'],
  style: { head: [], border: [] },
});
let isGood = true;
for (const kind of values.store) {
  const scene = await faultScene(kind, timeout);
  for (const [name, begin] of Object.entries(scene.faults)) {
    const { url, end } = await begin();
    const [plain, first, next] = [[], [], []];
    let told;
    try {
      for (let count = 0; count < runs; count++) {
        const folder = scene.newFolder();
        plain.push(await scene.run(undefined, values));
        first.push(await scene.run(url, { ...values, folder }));
        next.push(await scene.run(url, { ...values, folder }));
      }
      told = await scene.run(url, { ...values, debug: true });
    } finally {
      await end?.();
    }
    const cost = (measured, what) =>
      median(measured.map((each) => each[what])) - median(plain.map((each) => each[what]));
    const all = [...plain, ...first, ...next, told];
    const isEqual = all.every(({ status, observed }) => status === 0 && `${observed}` === `${plain[0].observed}`);
    const isSilent = [...plain, ...first, ...next].every(({ stderr }) => stderr === '');
    const lines = told.stderr.split('\n').filter((line) => line.includes('asking the store'));
    const counted = first.map(({ stats }) => stats.errors + stats.untrusted);
    const expected = QUIET_FAULTS.includes(name) ? 0 : 1;
    const isTold = lines.length === expected && counted.every((count) => count === expected);
    isGood &&= isEqual && isSilent && isTold;
    const ms = (value) => `${value.toFixed(0)} ms`;
    table.push([
      kind,
      name,
      ms(cost(first, 'call')),
      ms(cost(first, 'wall')),
      ms(cost(next, 'call')),
      ms(cost(next, 'wall')),
      lines.map((line) => line.replace(/.*asking the store: (Error: )?/, '').slice(0, 60)).join('\n'),
      counted.join(' '),
      !isEqual ? 'DIFFERENT' : !isSilent ? 'STDERR' : 'equal',
    ]);
  }
  await scene.close();
}
console.log(`Node ${process.version}, ${values.way}, deadline ${timeout} ms, medians of ${runs}\n${table}`);
process.exit(isGood ? 0 : 1);
