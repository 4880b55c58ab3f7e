// node scripts/test.mjs [--node <binary>] [--nodes 22,24] [--without <parts of file names, with commas>] [--verbose] [--no-build] [part of a file name]...
// Builds what has changed, and runs the tests: each file in a process of its own, as node:test does, and some files at a time. Prints what
// failed, with all that the file printed, and the sums that node:test prints. --verbose prints every test and what it printed.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { nodeBinary } from './nodes.mjs';

/** Minutes for one file. None takes a tenth of that on a quiet machine. */
const TIME_LIMIT = 15;
/** On two cores three: one is at work while another waits for a process. */
const AT_ONCE = Math.ceil(availableParallelism() * 1.5);
/** One of node:test's closing lines. */
const SUM = /^(?<name>\w+) (?<number>[\d.]+)$/;
/** They take longest: the last one to start would be waited for. */
const FIRST = [
  'integration/file-system-faults',
  'integration/conformance',
  'integration/fleet',
  'integration/remote',
  'integration/untested',
];

const root = fileURLToPath(new URL('..', import.meta.url));
const events = new URL('test-events.mjs', import.meta.url).href;
const { values: options, positionals: parts } = parseArgs({
  options: {
    node: { type: 'string', default: process.execPath },
    nodes: { type: 'string' },
    without: { type: 'string', default: '' },
    verbose: { type: 'boolean', default: false },
    build: { type: 'boolean', default: true },
  },
  allowNegative: true,
  allowPositionals: true,
});

if (options.build) await build();
if (options.nodes !== undefined) process.exit(runOnEach(options.nodes.split(',').map(Number)));
const files = findFiles();
if (files.length === 0) {
  console.error(`No file of tests has ${parts.join(' or ')} in its name`);
  process.exit(2);
}

const start = performance.now();
const work = mkdtempSync(path.join(tmpdir(), 'wasm-cache-tests-'));
chmodSync(work, 0o1777); // as /tmp is: some programs of the tests run as another user
const sums = { tests: 0, suites: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 };
const failedFiles = [];
const skipped = new Map();
const running = new Map();
process.on('exit', () => {
  for (const child of running.keys()) killAll(child);
  rmSync(work, { recursive: true, force: true, maxRetries: 10 });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

let done = 0;
const progress = setInterval(() => {
  console.log(`${done} of ${files.length} files are done; now ${[...running.values()].join(', ')}`);
}, 30_000);
const waiting = [...files];
await Promise.all(Array.from({ length: AT_ONCE }, runFilesInTurn));
clearInterval(progress);
printSummary();
process.exitCode = failedFiles.length === 0 ? 0 : 1;

/** @returns the exit code */
function runOnEach(majors) {
  const rest = process.argv.slice(2).filter((arg, at, all) => !/^--nodes(=|$)/.test(arg) && all[at - 1] !== '--nodes');
  const failed = majors.filter((major) => {
    console.log(`\n=== Node ${major} ===`);
    const args = [import.meta.filename, '--no-build', '--node', nodeBinary(major), ...rest];
    return spawnSync(process.execPath, args, { stdio: 'inherit' }).status !== 0;
  });
  const on = `Node ${(failed.length > 0 ? failed : majors).join(', ')}`;
  console.log(failed.length > 0 ? `\nFailed on ${on}.` : `\nGreen on ${on}.`);
  return failed.length > 0 ? 1 : 0;
}

function findFiles() {
  const without = options.without.split(',').filter((part) => part !== '');
  const found = readdirSync(path.join(root, '.test-build'), { recursive: true })
    .map((file) => file.replaceAll(path.sep, '/'))
    .filter((file) => file.endsWith('.test.js') && (parts.length === 0 || parts.some((part) => file.includes(part))))
    .filter((file) => !without.some((part) => file.includes(part)))
    .sort();
  const isFirst = (file) => FIRST.some((part) => file.startsWith(part));
  return [...found.filter(isFirst), ...found.filter((file) => !isFirst(file))];
}

async function runFilesInTurn() {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    const eventsFile = path.join(work, `${files.indexOf(file)}.jsonl`);
    const outcome = await runFile(file, eventsFile);
    const text = existsSync(eventsFile) ? readFileSync(eventsFile, 'utf8') : '';
    report(file, outcome, text.split('\n').filter(Boolean).map(parseLine));
    done++;
  }
}

/** The last line of a process that died may be half a line. */
function parseLine(line) {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}

/** Resolves with how the process ended and what it printed. */
function runFile(file, eventsFile) {
  return new Promise((resolve) => {
    const own = ['--import', events, '--test-reporter', events];
    const child = spawn(options.node, [...own, path.join('.test-build', file)], {
      cwd: root,
      env: { ...process.env, TMPDIR: work, TEMP: work, TMP: work, TEST_EVENTS_FILE: eventsFile },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32', // a group of its own, so that what it started can be ended with it
    });
    running.set(child, file);
    const chunks = [];
    let isLate = false;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk));
    const timer = setTimeout(() => {
      isLate = true;
      killAll(child);
    }, TIME_LIMIT * 60_000);
    const end = (how) => {
      clearTimeout(timer);
      running.delete(child);
      killAll(child);
      const why = isLate ? `was ended after ${TIME_LIMIT} minutes` : how;
      resolve({ why, isLate, output: Buffer.concat(chunks).toString() });
    };
    child.once('error', (error) => end(error.message));
    child.once('exit', (code, signal) => {
      // What it started may hold its streams open.
      const last = setTimeout(() => end(wayOf(code, signal)), 1000);
      child.once('close', () => {
        clearTimeout(last);
        end(wayOf(code, signal));
      });
    });
  });
}

