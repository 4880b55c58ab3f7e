// node test/stress/retiering.mjs [--nodes 20,22,24,26] [--repeat 30]: the WebAssembly core spec suite of ../shared with every module from
// the cache, while another thread drops the code of random modules. Fails when an assertion that passes plain fails, or a process dies.
import '../../scripts/built.mjs';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nodeBinary } from '../../scripts/nodes.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const suite = path.join(root, '..', 'shared', 'conformance', 'spec', 'run-spec.mjs');
const { values } = parseArgs({
  options: { nodes: { type: 'string', default: '20,22,24,26' }, repeat: { type: 'string', default: '30' } },
});
const hook = ['--import', path.join(root, 'dist', 'register.js')];
const drop = ['--import', fileURLToPath(new URL('retier-modules.mjs', import.meta.url))];
let failed = false;

for (const major of values.nodes.split(',').map(Number)) {
  const node = nodeBinary(major);
  const work = mkdtempSync(path.join(tmpdir(), 'wasm-cache-retiering-'));
  const settings = {
    WASM_CACHE_DIR: path.join(work, 'cache'),
    WASM_CACHE_MIN_MODULE_SIZE: '0',
    WASM_CACHE_LEARN: 'off',
  };
  const run = (options, repeat) => {
    const json = path.join(work, 'result.json');
    const env = { ...process.env, ...settings, SPEC_REPEAT: String(repeat), SPEC_WARM_MS: '20' };
    spawnSync(node, [...options, suite, '--batch', '8', '--json', json], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return JSON.parse(readFileSync(json, 'utf8'));
  };
  const plain = run([], 1);
  run(hook, 200); // V8 finds the functions hot, and the cache is filled.
  let drops = 0;
  const counted = new Set(); // Eight files share a process, and what it wrote.
  for (let count = 1; count <= Number(values.repeat); count++) {
    const { files, pass } = run([...hook, ...drop], 5);
    for (const [file, { fails, stderr = '', crash }] of Object.entries(files)) {
      if (!counted.has(stderr)) drops += Number(/^drops (\d+)/m.exec(stderr)?.[1] ?? 0);
      counted.add(stderr);
      for (const [assertion, what] of Object.entries(fails)) {
        if (assertion in plain.files[file].fails && !crash) continue;
        console.error(`Node ${major}, round ${count}: ${file} ${assertion}: ${what}`);
        failed = true;
      }
    }
    if (pass < plain.pass) failed = true;
    console.log(`Node ${major}, round ${count}: ${pass} of ${plain.pass} passed, ${drops} drops so far`);
  }
  if (drops === 0) failed = true;
  rmSync(work, { recursive: true, force: true });
}
console.log(failed ? 'Dropping code changes results.' : 'No result differs.');
process.exit(failed ? 1 : 0);
