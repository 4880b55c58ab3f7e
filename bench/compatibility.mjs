// node bench/compatibility.mjs [--nodes 20,22,24,26] [--workloads <folder>]... [--only a,b] [--runs 5] [--train 3]
//   [-- --firsts 3] [-- --json docs/compatibility.json] [-- --again]
// Measures which packages gain what, on which versions of Node. It runs every program of the folders (default: ../shared/workloads and
// bench/compatibility) on each version as npm run bench does, without `full`. It stores each program in the JSON file when it is done, and
// writes the table beside that file as Markdown. Programs that the file has with the same packages and counts, and that did not fail, are
// measured again only with --again. Controls (ctl_*) are not packages and are skipped. Run npm ci --ignore-scripts in each folder first.
import '../scripts/built.mjs';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { Presets, SingleBar } from 'cli-progress';
import { nodeBinary, SUPPORTED } from '../scripts/nodes.mjs';
import { compatibilityTable } from './compatibility-table.mjs';
import { measure, programsIn, runsOf } from './measure.mjs';
import { local } from './modules.mjs';
import { atLeast, median, run } from './processes.mjs';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: SUPPORTED.join() },
    workloads: {
      type: 'string',
      multiple: true,
      default: [local('../../shared/workloads'), local('compatibility')],
    },
    only: { type: 'string' },
    runs: { type: 'string', default: '5' },
    train: { type: 'string', default: '3' },
    firsts: { type: 'string', default: '3' },
    json: { type: 'string', default: local('../docs/compatibility.json') },
    again: { type: 'boolean', default: false },
  },
});
const counts = {
  runs: atLeast('runs', values.runs, 1),
  train: atLeast('train', values.train, 0),
  firsts: atLeast('firsts', values.firsts, 1),
  full: false,
};
const nodes = findNodes();
const programs = findPrograms();
const known = existsSync(values.json) ? JSON.parse(readFileSync(values.json, 'utf8')) : {};
const waysIn = local('ways-in.mjs');

const bar = new SingleBar(
  { format: '|{bar}| {value}/{total} {doing}', stream: process.stderr, noTTYOutput: true, notTTYSchedule: 30_000 },
  Presets.shades_classic,
);
// One run for the ways in, one for the hits, and those of measure().
bar.start(programs.length * nodes.length * (2 + runsOf(counts)), 0, { doing: '' });
for (const program of programs) {
  for (const node of nodes) await visit(program, node);
}
bar.stop();
const wrong = Object.values(known).flatMap(({ nodes }) => Object.values(nodes).filter((each) => !each.sameOutput));
process.exit(wrong.length === 0 ? 0 : 1);

function findNodes() {
  return values.nodes.split(',').map((major) => {
    if (!SUPPORTED.includes(Number(major))) fail(`--nodes must be versions from ${SUPPORTED.join(', ')}, not ${major}`);
    const binary = nodeBinary(Number(major));
    return { binary, version: run(binary, ['-p', 'process.versions.node']).output.trim() };
  });
}

function findPrograms() {
  for (const folder of values.workloads) {
    if (!existsSync(path.join(folder, 'node_modules')))
      fail(`${folder} has no node_modules: run npm ci --ignore-scripts in it, or name a copy of it with --workloads`);
  }
  const all = values.workloads.flatMap((folder) => programsIn(folder)).filter(({ name }) => !name.startsWith('ctl_'));
  const names = values.only?.split(',') ?? all.map(({ name }) => name);
  const unknown = names.find((name) => !all.some((program) => program.name === name));
  if (unknown !== undefined)
    fail(`--only: there is no program ${unknown}; the programs are ${all.map((each) => each.name).join(', ')}`);
  return all.filter(({ name }) => names.includes(name));
}

