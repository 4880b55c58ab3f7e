import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { spreadOf } from '../../../dist/cli/bench/spread.js';
import { type BenchDocument, conclude, verdictOf } from '../../../dist/cli/commands/bench.js';
import { jsonOf, runCli, shapeOf } from '../../support/cli.js';
import { filesIn, root, temporaryDirectory } from '../../support/processes.js';

const node = process.execPath;
const SWC = `
  const { transformSync } = require('@swc/wasm');
  const source = 'class A { #b = 1; get c() { return this.#b ?? 2; } }\\n'.repeat(500);
  console.log(transformSync(source, { jsc: { target: 'es5' } }).code.length);
`;
const spread = { milliseconds: ['number'], median: 'number', lowerQuartile: 'number', upperQuartile: 'number' };

describe('wasm-cache bench -- <command>', () => {
  it('says how many times as fast a command is, and leaves nothing behind', () => {
    const env = { TMPDIR: temporaryDirectory(), CI: 'true', WASM_CACHE_DIR: temporaryDirectory() };
    const bench = jsonOf<BenchDocument>(['bench', '--runs', '3', '--', node, '-e', SWC], { cwd: root, env });
    // On a busy machine the gain of three runs may be within the noise.
    if (bench.verdict !== 'within-noise') {
      assert.equal(bench.verdict, 'faster', bench.conclusion);
      assert.match(bench.conclusion, /^[\d.]+ times as fast: [\d.]+ m?s plain, [\d.]+ m?s warm.$/);
    }
    assert.deepEqual([bench.modules, bench.output, bench.directory], [1, 'equal', null]);
    assert.ok((bench.webAssembly?.share as number) > 0.1, JSON.stringify(bench.webAssembly));
    assert.deepEqual(shapeOf(bench), {
      ...{ command: ['string'], directory: 'null', trainingRuns: 'number', modules: 'number' },
      ...{ artifactsSize: 'number', plain: spread, warm: spread, timesAsFast: 'number' },
      webAssembly: {
        ...{ runningMilliseconds: 'number', compilingMilliseconds: 'number', exitingMilliseconds: 'number' },
        ...{ wholeMilliseconds: 'number', share: 'number' },
      },
      ...{ verdict: 'string', output: 'string', conclusion: 'string' },
    });
    assert.deepEqual([...readdirSync(env.TMPDIR), ...readdirSync(env.WASM_CACHE_DIR)], []);
  });

  it('says that there is nothing to gain if no module is compiled, and exits with 1', () => {
    const { status, stdout, stderr } = runCli(['bench', '--runs', '2', '--', node, '-e', 'console.log(1)']);
    assert.deepEqual([status, stderr], [1, '']);
    assert.match(
      stdout,
      /^ +RUNS +MEDIAN +MIDDLE HALF\nplain +2 .*\nwarm +2 .*\n\nNo gain: the command compiled no module of at least 64 KiB/,
    );
    assert.match(stdout, /Cached: 0 modules, 0 B after 1 training run.\nWebAssembly took no time in a plain run/);
  });

  it('warns if the output differs with the hook, but not if it varies anyway', () => {
    const directory = temporaryDirectory();
    const bench = (script: string, code: number) =>
      jsonOf<BenchDocument>(['bench', '--runs', '2', '--dir', directory, '--', node, '-e', script], {}, code).output;
    assert.equal(bench('console.log(process.env.WASM_CACHE_DISABLE)', 1), 'different');
    assert.equal(bench('console.log(process.hrtime())', 1), 'varies');
    const { stdout } = runCli(['bench', '--runs', '2', '--', node, '-p', 'process.env.WASM_CACHE_DISABLE']);
    assert.match(stdout, /^Warning: with the hook, standard output was not the same/m);
  });

  it('uses the given folder', () => {
    const directory = temporaryDirectory();
    const work = [node, path.join(root, 'test/programs/work.mjs')];
    const { stdout } = runCli(['bench', '--runs', '2', '--json', '--dir', directory, '--', ...work]);
    assert.equal((JSON.parse(stdout) as BenchDocument).directory, directory);
    assert.ok(filesIn(directory).some((file) => file.endsWith('.artifact')));
  });

  it('exits with 3 if a run fails, and with 2 for wrong arguments', () => {
    const failed = runCli(['bench', '--', node, '-e', 'console.error("why"); process.exit(4)']);
    assert.deepEqual([failed.status, failed.stdout], [3, '']);
    assert.match(failed.stderr, /^error: .* ended with exit code 4, so its times say nothing; it printed:\nwhy\n$/);
    for (const [args, message] of [
      [[], /missing required argument/],
      [['--runs', '1', '--', 'true'], /--runs must be a whole number from 2, not '1'/],
      [['--', 'no-such-command'], /There is no command no-such-command/],
    ] as [string[], RegExp][]) {
      const { status, stdout, stderr } = runCli(['bench', ...args]);
      assert.deepEqual([status, stdout], [2, ''], args.join(' '));
      assert.match(stderr, message);
    }
  });
});

describe('conclude', () => {
  const slow = spreadOf([200, 210, 190, 205, 195].map((milliseconds) => ({ milliseconds })));
  const fast = spreadOf([100, 110, 90, 105, 95].map((milliseconds) => ({ milliseconds })));
  const noisy = spreadOf([120, 260, 140, 220, 200].map((milliseconds) => ({ milliseconds })));
  const part = (share: number) => ({
    ...{
      share,
      runningMilliseconds: 200 * share,
      compilingMilliseconds: 0,
      exitingMilliseconds: 0,
      wholeMilliseconds: 200,
    },
  });
  for (const [plain, warm, share, expected] of [
    [slow, fast, 0.6, '2.0 times as fast: 200 ms plain, 100 ms warm.'],
    [fast, slow, 0.6, 'Slower: it takes 2.0 times as long: 100 ms plain, 200 ms warm.'],
    [slow, noisy, 0.08, 'No gain: 92 % of the time is outside WebAssembly, and the difference is within the noise.'],
    [slow, noisy, 0.6, 'No measurable gain: the difference is within the noise (200 ms plain, 200 ms warm).'],
    [slow, noisy, undefined, 'No measurable gain: the difference is within the noise (200 ms plain, 200 ms warm).'],
  ] as const) {
    it(`says: ${expected}${share === undefined ? ' (also if the share is unknown)' : ''}`, () => {
      const webAssembly = share === undefined ? null : part(share);
      const timesAsFast = plain.median / warm.median;
      const verdict = verdictOf(plain, warm);
      assert.equal(conclude({ plain, warm, timesAsFast, webAssembly, verdict }, 65_536), expected);
    });
  }

  it('says what the hook costs if it has nothing to do', () => {
    const given = { plain: fast, warm: slow, timesAsFast: 0.5, webAssembly: null, verdict: 'no-modules' } as const;
    const expected = 'No gain: the command compiled no module of at least 64 KiB. The hook itself takes 100 ms.';
    assert.equal(conclude(given, 65_536), expected);
  });
});
