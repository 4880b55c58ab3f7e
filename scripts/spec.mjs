// node scripts/spec.mjs [--nodes 20,26]: the WebAssembly core spec suite of ../shared/conformance, plain, hooked with an
// empty cache, hooked again with the code that V8 found hot, with what learners made of what ran, and with what they made of all
// functions (coverage full); those with code from a cache call every assertion at least 30 times. Fails when an assertion that passes plain
// fails hooked. Skips, loudly, without ../shared.
import './built.mjs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { decodeHeader } from '../dist/artifact/header.js';
import { nodeBinary, SUPPORTED } from './nodes.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const suite = path.join(root, '..', 'shared', 'conformance', 'spec', 'run-spec.mjs');
const register = path.join(root, 'dist', 'register.js');
const at = process.argv.indexOf('--nodes');
const majors = at < 0 ? SUPPORTED : process.argv[at + 1].split(',').map(Number);

if (!existsSync(suite)) {
  console.error(`SKIPPED: the spec suite is not at ${suite}`);
  process.exit(process.env.CI === 'true' ? 1 : 0);
}

/** Jobs without bytes were given up. */
async function learnersAreDone(folder) {
  const isOpen = (file) => (statSync(path.join(folder, file), { throwIfNoEntry: false })?.size ?? 0) > 0;
  while (readdirSync(folder).some(isOpen)) await setTimeout(100);
}

let failed = false;
const binaries = majors.map((major) => [major, nodeBinary(major)]);
// Two versions at a time: a process of the suite uses one core.
await Promise.all(
  [1, 2].map(async () => {
    for (let next = binaries.shift(); next !== undefined; next = binaries.shift()) await check(...next);
  }),
);
console.log(failed ? 'The hook changes results.' : 'No assertion that passes plain fails with the hook.');
process.exit(failed ? 1 : 0);

async function check(major, node) {
  const work = mkdtempSync(path.join(tmpdir(), 'wasm-cache-spec-'));
  const run = async (name, options, env) => {
    const json = path.join(work, `${name}.json`);
    const settings = { ...process.env, SPEC_REPEAT: '30', SPEC_WARM_MS: '20', ...env };
    // Most of the time of a process that runs one file is Node's start.
    const args = [...options, suite, '--batch', '8', '--json', json];
    const suiteRun = spawn(node, args, { env: settings, stdio: ['ignore', 'ignore', 'inherit'] });
    await once(suiteRun, 'exit');
    const result = JSON.parse(readFileSync(json, 'utf8'));
    console.log(
      `Node ${major} ${name}: ${result.pass} passed, ${result.fail} failed, ${result.skip} skipped (${result.seconds} s)`,
    );
    return result;
  };
  const cache = path.join(work, 'hot');
  const hook = ['--import', register];
  const env = { WASM_CACHE_DIR: cache, WASM_CACHE_MIN_MODULE_SIZE: '0', WASM_CACHE_LEARN: 'off' };
  const data = path.join(path.dirname(suite), 'data');
  const comparing = spawn(node, [path.join(root, 'scripts', 'same-code.mjs'), data]);
  const [found, errors, [status]] = await Promise.all([
    text(comparing.stdout),
    text(comparing.stderr),
    once(comparing, 'exit'),
  ]);
  console.log(`Node ${major}: ${found.trim()}${errors}`);
  if (status !== 0) failed = true;
  const plain = await run('plain', [], { SPEC_REPEAT: '1' }); // for its results, which are those of cold code, too
  // The repetitions make functions hot, so that the second hooked run restores optimised code.
  const results = [await run('cold', hook, { ...env, SPEC_REPEAT: '200' }), await run('warm', hook, env)];

  // Everything that runs is learnt, also what V8 never finds hot: an artifact for the functions that ran in the first run
  // when V8 had optimised some, in the second when it had none. Of all functions there is one after the first run.
  const folders = [cache];
  for (const [coverage, runs] of [
    ['hot', 2],
    ['full', 1],
  ]) {
    const folder = path.join(work, `learnt-${coverage}`);
    folders.push(folder);
    const learning = { ...env, WASM_CACHE_DIR: folder, WASM_CACHE_LEARN: coverage, SPEC_REPEAT: '5' };
    for (let count = 1; count <= runs; count++) {
      results.push(await run(`learning ${coverage} ${count}`, hook, learning));
      await learnersAreDone(path.join(folder, 'learning'));
    }
    const reading = { ...learning, WASM_CACHE_MODE: 'read-only', SPEC_REPEAT: '30' };
    results.push(await run(`learnt ${coverage}`, hook, reading));
  }
  for (const hooked of results) {
    for (const [file, { fails, stderr, exit }] of Object.entries(hooked.files)) {
      if (exit !== plain.files[file].exit) fails.EXIT = `the process ended with ${exit}`;
      for (const assertion of Object.keys(fails)) {
        if (assertion in plain.files[file].fails) continue;
        console.error(`only with the hook: ${file} ${assertion}: ${fails[assertion]} ${stderr ?? ''}`);
        failed = true;
      }
    }
    if (hooked.pass < plain.pass) failed = true;
  }
  for (const folder of folders) {
    const artifacts = { hot: 0, full: 0, none: 0 };
    for (const file of readdirSync(folder, { recursive: true }).filter((each) => each.endsWith('.artifact'))) {
      artifacts[decodeHeader(readFileSync(path.join(folder, file))).coverage]++;
    }
    const wanted = folder.endsWith('full') ? 'full' : 'hot';
    console.log(`Node ${major}: artifacts in ${path.basename(folder)}: ${JSON.stringify(artifacts)}`);
    if (artifacts[wanted] === 0) failed = true;
  }
  rmSync(work, { recursive: true, force: true });
}
