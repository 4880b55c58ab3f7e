import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import type { DoctorDocument } from '../../dist/cli/commands/doctor.js';
import type { KeptVerdict } from '../../dist/probe/verdict.js';
import { SECRET } from '../support/bundles.js';
import { until } from '../support/learning.js';
import {
  type RunOptions,
  register,
  root,
  runProgram,
  runProgramAsync,
  temporaryDirectory,
} from '../support/processes.js';
import { untestedNode } from '../support/untested-nodes.js';

// Two unsupported versions of Node with an untested V8. One has all doors to V8, the other has not.
const USABLE = 23;
const UNUSABLE = 25;

for (const [major, isUsable] of [
  [USABLE, true],
  [UNUSABLE, false],
] as const) {
  const { node, missing } = untestedNode(major);

  describe(`the hook on the untested V8 of Node ${major}`, { skip: missing ?? false }, () => {
    const directory = temporaryDirectory();
    const jobs = path.join(directory, 'learning');

    /** Runs a program with the hook. The debug output is split into lines, without the process number. */
    function run(options: RunOptions = {}) {
      const { status, stdout, stderr } = runProgram('hot.mjs', hooked(options));
      assert.equal(status, 0, stderr);
      return { ...JSON.parse(stdout), debug: linesOf(stderr) };
    }
    const hooked = ({ env, ...options }: RunOptions = {}): RunOptions => ({
      ...{ node: node as string, nodeOptions: ['--import', register], ...options },
      env: { WASM_CACHE_DIR: directory, WASM_CACHE_LEARN: 'hot', NODE_DEBUG: 'wasm-cache', ...env },
    });
    const linesOf = (stderr: string) =>
      stderr.split('\n').flatMap((line) => /^WASM-CACHE \d+: (.*)/.exec(line)?.[1] ?? []);
    const verdicts = (folder = directory) => {
      const files = path.join(folder, 'verdicts');
      return existsSync(files) ? readdirSync(files).filter((name) => name.endsWith('.json')) : [];
    };
    const verdict = (): KeptVerdict =>
      JSON.parse(
        readFileSync(path.join(directory, 'verdicts', String(verdicts()[0])), 'utf8').split('\n')[0] as string,
      );
    const isProbed = (folder = directory) =>
      verdicts(folder).length === 1 && readdirSync(path.join(folder, 'learning')).length === 0;

    before(async () => {
      const { restored, sum, debug } = run();
      assert.deepEqual([restored, sum], [false, 500_505]);
      assert.equal(debug.length, 1, debug.join('\n'));
      assert.match(
        debug[0],
        /^FAILED: V8 [\d.]+ \(Node v[\d.]+\) has not been tried, and a process of its own now tries it/,
      );
      await until('the verdict', isProbed, 120);
    });

    it('tries V8 in a separate process, and keeps the verdict', () => {
      const { reason, steps, ...kept } = verdict();
      assert.equal(kept.isUsable, isUsable, String(reason));
      assert.equal(steps.length, isUsable ? 8 : 1);
      if (!isUsable) assert.match(reason ?? '', /^step "open": V8's deserialiser cannot be reached/);
    });

    it('follows the verdict', () => {
      const first = run();
      const second = run();
      assert.deepEqual(
        [first.restored, first.sum, first.trap],
        [false, 500_505, 'RuntimeError: memory access out of bounds'],
      );
      assert.deepEqual([second.restored, second.sum, second.trap], [isUsable, first.sum, first.trap]);
      if (isUsable) {
        assert.equal(second.unsupported, undefined);
        assert.ok(second.debug.some((line: string) => line.startsWith('hit ')));
      } else {
        assert.equal(second.debug.length, 1);
        assert.match(second.debug[0], /^FAILED: V8 [\d.]+ \(Node v[\d.]+\) was tried and cannot be used: step "open"/);
        assert.match(second.unsupported, /was tried and cannot be used/);
      }
    });

    it('learns nothing', () => {
      run();
      assert.deepEqual(readdirSync(jobs), []);
    });

    it('follows the verdict in workers, too', () => {
      const { status, stdout, stderr } = runProgram('hot.mjs', hooked({ args: ['worker'] }));
      assert.equal(status, 0, stderr);
      assert.equal(JSON.parse(stdout).restored, isUsable);
    });

    it('gives the results of sql.js without the hook', () => {
      const program = path.join(root, 'bench/programs/sql.js.mjs');
      const plain = runProgram(program, { node: node as string });
      for (let round = 0; round < 3; round++) {
        const { status, stdout, stderr } = runProgram(program, hooked());
        assert.deepEqual([status, stdout], [0, plain.stdout], stderr);
        if (round === 2)
          assert.equal(
            linesOf(stderr).some((line) => line.startsWith('hit ')),
            isUsable,
          );
      }
    });

    it('starts nothing while a process is trying V8 or was killed recently, and tries again later', async () => {
      const folder = temporaryDirectory();
      const env = { WASM_CACHE_DIR: folder };
      run({ env });
      await until('the verdict', () => isProbed(folder), 120);
      const job = String(verdicts(folder)[0]).replace('.json', '.wasm');
      rmSync(path.join(folder, 'verdicts'), { recursive: true });
      // The state after such a process was killed.
      const file = path.join(folder, 'learning', job);
      writeFileSync(file, 'a job', { mode: 0o600 });
      assert.match(run({ env }).debug[0], /has not been tried, and a process is trying it$/);
      assert.deepEqual(verdicts(folder), []);
      const seconds = Date.now() / 1000 - 3600;
      utimesSync(file, seconds, seconds);
      assert.match(run({ env }).debug[0], /a process of its own now tries it/);
      await until('the verdict', () => isProbed(folder), 120);
    });

    it('starts one try for two programs that start at once', async () => {
      const env = { WASM_CACHE_DIR: temporaryDirectory() };
      const results = await Promise.all(
        [1, 2, 3].map(() => runProgramAsync('hot.mjs', hooked({ env, args: ['Module', 'short'] }))),
      );
      const lines = results.flatMap(({ stderr }) => linesOf(stderr));
      assert.equal(
        lines.filter((line) => line.includes('a process of its own now tries it')).length,
        1,
        lines.join('\n'),
      );
      await until('the verdict', () => isProbed(env.WASM_CACHE_DIR), 120);
    });

    for (const { name, env, said } of [
      { name: 'WASM_CACHE_LEARN=off', env: { WASM_CACHE_LEARN: 'off' }, said: /has not been tried: probeV8\(\) and/ },
      {
        name: 'WASM_CACHE_MODE=read-only',
        env: { WASM_CACHE_MODE: 'read-only' },
        said: /has not been tried: probeV8\(\) and/,
      },
      { name: 'CI', env: { WASM_CACHE_LEARN: '', CI: 'true' }, said: /has not been tried: probeV8\(\) and/ },
    ]) {
      it(`is not tried with ${name}`, () => {
        const folder = path.join(temporaryDirectory(), 'cache');
        const { debug } = run({ env: { ...env, WASM_CACHE_DIR: folder } });
        assert.equal(debug.length, 1);
        assert.match(debug[0], said);
        assert.equal(existsSync(folder), false);
      });
    }

    it('runs on if the folder cannot be written to or is not trusted', {
      skip: process.geteuid?.() !== 0,
    }, () => {
      const parent = temporaryDirectory();
      writeFileSync(path.join(parent, 'file'), '');
      const inFile = run({ env: { WASM_CACHE_DIR: path.join(parent, 'file', 'cache') } });
      assert.deepEqual([inFile.sum, inFile.debug.length], [500_505, 1]);
      chmodSync(parent, 0o711);
      const readOnly = path.join(parent, 'read-only');
      mkdirSync(readOnly, { mode: 0o755 });
      const unable = run({ env: { WASM_CACHE_DIR: readOnly }, uid: 65_534 });
      assert.deepEqual([unable.sum, unable.debug.length], [500_505, 1]);
      assert.match(unable.debug[0], /no process can be started to try it: .*EACCES/);
      const open = path.join(parent, 'open');
      mkdirSync(open);
      chmodSync(open, 0o777);
      const untrusted = run({ env: { WASM_CACHE_DIR: open } });
      assert.equal(untrusted.sum, 500_505);
      assert.match(untrusted.debug[0], /can be written by others/);
      assert.deepEqual(readdirSync(open), []);
    });

    it('signs the verdict if there is a secret', async () => {
      const env = { WASM_CACHE_DIR: temporaryDirectory(), WASM_CACHE_SECRET: SECRET };
      run({ env });
      await until('the verdict', () => isProbed(env.WASM_CACHE_DIR), 120);
      assert.match(run({ env }).debug[0], isUsable ? /^miss/ : /was tried and cannot be used/);
      const other = { ...env, WASM_CACHE_SECRET: 'another-secret-of-somebody' };
      assert.match(run({ env: { ...other, WASM_CACHE_LEARN: 'off' } }).debug[0], /has not been tried/);
    });

    it('has no verdict and a job that can be repeated, if the process that tries V8 is killed', async () => {
      const folder = temporaryDirectory();
      const engineId = verdict().subject.replace(/_addon-.*/, '');
      const probe = spawn(node as string, [path.join(root, 'dist/probe/probe-process.js'), folder, engineId], {
        stdio: 'ignore',
      });
      const children = `/proc/${probe.pid}/task/${probe.pid}/children`;
      await until('a step', () => readFileSync(children, 'utf8') !== '');
      probe.kill('SIGKILL');
      await new Promise((resolve) => probe.once('exit', resolve));
      assert.deepEqual(verdicts(folder), []);
      run({ env: { WASM_CACHE_DIR: folder } });
      await until('the verdict', () => isProbed(folder), 120);
    });

    it('is reported by the library, which tries V8 when asked to', () => {
      const folder = temporaryDirectory();
      for (const round of [1, 2]) {
        const { stdout, stderr } = runProgram('probe-v8.mjs', { node: node as string, args: [folder] });
        const { before: said, verdict: given, canSerialize, unsupportedReason } = JSON.parse(stdout || stderr);
        assert.match(said, /has not been tried: probeV8\(\)/, `round ${round}`);
        assert.deepEqual([given.isUsable, given.isTested, canSerialize], [isUsable, false, isUsable]);
        assert.equal(given.reason, unsupportedReason);
      }
      assert.equal(verdicts(folder).length, 1);
    });

    it('is reported by wasm-cache doctor, which tries V8 if there is no verdict', () => {
      const folder = temporaryDirectory();
      for (const message of [/was tried now: 8 steps went well in/, /was tried \d{4}-\d\d-\d\d/]) {
        const { stdout, stderr } = runProgram(path.join(root, 'dist/cli/main.js'), {
          ...{ node: node as string, args: ['doctor', '--json', '--dir', folder] },
        });
        const { findings, roundTrip } = JSON.parse(stdout || stderr) as DoctorDocument;
        const of = (id: string) => findings.find((finding) => finding.id === id);
        assert.equal(of('node')?.status, isUsable ? 'ok' : 'problem');
        if (isUsable) assert.match(of('v8')?.message ?? '', message);
        else assert.match(of('node')?.message ?? '', /was tried and cannot be used: step "open"/);
        assert.equal(roundTrip?.hit, isUsable ? true : undefined);
      }
    });
  });
}
