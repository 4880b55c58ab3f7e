import assert from 'node:assert/strict';
import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { describeEngine, type ExportBundleReport, type ImportBundleReport } from '../../dist/index.js';
import { sumModule } from '../../dist/testing/modules.js';
import { register, root, runProgram, temporaryDirectory } from '../support/processes.js';

const secret = 'the-secret-of-this-fleet';
const { SUPPORTED, installedNode } = await import(pathToFileURL(path.join(root, 'scripts', 'nodes.mjs')).href);

interface Options {
  node?: string;
  nodeOptions?: string[];
}

function exported(from: string, options: Options & { compression?: string } = {}): string {
  const { compression, ...run } = options;
  const to = path.join(temporaryDirectory(), 'bundle.tar');
  const { artifacts, leftOut } = report<ExportBundleReport>('export', { from, to, secret, compression }, run);
  assert.deepEqual([artifacts.length, leftOut], [1, []]);
  return to;
}

function imported(from: string, into: string, options: Options & { all?: boolean } = {}) {
  const { all, ...run } = options;
  const { artifacts } = report<ImportBundleReport>('import', { from, into, secret, all }, run);
  assert.equal(artifacts.length, 1);
  const [{ outcome = '', reasons = [] } = {}] = artifacts;
  return { outcome, reasons };
}

function report<T>(what: string, options: object, run: Options): T {
  const result = runProgram('bundle.mjs', { args: [what, JSON.stringify(options)], ...run });
  assert.deepEqual([result.status, result.signal, result.stderr], [0, null, ''], result.stderr);
  assert.equal(result.stdout.includes(secret), false);
  return JSON.parse(result.stdout);
}

/** A folder with the sum module, optimised by the given Node. */
function optimised(run: Options = {}): { directory: string; file: string } {
  const directory = path.join(temporaryDirectory(), 'cache');
  const file = path.join(temporaryDirectory(), 'module.wasm');
  writeFileSync(file, sumModule());
  const result = runProgram('optimise-sum.mjs', { args: [file, directory], ...run });
  assert.deepEqual([result.status, result.signal, result.stderr], [0, null, '']);
  return { directory, file };
}

describe('an imported artifact is a hit in a new process', () => {
  it('with the hook', () => {
    const work = (directory: string, mode: string) => {
      const env = { WASM_CACHE_DIR: directory, WASM_CACHE_MODE: mode };
      const result = runProgram('work.mjs', { nodeOptions: ['--import', register], env });
      assert.deepEqual([result.status, result.stderr], [0, '']);
      return JSON.parse(result.stdout);
    };
    const [from, into] = [temporaryDirectory(), temporaryDirectory()];
    const first = work(from, 'read-write');
    assert.deepEqual(imported(exported(from), into), { outcome: 'imported', reasons: [] });
    const second = work(into, 'read-only');
    assert.equal(first.restored, 0);
    assert.ok(second.restored > 0);
    assert.deepEqual(second.observed, first.observed);
  });

  it('with the library', () => {
    const [from, into] = [temporaryDirectory(), temporaryDirectory()];
    const env = { WASM_CACHE_DIR: from };
    const { status, stderr } = runProgram('hot.mjs', { nodeOptions: ['--import', register], env });
    assert.deepEqual([status, stderr], [0, '']);
    const load = () => runProgram('load-entry.mjs', { args: [into] }).stdout.trim();
    assert.equal(load(), 'NotFound');
    assert.deepEqual(imported(exported(from), into), { outcome: 'imported', reasons: [] });
    assert.equal(load(), 'hit');
  });
});

test('V8 flags that differ are a reason', () => {
  const bundle = exported(optimised().directory);
  const { outcome, reasons } = imported(bundle, temporaryDirectory(), { nodeOptions: ['--no-opt'] });
  assert.equal(outcome, 'unsuitable');
  assert.match(reasons.join('\n'), /^other V8 flags or CPU features: tag [0-9a-f]{8}, here [0-9a-f]{8} \(/);
  assert.equal(reasons.length, 1);
});

test('a process without the trap handler is a reason', () => {
  const bundle = exported(optimised().directory, { compression: 'none' });
  const nodeOptions = ['--disable-wasm-trap-handler'];
  const { outcome, reasons } = imported(bundle, temporaryDirectory(), { nodeOptions });
  assert.equal(outcome, 'unsuitable');
  assert.deepEqual(reasons, [
    "native code is not supported in this process: V8's WebAssembly trap handler is off, or it is not certain that it is on",
  ]);
});

test('another build of the same Node is a reason', (context) => {
  if (process.platform === 'win32') return context.skip('SKIPPED: the binary cannot be copied so');
  const node = path.join(temporaryDirectory(), 'node');
  copyFileSync(process.execPath, node);
  writeFileSync(node, 'more', { flag: 'a' }); // behind the part that the system loads
  const { outcome, reasons } = imported(exported(optimised().directory), temporaryDirectory(), { node });
  assert.equal(outcome, 'unsuitable');
  assert.match(reasons.join('\n'), /^another build of the same Node: its binary has (\d+) bytes, this one \d+ bytes$/);
});

describe('bundles between versions of Node:', () => {
  const majors: number[] = SUPPORTED;
  const own = Number.parseInt(process.versions.node, 10);
  const [other] = majors
    .filter((major) => major !== own && installedNode(major))
    .sort((a, b) => Math.abs(b - own) - Math.abs(a - own));
  const skip = (context: TestContext, missing: string) => {
    console.error(`SKIPPED: there is no ${missing} in .nodes; npm test -- --nodes 20,22,24,26 fetches what is missing`);
    context.skip(`no ${missing}`);
  };
  for (const [made, here] of [
    [own, other],
    [other, own],
  ]) {
    it(`made by Node ${made}, imported by Node ${here}`, (context) => {
      const [maker, importer] = [installedNode(made), installedNode(here)];
      if (!maker || !importer) return skip(context, 'other Node');
      const { directory } = optimised({ node: maker });
      const versionOf = (node: string) =>
        describeEngine(runProgram('engine-id.mjs', { node }).stdout.trim())?.node as string;
      const into = path.join(temporaryDirectory(), 'into');
      const bundle = exported(directory, { node: maker, compression: 'none' });
      const expected = [`made by Node ${versionOf(maker)}, this is ${versionOf(importer)}`];
      assert.deepEqual(imported(bundle, into, { node: importer }), { outcome: 'unsuitable', reasons: expected });
      assert.equal(existsSync(into), false);
      // With all engines, the folder serves the other Node.
      assert.deepEqual(imported(bundle, into, { node: importer, all: true }), {
        outcome: 'imported',
        reasons: expected,
      });
      assert.equal(imported(bundle, into, { node: maker }).outcome, 'kept');
    });
  }

  it('a compressed bundle needs a Node with Zstandard', (context) => {
    const [maker, importer] = [installedNode(majors.at(-1)), installedNode(majors[0])];
    if (!maker || !importer) return skip(context, 'first or last supported Node');
    const { outcome, reasons } = imported(
      exported(optimised({ node: maker }).directory, { node: maker }),
      temporaryDirectory(),
      {
        node: importer,
        all: true,
      },
    );
    assert.equal(outcome, 'unsuitable');
    assert.match(reasons.at(-1) ?? '', /^packed with Zstandard, which Node v20.* does not have \(from 22\.15\)$/);
  });
});
