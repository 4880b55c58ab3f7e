// node bench/remote.mjs [--store http] [--runs 7] [--node <binary>] [--json]
// Runs the demo programs in fresh processes: plain; warm, with everything in the folder; and cold, with an empty folder in front of a
// store that another machine has filled: redis, nginx (http), Ceph (s3), or a shared folder. The runs alternate; figures are medians. A cold
// machine keeps (plain / cold) / (plain / warm) of the speed-up.
import '../scripts/built.mjs';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { startRedis } from '../.test-build/support/redis-server.js';
import { startCeph, startNginx } from '../.test-build/support/servers.js';
import { openStore } from '../dist/stores/open-store.js';
import { atLeast, bytesOfArtifacts, learnersAreDone, median, run } from './processes.mjs';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    runs: { type: 'string', default: '7' },
    store: { type: 'string', default: 'http' },
    node: { type: 'string', default: process.execPath },
  },
});
const runs = atLeast('runs', values.runs, 1);
const work = mkdtempSync(path.join(tmpdir(), 'wasm-cache-remote-'));
const starts = {
  http: async () => (await startNginx(undefined, path.join(work, 'nginx'))).url,
  redis: async () => `redis://127.0.0.1:${(await startRedis()).port}`,
  s3: async () => {
    const { url: endpoint, bucket, credentials } = await startCeph(path.join(work, 'ceph'));
    process.env.AWS_ACCESS_KEY_ID = credentials.accessKeyId;
    process.env.AWS_SECRET_ACCESS_KEY = credentials.secretAccessKey;
    return `s3://${bucket}/artifacts?endpoint=${endpoint}`;
  },
  folder: async () => `file://${path.join(work, 'store')}`,
};
const start = starts[values.store];
if (!start) {
  console.error(`--store must be one of ${Object.keys(starts).join(', ')}, not ${values.store}`);
  process.exit(2);
}
const url = await start();
const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = process.env;
const env = {
  AWS_ACCESS_KEY_ID,
  AWS_SECRET_ACCESS_KEY,
  WASM_CACHE_REMOTE: url,
  WASM_CACHE_SECRET: 'the-secret-of-this-benchmark',
  WASM_CACHE_REMOTE_TIMEOUT: '2s',
};
const programs = fileURLToPath(new URL('programs/', import.meta.url));
const node = run(values.node, fileURLToPath(new URL('version.mjs', import.meta.url))).output.trim();
const rows = [];
try {
  for (const file of readdirSync(programs)) rows.push(await measure(file));
} finally {
  rmSync(work, { recursive: true, force: true });
}

if (values.json) console.log(JSON.stringify({ node, store: values.store, rows }, null, 2));
else {
  const ms = (value) => `${value.toFixed(0)} ms`;
  const table = new Table({
    head: ['program', 'plain', 'warm', 'cold', 'plain / warm', 'plain / cold', 'kept', 'artifacts', 'output'],
    colAligns: ['left', ...Array(7).fill('right'), 'left'],
    style: { head: [], border: [] },
  });
  for (const row of rows) {
    const ratios = [row.plainMs / row.warmMs, row.plainMs / row.coldMs];
    const size = `${(row.artifactBytes / 2 ** 20).toFixed(1)} MiB`;
    const output = row.sameOutput ? 'equal' : 'DIFFERENT';
    table.push([
      row.name,
      ...[row.plainMs, row.warmMs, row.coldMs].map(ms),
      ...ratios.map((ratio) => `${ratio.toFixed(2)} x`),
      row.kept.toFixed(2),
      size,
      output,
    ]);
  }
  console.log(`Whole processes on ${node}, medians of ${runs}, store: ${values.store}\n${table}`);
}
process.exit(rows.every(({ sameOutput }) => sameOutput) ? 0 : 1);

async function measure(file) {
  const program = path.join(programs, file);
  const warmFolder = path.join(work, `warm-${file}`);
  const all = [run(values.node, program)];
  for (let count = 0; count < 4; count++) {
    all.push(run(values.node, program, { directory: warmFolder, env }));
    await learnersAreDone(warmFolder);
    await setTimeout(500); // for the process that pushes the list
  }
  await isListed(file);
  const [plain, warm, cold] = [[], [], []];
  for (let count = 0; count < runs; count++) {
    plain.push(run(values.node, program));
    warm.push(run(values.node, program, { directory: warmFolder, env }));
    const coldFolder = path.join(work, `cold-${count}`);
    cold.push(run(values.node, program, { directory: coldFolder, env }));
    rmSync(coldFolder, { recursive: true, force: true });
  }
  all.push(...plain, ...warm, ...cold);
  const [plainMs, warmMs, coldMs] = [plain, warm, cold].map((results) => median(results.map(({ ms }) => ms)));
  return {
    name: path.basename(file, '.mjs'),
    plainMs,
    warmMs,
    coldMs,
    kept: warmMs / coldMs,
    artifactBytes: bytesOfArtifacts(warmFolder),
    sameOutput: all.every(({ output }) => output !== '' && output === all[0].output),
  };
}

async function isListed(file) {
  const store = await openStore(url);
  for (let tries = 0; !(await store.has(`programs/programs_${file}.json`)); tries++) {
    if (tries === 100) throw new Error(`${file} is not in the store`);
    await setTimeout(100);
  }
  await store.close?.();
}
