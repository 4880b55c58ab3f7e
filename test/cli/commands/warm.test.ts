import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { decodeArtifact } from '../../../dist/artifact/artifact.js';
import { isSigned } from '../../../dist/artifact/header.js';
import type { WarmDocument } from '../../../dist/cli/commands/warm.js';
import { inParallel } from '../../../dist/cli/processes/in-parallel.js';
import { readNativeCode } from '../../../dist/engine/native-code.js';
import { countFunctions } from '../../../dist/engine/wasm-binary.js';
import { sumModule } from '../../../dist/testing/modules.js';
import { runCli, shapeOf } from '../../support/cli.js';
import { everythingModule } from '../../support/everything.js';
import { until } from '../../support/learning.js';
import { filesIn, type RunOptions, root, runProgram, temporaryDirectory } from '../../support/processes.js';

const large = everythingModule(70_000);

/** The folder of a project. Commands run in its folder `here`. */
function project(): { here: string; cache: string } {
  const folder = temporaryDirectory();
  const here = path.join(folder, 'here');
  const files: Record<string, Uint8Array | string> = {
    'here/plugin.wasm': sumModule({ padding: 70_000 }),
    'here/plugins/a.wasm': sumModule({ offset: 1, padding: 80_000 }),
    'here/plugins/deep/copy-of-a.wasm': sumModule({ offset: 1, padding: 80_000 }),
    'here/plugins/small.wasm': sumModule(),
    'here/plugins/readme.md': '',
    'here/broken/magic.wasm': Buffer.alloc(70_000, 'not wasm'),
    'here/broken/body.wasm': Buffer.concat([sumModule({ padding: 70_000 }), Buffer.from([0x0a, 0x7f])]),
    'here/node_modules/.bin/tool.wasm': sumModule({ offset: 9, padding: 70_000 }),
    'node_modules/@scope/with-wasm/dist/it.wasm': large,
    'node_modules/without/index.js': '',
    'elsewhere/other.wasm': sumModule({ offset: 3, padding: 70_000 }),
  };
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), content);
  }
  symlinkSync(path.join(folder, 'elsewhere'), path.join(here, 'plugins', 'link'));
  return { here, cache: path.join(folder, 'cache') };
}

function warm(
  { here, cache }: { here: string; cache: string },
  args: string[],
  options: Omit<RunOptions, 'args' | 'cwd'> = {},
) {
  const { status, stdout, stderr } = runCli(['warm', '--json', '--dir', cache, ...args], { ...options, cwd: here });
  const document = stdout === '' ? undefined : (JSON.parse(stdout) as WarmDocument);
  const modules = document?.modules.map(({ file, result }) => `${path.relative(here, file)} ${result}`);
  return { status, stderr, document, modules };
}