function wayOf(code, signal) {
  if (signal) return `was ended by ${signal}`;
  return code === 0 ? undefined : `ended with ${code}`;
}

function killAll(child) {
  try {
    if (process.platform === 'win32') child.kill('SIGKILL');
    else process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}

function report(file, { why, isLate, output }, lines) {
  const results = named(lines);
  const failed = results.filter(({ type, error, todo }) => type === 'test:fail' && error !== undefined && !todo);
  for (const { skip } of results) {
    if (skip !== undefined) skipped.set(String(skip), (skipped.get(String(skip)) ?? 0) + 1);
  }
  const isComplete = addSums(lines);
  if (!isComplete) {
    for (const { type, isSuite } of results) {
      if (!isSuite) count(type === 'test:pass' ? 'pass' : 'fail');
    }
  }
  const isGood = why === undefined && failed.length === 0 && isComplete;
  if (options.verbose) for (const { type, path: name } of results) console.log(`${type.slice(5)} ${file}: ${name}`);
  if (isGood) {
    if (options.verbose) process.stdout.write(output);
    return;
  }

  failedFiles.push(file);
  console.log(`\n=== FAILED: ${file}`);
  for (const { path: name, error } of failed) console.log(`\n--- ${name}\n${error}`);
  if (failed.length === 0) count('fail');
  if (failed.length === 0 || isLate) {
    const ended = new Set(results.map(({ name }) => name));
    const last = lines.findLast(({ type, name }) => type === 'began' && !ended.has(name));
    console.log(`\n--- The process ${why ?? 'ended before its tests did'}${last ? `, in ${last.name}` : ''}`);
  }
  for (const { message } of lines) if (message !== undefined && !SUM.test(message)) console.log(message);
  if (output !== '') console.log(`\n--- What it printed:\n${output.trimEnd()}`);
}

/** The results, each with the names of the suites that it is in. */
function named(lines) {
  const names = [];
  const results = [];
  // A suite comes after its tests: from the end, it comes before.
  for (const event of lines.filter(({ type }) => type === 'test:pass' || type === 'test:fail').reverse()) {
    names.length = event.nesting;
    names[event.nesting] = event.name;
    results.unshift({ ...event, path: names.join(' > ') });
  }
  return results;
}

/** Adds node:test's own closing lines; `false` when there are none. */
function addSums(lines) {
  const found = lines.flatMap(({ message }) => (message === undefined ? [] : (SUM.exec(message)?.groups ?? [])));
  for (const { name, number } of found) if (name in sums) sums[name] += Number(number);
  return found.length > 0;
}

function count(name) {
  sums.tests++;
  sums[name]++;
}

function printSummary() {
  if (failedFiles.length > 0) console.log(`\nFailed: ${failedFiles.join(', ')}`);
  const left = readdirSync(work).filter((name) => !name.endsWith('.jsonl'));
  if (left.length > 0) console.log(`Left in the temporary folder: ${left.join(', ')}`);
  for (const [reason, times] of skipped) console.log(`Skipped ${times}: ${reason}`);
  for (const [name, number] of Object.entries(sums)) console.log(`# ${name} ${number}`);
  console.log(`# duration_ms ${(performance.now() - start).toFixed(0)}`);
}
