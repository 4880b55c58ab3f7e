// Checks that a program cannot notice the hook: runs child.mjs plain and hooked and compares the observations.
//   node run.mjs --import <register.js> [--node <bin>] [--filter topic]
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isDeepStrictEqual, parseArgs } from 'node:util';

const child = fileURLToPath(new URL('child.mjs', import.meta.url));
/** The observation for a child that left none. */
const lost = 'child: observations';

/**
 * Returns the number of comparisons that agreed, and those that did not. A failure is { run, name, plain, hooked }; a check that is not
 * the same in two plain runs is a failure of the run 'plain again'. `cacheFiles` is the number of files that the cold run
 * left. If it is 0, nothing was served from the cache, and the suite has only shown that an idle hook does no harm.
 */
export function compareConformance({ node = process.execPath, register, filter }) {
  const work = mkdtempSync(join(tmpdir(), 'wasm-conformance-'));
  const cache = join(work, 'cache');
  mkdirSync(cache, { mode: 0o700 });
  const hook = ['--import', pathToFileURL(resolve(register)).href];
  const observe = (options) => runChild({ node, work, cache, filter, ...options });
  try {
    const plain = observe({});
    if (lost in plain) throw new Error(`the child fails without a hook:\n${plain['child: stderr']}`);
    const failures = [];
    let passed = 0;
    const compare = (run, seen, count) => {
      const names = new Set([...Object.keys(plain), ...Object.keys(seen)]);
      for (const name of names) {
        if (lost in seen && !name.startsWith('child: ')) continue; // it crashed, so do not list every check
        if (isDeepStrictEqual(plain[name], seen[name]) && seen[name] !== '<timeout>') passed += count;
        else failures.push({ run, name, plain: plain[name], hooked: seen[name] });
      }
    };
    compare('plain again', observe({}), 0);
    compare('cold', observe({ hook }), 1);
    const cacheFiles = readdirSync(cache, { recursive: true }).length;
    compare('warm', observe({ hook }), 1);
    compare('warm again', observe({ hook }), 1);
    // Train first, so that the small modules come from the cache, too.
    observe({ hook, minimum: '0', warmUpOnly: true });
    compare('warm, every size', observe({ hook, minimum: '0' }), 1);
    return { passed, failures, cacheFiles };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The observations of one run of the child, and how it ended. */
function runChild({ node, work, cache, filter, hook = [], minimum, warmUpOnly }) {
  const output = join(work, 'observations.json');
  rmSync(output, { force: true });
  const env = { ...process.env };
  for (const name of Object.keys(env)) {
    if (/^(NODE_OPTIONS|NODE_V8_COVERAGE|NODE_DEBUG|NODE_TEST_CONTEXT|WASM_CACHE_.*)$/.test(name)) delete env[name];
  }
  // Plain runs get the folder, too, so that both have the same environment.
  Object.assign(env, { CONFORMANCE_OUT: output, WASM_CACHE_DIR: cache, WASM_CACHE_LEARN: 'off' });
  if (minimum !== undefined) env.WASM_CACHE_MIN_MODULE_SIZE = minimum;
  const { status, signal, stdout, stderr, error } = spawnSync(
    node,
    [...hook, child, ...(filter ? [filter] : []), ...(warmUpOnly ? ['--warm-up-only'] : [])],
    { env, encoding: 'utf8', timeout: 300_000, killSignal: 'SIGKILL' },
  );
  const end = { 'child: end': error?.code ?? signal ?? status, 'child: stdout': stdout, 'child: stderr': tidy(stderr) };
  try {
    return { ...JSON.parse(readFileSync(output, 'utf8')), ...end };
  } catch (cause) {
    return { ...end, [lost]: String(cause.code ?? cause) };
  }
}

const tidy = (text) => text.replaceAll(/\(node:\d+\)/g, '(node)');

const shorten = (value) => {
  const text = JSON.stringify(value) ?? 'absent';
  return text.length > 400 ? `${text.slice(0, 400)}... (${text.length} characters)` : text;
};

/** Shows only the part of two observations that differs. */
function narrow(plain, hooked) {
  const both = [plain, hooked];
  if (both.some((value) => typeof value !== 'object' || value === null)) return [[], plain, hooked];
  const keys = [...new Set(both.flatMap(Object.keys))].filter((key) => !isDeepStrictEqual(plain[key], hooked[key]));
  if (keys.length !== 1) return [[], plain, hooked];
  const [path, ...rest] = narrow(plain[keys[0]], hooked[keys[0]]);
  return [[keys[0], ...path], ...rest];
}

function main() {
  const { values } = parseArgs({
    options: { import: { type: 'string' }, node: { type: 'string' }, filter: { type: 'string' } },
  });
  if (!values.import) {
    console.error('usage: node run.mjs --import <register.js> [--node <bin>] [--filter topic]');
    process.exitCode = 2;
    return;
  }
  const start = performance.now();
  const { node, filter } = values;
  const { passed, failures, cacheFiles } = compareConformance({ node, register: values.import, filter });
  for (const { run, name, plain, hooked } of failures) {
    const [path, before, after] = narrow(plain, hooked);
    console.log(`${run === 'plain again' ? 'unstable' : run}: ${[name, ...path].join(' > ')}`);
    console.log(`  plain   ${shorten(before)}\n  ${run === 'plain again' ? 'again ' : 'hooked'}  ${shorten(after)}`);
  }
  const unstable = failures.filter(({ run }) => run === 'plain again').length;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${unstable} unstable, ${cacheFiles} files in the cache after the cold run, ${seconds} s`);
  console.log(`${passed} passed, ${failures.length} failed`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) main();
