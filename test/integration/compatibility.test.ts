// node bench/compatibility.mjs with programs that give every kind of row.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { V8Engine } from '../../dist/index.js';
import { root, runProgram, temporaryDirectory } from '../support/processes.js';

const { unsupportedReason } = new V8Engine();
const [major = ''] = process.versions.node.split('.');
const SMALL = 'new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])';

const programs = {
  broken: 'throw new Error("It never ran")',
  ctl_control: '',
  none: 'console.log("RESULT 1")',
  // The clock and not a random number, which could be the same twice.
  unsteady: 'console.log("RESULT", process.hrtime.bigint())',
  worker: `
    import { isMainThread, Worker } from 'node:worker_threads';
    if (isMainThread) new Worker(new URL(import.meta.url)).on('exit', () => console.log('RESULT 2'));
    else await WebAssembly.instantiate(${SMALL});`,
};

describe('node bench/compatibility.mjs', { skip: unsupportedReason ?? false }, () => {
  const folder = temporaryDirectory();
  const modules = path.join(folder, 'node_modules');
  mkdirSync(modules);
  symlinkSync(path.join(root, 'node_modules', 'sql.js'), path.join(modules, 'sql.js'));
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module", "dependencies": { "sql.js": "*" } }');
  cpSync(path.join(root, 'bench', 'programs', 'sql.js.mjs'), path.join(folder, 'w_database.mjs'));
  for (const [name, source] of Object.entries(programs)) writeFileSync(path.join(folder, `w_${name}.mjs`), source);
  const json = path.join(folder, 'table.json');
  const counts = ['--runs', '1', '--train', '0', '--firsts', '1'];
  const measure = (...args: string[]) =>
    runProgram(path.join(root, 'bench', 'compatibility.mjs'), {
      args: ['--workloads', folder, '--nodes', major, '--json', json, ...counts, ...args],
    });
  const rows = () =>
    readFileSync(path.join(folder, 'table.md'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| '))
      .slice(2)
      .map((line) => line.split(' | ').map((cell) => cell.replaceAll('|', '').trim()));

  it('writes a row for each program, also if it fails', () => {
    const { status, stderr } = measure();
    assert.equal(status, 1, stderr); // not all results are equal
    const [broken, database, none, unsteady, worker, ...more] = rows();
    assert.deepEqual(more, []);
    const doesNotRun = 'plain: ended with 1: Error: It never ran';
    assert.deepEqual(broken, ['broken', 'none', '-', 'does not run', '-', doesNotRun]);
    const { version } = JSON.parse(readFileSync(path.join(modules, 'sql.js', 'package.json'), 'utf8'));
    assert.deepEqual(database?.slice(0, 3), [`sql.js ${version}`, '`instantiate`', '0.7 MB']);
    assert.match(database?.[3] ?? '', /^\d+\.\d\d x$/);
    assert.equal(database?.[4], 'yes');
    assert.doesNotMatch(database?.[5] ?? '', /not from the cache/);
    assert.deepEqual([none?.[1], none?.[4]], ['none', 'yes']);
    assert.match(none?.[5] ?? '', /^compiles no module/);
    assert.equal(unsteady?.[4], '**no**');
    assert.match(unsteady?.[5] ?? '', /^plain, first, warm runs give other results than the first plain one/);
    assert.deepEqual(worker?.slice(1, 3), ['`instantiate` in a worker', '8 B']);
    assert.match(worker?.[5] ?? '', /^only modules that are left to V8/);
  });

  it('does not measure a known program again, unless it failed', () => {
    const before = JSON.parse(readFileSync(json, 'utf8'));
    writeFileSync(path.join(folder, 'w_broken.mjs'), programs.none);
    measure();
    const { broken, ...after } = JSON.parse(readFileSync(json, 'utf8'));
    assert.equal(broken.nodes[process.versions.node].failed, undefined);
    const { broken: _, ...others } = before;
    assert.deepEqual(after, others);
  });

  it('says which argument is wrong', () => {
    const messageOf = (...args: string[]) => {
      const { status, stderr } = measure(...args);
      assert.equal(status, 2);
      return stderr;
    };
    assert.equal(messageOf('--nodes', '21'), '--nodes must be versions from 20, 22, 24, 26, not 21\n');
    assert.match(
      messageOf('--only', 'nothing'),
      /^--only: there is no program nothing; the programs are broken, database, none/,
    );
    assert.equal(messageOf('--runs', '0'), '--runs must be a whole number of at least 1, not 0\n');
    const empty = temporaryDirectory();
    assert.ok(messageOf('--workloads', empty).startsWith(`${empty} has no node_modules: run npm ci`));
  });
});
