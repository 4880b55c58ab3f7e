import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import type { TrainDocument } from '../../../dist/cli/commands/train.js';
import { runCli, shapeOf } from '../../support/cli.js';
import { until } from '../../support/learning.js';
import { filesIn, root, temporaryDirectory } from '../../support/processes.js';

const program = (name: string) => path.join(root, 'test', 'programs', name);
const node = process.execPath;
const WORK = [node, program('work.mjs'), 'hot'];

function train(directory: string, options: string[], command: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = runCli(['train', '--json', '--dir', directory, ...options, '--', ...command], {
    env,
  });
  return { status, stderr, document: stdout === '' ? undefined : (JSON.parse(stdout) as TrainDocument) };
}

describe('wasm-cache train', () => {
  it('runs a command until its artifacts are final, also in CI', () => {
    const directory = temporaryDirectory();
    const { status, stdout, stderr } = runCli(['train', '--dir', directory, '--', ...WORK], { env: { CI: 'true' } });
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^run 1: .*, 1 module, 0 from the cache.*\n(run 2: .*, 1 module, 1 from the cache.*\n)+/);
    assert.match(stderr, /, final\n$/);
    assert.match(stdout, /^KEY .*\n[0-9a-f]{12} .* hot, final .* Node \d/);
    assert.match(
      stdout,
      /All artifacts are final: nothing is left to learn.\nThe first run took .* the last one, run \d/,
    );

    const again = train(directory, [], WORK.slice(1)); // a script
    assert.equal(again.status, 0);
    assert.deepEqual([again.document?.outcome, again.document?.runs.length], ['final', 1]);
    const [{ before, after } = assert.fail()] = again.document?.artifacts ?? [];
    assert.deepEqual(before, after);
  });

  it('prints JSON of the documented shape', () => {
    const { document } = train(temporaryDirectory(), ['--runs', '1'], WORK);
    const engine = {
      ...{ id: 'string', node: 'string', v8: 'string', platform: 'string', arch: 'string', tag: 'string' },
      ...{ isThisNode: 'boolean', isThisEngine: 'boolean' },
    };
    const artifact = {
      ...{ key: 'string', file: 'string', size: 'number', moduleSize: 'number', nativeCodeSize: 'number' },
      ...{ coverage: 'string', generation: 'number', final: 'boolean', bypassedUntil: 'null', signed: 'boolean' },
      ...{ engine, writtenAt: 'string', usedAt: 'string', damage: 'null' },
    };
    const run = {
      ...{ milliseconds: 'number', exitCode: 'number', signal: 'null', stopped: 'boolean', modules: 'number' },
      ...{ hits: 'number', learningMilliseconds: 'number', givenUp: [] },
    };
    assert.deepEqual(shapeOf(document), {
      ...{ directory: 'string', command: ['string'], runs: [run], outcome: 'string' },
      artifacts: [{ name: 'string', before: 'null', after: artifact }],
    });
    assert.equal(document?.outcome, 'runs-used-up');
    assert.deepEqual([document?.runs[0]?.modules, document?.runs[0]?.hits], [1, 0]);
  });

  it('ends a command that does not end by itself, after saving it', () => {
    const { status, stderr, document } = train(
      temporaryDirectory(),
      ['--stop-after', '3s'],
      [...['sh', '-c', `"$0" "$1"; true`, node, program('server.mjs')]],
    );
    assert.equal(status, 0, stderr);
    assert.equal(document?.outcome, 'final', stderr);
    assert.ok(document.runs.every(({ stopped }) => stopped));
    assert.match(stderr, /^run 1: stopped after 3/);
  });

  it('also saves the modules of its workers', () => {
    const script = `new (require('node:worker_threads').Worker)(${JSON.stringify(program('server.mjs'))})`;
    const { status, stderr, document } = train(temporaryDirectory(), ['--stop-after', '3s'], [node, '-e', script]);
    assert.equal(status, 0, stderr);
    assert.equal(document?.outcome, 'final', stderr);
  });

  it('says that nothing could be saved, and exits with 1', () => {
    const file = JSON.stringify(path.join(root, 'node_modules/sql.js/dist/sql-wasm.wasm'));
    const script = `new WebAssembly.Module(require('fs').readFileSync(${file})); process.kill(process.pid, 'SIGKILL');`;
    const options = ['--dir', temporaryDirectory(), '--keep-going'];
    const { status, stdout } = runCli(['train', ...options, '--', node, '-e', script]);
    assert.equal(status, 1);
    assert.match(stdout, /^Nothing is stored of its modules/);
  });

  it('trains modules that only workers run', () => {
    const { status, stderr, document } = train(temporaryDirectory(), [], [node, program('hot.mjs'), 'worker']);
    assert.deepEqual([status, document?.outcome], [0, 'final'], stderr);
  });

  it('keeps the NODE_OPTIONS that are set, and accepts paths with spaces', () => {
    const directory = path.join(temporaryDirectory(), 'with spaces');
    mkdirSync(directory, { mode: 0o700 });
    const preload = path.join(directory, 'preload.cjs');
    writeFileSync(preload, 'globalThis.isPreloaded = true;');
    const script = 'if (!globalThis.isPreloaded) process.exit(7)';
    const cache = path.join(directory, 'cache');
    const { status, stderr } = train(cache, [], [node, '-e', script], {
      NODE_OPTIONS: `--require "${preload}"`,
      TMPDIR: directory,
    });
    assert.deepEqual([status], [1], stderr);
  });

  it('says that no module was compiled, and exits with 1', () => {
    const { status, stdout } = runCli(['train', '--dir', temporaryDirectory(), '--', node, '-e', '0']);
    assert.equal(status, 1);
    assert.match(stdout, /^The command compiled no module that the cache keeps/);
  });

  it('exits with 3 if a run fails, and prints which run and its output', () => {
    const directory = temporaryDirectory();
    const failing = [node, '-e', 'console.log("out"); console.error("why"); process.exit(4)'];
    const { status, stderr, document } = train(directory, [], failing);
    assert.deepEqual([status, document], [3, undefined]);
    assert.match(stderr, /^error: Run 1 of .* ended with exit code 4 \(--keep-going .*it printed:\nout\nwhy\n$/);
    const kept = train(directory, ['--keep-going'], ['sh', '-c', '"$@"; exit 4', 'sh', ...WORK]);
    assert.deepEqual([kept.status, kept.document?.outcome], [1, 'final'], kept.stderr);
    assert.match(kept.stderr, /^warning: Run 1 of .* ended with exit code 4$/m);
  });

  it('leaves nothing behind when it is interrupted', async () => {
    const directory = temporaryDirectory();
    const ready = path.join(directory, 'ready');
    const script = `require('fs').writeFileSync(${JSON.stringify(ready)}, String(process.pid)); setInterval(() => {}, 1000)`;
    const args = [
      path.join(root, 'dist/cli/main.js'),
      'train',
      '--dir',
      path.join(directory, 'cache'),
      '--',
      node,
      '-e',
      script,
    ];
    const child = spawn(node, args, {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, TMPDIR: directory },
    });
    await until('the command runs', () => filesIn(directory).includes(ready));
    child.kill('SIGINT');
    const [printed, [, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    assert.deepEqual([printed, signal], ['', 'SIGINT']);
    assert.deepEqual(filesIn(directory), [ready]);
  });

  it('says what was wrong', () => {
    const directory = temporaryDirectory();
    for (const [args, env, message] of [
      [[], {}, /missing required argument 'command'/],
      [['--runs', '0', '--', 'true'], {}, /--runs must be a whole number from 1, not '0'/],
      [['--stop-after', '30', '--', 'true'], {}, /--stop-after must be a time with its unit, such as .*, not '30'/],
      [['--', 'no-such-command'], {}, /There is no command no-such-command/],
      [['--', 'true'], { WASM_CACHE_DISABLE: '1' }, /WASM_CACHE_DISABLE=1: unset it/],
      [['--', 'true'], { WASM_CACHE_MODE: 'read-only' }, /WASM_CACHE_MODE=read-only: unset it/],
    ] as [string[], Record<string, string>, RegExp][]) {
      const { status, stdout, stderr } = runCli(['train', '--dir', directory, ...args], { env });
      assert.deepEqual([status, stdout], [2, ''], args.join(' '));
      assert.match(stderr, message);
    }
    chmodSync(directory, 0o777);
    assert.equal(runCli(['train', '--dir', directory, '--', 'true']).status, 3);
  });
});