async function visit(program, node) {
  const onRun = (doing) => bar.increment({ doing: `${program.name} on Node ${node.version}: ${doing}` });
  const packages = packagesOf(program);
  const entry = known[program.name];
  const before = isDeepStrictEqual(entry?.packages, packages) ? entry.nodes : {};
  const { runs, train, firsts, failed } = before[node.version] ?? {};
  if (!values.again && !failed && isDeepStrictEqual({ runs, train, firsts, full: false }, counts)) {
    bar.increment(2 + runsOf(counts), { doing: `${program.name} on Node ${node.version}: is known` });
    return;
  }
  const start = bar.value;
  const measured = await measureOne(program, node, onRun);
  bar.update(start + 2 + runsOf(counts)); // also if a run failed
  known[program.name] = { packages, nodes: { ...before, [node.version]: measured } };
  writeFileSync(values.json, `${JSON.stringify(known, null, 1)}\n`);
  writeFileSync(values.json.replace(/(\.json)?$/, '.md'), compatibilityTable(known));
}

/** The packages that a program imports, with the versions in its folder. */
function packagesOf({ file, cwd }) {
  const source = readFileSync(file, 'utf8');
  const { dependencies } = JSON.parse(readFileSync(path.join(cwd, 'package.json'), 'utf8'));
  const named = Object.keys(dependencies).filter((name) => new RegExp(`['"]${name}(['"]|/)`).test(source));
  const versionOf = (name) =>
    JSON.parse(readFileSync(path.join(cwd, 'node_modules', name, 'package.json'), 'utf8')).version;
  return Object.fromEntries(named.map((name) => [name, versionOf(name)]));
}

async function measureOne(program, { binary: node }, onRun) {
  const folder = mkdtempSync(path.join(tmpdir(), 'wasm-cache-compatibility-'));
  const machine = `${cpus().length} x ${cpus()[0]?.model}`;
  const settings = { runs: counts.runs, train: counts.train, firsts: counts.firsts, machine };
  try {
    onRun('how it reaches WebAssembly');
    const modules = modulesOf(program, node, path.join(folder, 'ways-in'));
    try {
      const { results, outputs } = await measure(program, { node, ...counts, folder, onRun });
      onRun('whether its modules are hits');
      const of = (kind, what = 'ms') => median(results[kind].map((result) => result[what]));
      return {
        ...settings,
        modules,
        missed: missedBy(program, node, folder, modules),
        plainMs: Math.round(of('plain')),
        warmMs: Math.round(of('warm')),
        first: of('plainBesideFirst') / of('first'),
        warm: of('plain') / of('warm'),
        warmCpu: of('plain', 'cpuMs') / of('warm', 'cpuMs'),
        outputs,
        sameOutput: new Set(Object.values(outputs).flat()).size === 1,
      };
    } catch (error) {
      return { ...settings, modules, failed: shortened(error, program), sameOutput: false };
    }
  } catch (error) {
    return { ...settings, modules: [], failed: shortened(error, program), sameOutput: false };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function modulesOf({ file, cwd }, node, list) {
  writeFileSync(list, '');
  run(node, file, { cwd, env: { NODE_OPTIONS: `--import=${waysIn}`, WAYS_IN: list } });
  const lines = readFileSync(list, 'utf8').split('\n').filter(Boolean);
  return [...new Set(lines)].map((line) => JSON.parse(line));
}

/** The large modules that a warm run did not get from the cache, also those whose loading took longer than it saved. */
function missedBy({ file, cwd }, node, folder, modules) {
  const json = path.join(folder, 'run.json');
  const cli = local('../dist/cli/main.js');
  const env = { WASM_CACHE_DIR: path.join(folder, 'warm'), WASM_CACHE_LEARN: 'off' };
  run(node, [cli, 'run', '--json-file', json, '--', 'node', file], { cwd, env });
  const report = JSON.parse(readFileSync(json, 'utf8'));
  const hits = report.modules.filter((each) => each.hits > 0 && each.misses === 0).map(({ key }) => key);
  const large = modules.filter(({ bytes }) => bytes >= report.minModuleSize).map(({ key }) => key);
  return [...new Set(large)].filter((key) => !hits.includes(key));
}

/** The kind of run that failed, and the line that says why, without paths of this machine. */
function shortened({ doing = 'plain', ended, stderr, message }, { cwd }) {
  if (ended === undefined) return `${doing}: ${message}`;
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const reason = lines.find((line) => /^\w*(Error|Exception)\b/.test(line)) ?? lines.at(-1) ?? 'it said nothing';
  return `${doing}: ended with ${ended}: ${reason.trim().slice(0, 200).replaceAll(cwd, '.')}`;
}

function fail(message) {
  console.error(message);
  process.exit(2);
}