describe('wasm-cache warm', () => {
  it('optimises all functions of a file, for programs to load', () => {
    const { here, cache } = project();
    const { status, stdout, stderr } = runCli(['warm', 'plugin.wasm', '--dir', cache], { cwd: here });
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^plugin.wasm: compiled, \d.*\n$/);
    assert.match(stdout, /^FILE .*\nplugin.wasm +\d+ KiB .* compiled\n\n1 compiled in .*, for Node \d.* in .*cache\n$/);
    assert.ok(!stdout.includes('\x1b'));
  });

  it('accepts packages, folders, patterns and files, takes each module once, and skips small, linked and stored ones', () => {
    const given = project();
    const first = warm(given, ['plugins', '@scope/with-wasm', '--jobs', '1']);
    assert.equal(first.status, 0, first.stderr);
    assert.deepEqual(first.modules, [
      ...['plugins/a.wasm compiled', 'plugins/deep/copy-of-a.wasm same', 'plugins/small.wasm too-small'],
      '../node_modules/@scope/with-wasm/dist/it.wasm compiled',
    ]);
    const second = warm(given, ['**/*.wasm', 'plugin.wasm', '--jobs', '1']);
    assert.deepEqual(
      second.modules?.filter((module) => /^plugin/.test(module)),
      [
        ...['plugin.wasm compiled', 'plugins/a.wasm fresh', 'plugins/deep/copy-of-a.wasm same'],
        'plugins/small.wasm too-small',
      ],
    );
    const [artifact = assert.fail()] = filesIn(given.cache).filter((file) =>
      file.includes(String(first.document?.modules[3]?.key)),
    );
    const { nativeCode, coverage, final } = decodeArtifact(readFileSync(artifact));
    assert.deepEqual([coverage, final], ['full', true]);
    const functions = countFunctions(large);
    assert.equal(readNativeCode(nativeCode, functions).optimised.size, functions.declared);
  });

  it('prints JSON of the documented shape', () => {
    const { document } = warm(project(), ['plugin.wasm', 'plugins/small.wasm', 'broken/magic.wasm']);
    const common = { file: 'string', size: 'number', result: 'string', milliseconds: 'number' };
    assert.deepEqual(shapeOf(document), {
      ...{ directory: 'string', engine: 'string', milliseconds: 'number' },
      modules: [
        { ...common, key: 'string', artifactSize: 'number', reason: 'null' },
        { ...common, key: 'null', artifactSize: 'null', reason: 'null' },
        { ...common, key: 'string', artifactSize: 'null', reason: 'string' },
      ],
    });
  });

  it('goes on after a file that is no module, and exits with 3', () => {
    const { here, cache } = project();
    const { status, stdout, stderr } = runCli(['warm', 'broken', 'plugin.wasm', '--dir', cache], { cwd: here });
    assert.equal(status, 3);
    assert.match(stderr, /^broken\/magic.wasm: failed: This V8 rejects it: expected magic word 00 61 73 6d/m);
    assert.match(stderr, /^broken\/body.wasm: failed: This V8 rejects it: /m);
    assert.match(stderr, /^plugin.wasm: compiled/m);
    assert.match(stdout, /1 compiled, 2 failed in /);
  });

  it('does not take other files for small modules', () => {
    const { here, cache } = project();
    writeFileSync(path.join(here, 'README.md'), '# A plugin');
    const { status, stdout } = runCli(['warm', 'README.md', 'plugins/small.wasm', '--dir', cache], { cwd: here });
    assert.equal(status, 3);
    assert.match(stdout, /README.md is not a WebAssembly binary: it begins with 23204120/);
    assert.match(stdout, /1 too small, 1 failed in /);
  });

  it('is for the Node that runs it, with its options, and signs with the secret', () => {
    const given = project();
    const nodeOptions = ['--stack-size=900'];
    const engine = runProgram('engine-id.mjs', { nodeOptions }).stdout.trim();
    const env = { WASM_CACHE_SECRET: 'the-secret-of-this-fleet' };
    const { status, document } = warm(given, ['plugin.wasm'], { nodeOptions, env });
    assert.deepEqual([status, document?.engine], [0, engine]);
    assert.deepEqual(warm(given, ['plugin.wasm'], { nodeOptions, env }).modules, ['plugin.wasm fresh']);
    assert.ok(filesIn(given.cache).some((file) => file.endsWith('.artifact') && isSigned(readFileSync(file))));
    assert.deepEqual(warm(given, ['plugin.wasm'], { env }).modules, ['plugin.wasm compiled']);
  });

  it('warns if the folder is too small for the compiled modules', () => {
    const { status, stderr } = warm(project(), ['plugin.wasm'], { env: { WASM_CACHE_MAX_SIZE: '100' } });
    assert.equal(status, 0);
    assert.match(stderr, /^warning: The folder holds .*, more than WASM_CACHE_MAX_SIZE, 100 B: /m);
  });

  it('keeps finished modules when it is interrupted, and continues from there', async () => {
    const given = project();
    const names = Array.from({ length: 40 }, (_, number) => `many/${number}.wasm`);
    mkdirSync(path.join(given.here, 'many'));
    for (const [number, name] of names.entries()) {
      writeFileSync(path.join(given.here, name), sumModule({ offset: number, padding: 70_000 }));
    }
    const args = [path.join(root, 'dist/cli/main.js'), 'warm', 'many', '--jobs', '1', '--dir', given.cache];
    const child = spawn(process.execPath, args, { cwd: given.here, stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (data) => {
      stderr += data;
    });
    await until('two are done', () => stderr.split('\n').length > 2);
    child.kill('SIGINT');
    const [, signal] = await once(child, 'close');
    assert.equal(signal, 'SIGINT');
    assert.match(stderr, /Interrupted: \d+ compiled modules? stored/);
    const kept = filesIn(given.cache).filter((file) => file.endsWith('.artifact')).length;
    assert.ok(kept >= 2 && kept < 40, `${kept} artifacts`);
    assert.deepEqual(filesIn(given.cache).length, kept, 'no job and nothing unfinished is left');
    const again = warm(given, ['many']);
    assert.equal(again.modules?.filter((module) => module.endsWith(' fresh')).length, kept);
    assert.equal(again.modules?.filter((module) => module.endsWith(' compiled')).length, 40 - kept);
  });

  it('says what was wrong', () => {
    const given = project();
    for (const [args, message] of [
      [[], /missing required argument 'module'/],
      [['nothing'], /There is no file, folder or package nothing: give a path/],
      [
        ['without'],
        /There is no .wasm file in the package without: train a program that uses it, with wasm-cache train/,
      ],
      [['plugins/*.foo'], /No file matches the pattern plugins\/\*.foo/],
      [['../node_modules/without'], /There is no .wasm file in the folder ..\/node_modules\/without/],
      [['--jobs', '0', 'plugin.wasm'], /--jobs must be a whole number from 1, not '0'/],
      [['--memory', 'much', 'plugin.wasm'], /--memory must be a size with its unit, such as .*, not 'much'/],
    ] as [string[], RegExp][]) {
      const { status, stderr, document } = warm(given, args);
      assert.deepEqual([status, document], [2, undefined], args.join(' '));
      assert.match(stderr, message);
    }
  });
});

describe('inParallel', () => {
  it('keeps both limits, and runs a task that exceeds them alone', async () => {
    let [tasks, memory, most, mostMemory] = [0, 0, 0, 0];
    const alone: number[] = [];
    const done: number[] = [];
    const task = (size: number) => ({
      memory: size,
      run: async () => {
        [tasks, memory] = [tasks + 1, memory + size];
        [most, mostMemory] = [Math.max(most, tasks), Math.max(mostMemory, size > 10 ? 0 : memory)];
        if (size > 10) alone.push(tasks);
        await new Promise((resolve) => setTimeout(resolve, size));
        [tasks, memory] = [tasks - 1, memory - size];
        done.push(size);
      },
    });
    await inParallel([5, 12, 4, 3, 1, 1, 1, 1].map(task), { tasks: 3, memory: 10 });
    assert.deepEqual(
      done.toSorted((a, b) => a - b),
      [1, 1, 1, 1, 3, 4, 5, 12],
    );
    assert.deepEqual([most, alone], [3, [1]]);
    assert.ok(mostMemory <= 10, `${mostMemory}`);
  });
});
