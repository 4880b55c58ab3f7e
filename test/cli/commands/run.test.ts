import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import type { RunDocument } from '../../../dist/cli/commands/run.js';
import { runCli, shapeOf } from '../../support/cli.js';
import { type RunOptions, root, temporaryDirectory } from '../../support/processes.js';

const program = (name: string) => path.join(root, 'test', 'programs', name);
const node = process.execPath;
const HOT = [node, program('hot.mjs')];
/** So that commands that start `node` start this one. */
const PATH = `${path.dirname(node)}${path.delimiter}${process.env.PATH}`;

function run(directory: string, command: string[], options: Omit<RunOptions, 'args'> = {}, own: string[] = []) {
  return runCli(['run', '--dir', directory, ...own, '--', ...command], { ...options, env: { PATH, ...options.env } });
}

/** Runs it twice in a new folder, and returns the report on the second run. */
function runTwice(command: string[], options: Omit<RunOptions, 'args'> = {}): RunDocument {
  const directory = temporaryDirectory();
  const file = path.join(temporaryDirectory(), 'run.json');
  for (const time of [1, 2]) {
    const { status, stderr } = run(directory, command, options, ['--json-file', file]);
    assert.equal(status, 0, `run ${time}: ${stderr}`);
  }
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** A folder whose name has every character that needs quoting somewhere. */
function write(files: Record<string, string>): string {
  const folder = path.join(temporaryDirectory(), `with "quotes", spaces & more % é`);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), content);
  }
  return folder;
}

describe('wasm-cache run', () => {
  it('runs a command with the hook, and prints a summary', () => {
    const directory = temporaryDirectory();
    const cold = run(directory, HOT);
    assert.deepEqual([cold.status, cold.stderr], [0, 'wasm-cache: 1 module, 0 hits, 1 miss\n']);
    assert.equal(JSON.parse(cold.stdout).sum, 500505, 'its output is its own');
    const warm = run(directory, HOT);
    assert.match(
      warm.stderr,
      /^wasm-cache: 1 module, 1 hit, (about .* saved \(an estimate\)|no time saved \(an estimate .*)\n$/,
    );
    assert.equal(JSON.parse(warm.stdout).restored, true);
  });

  it('says so if there was no module', () => {
    const { status, stdout, stderr } = run(temporaryDirectory(), [node, '-p', '1 + 1']);
    const says = 'wasm-cache: no WebAssembly module of 64 KiB or more was compiled\n';
    assert.deepEqual([status, stdout, stderr], [0, '2\n', says]);
  });

  it('prints JSON of the documented shape to standard error, or to a file', () => {
    const directory = temporaryDirectory();
    const { stderr } = run(directory, HOT, {}, ['--json']);
    const document = JSON.parse(stderr) as RunDocument;
    const numbers = ['moduleSize', 'hits', 'aliveHits', 'misses', 'hitMilliseconds', 'missMilliseconds'];
    const module = {
      ...{ key: 'string', name: 'string', nativeCodeSize: 'null' },
      ...Object.fromEntries(
        [...numbers, 'compileMilliseconds', 'savedMillisecondsEstimate'].map((name) => [name, 'number']),
      ),
    };
    const totals = { modules: 'number', hits: 'number', misses: 'number', savedMillisecondsEstimate: 'number' };
    assert.deepEqual(shapeOf(document), {
      ...{ directory: 'string', command: ['string'], milliseconds: 'number', exitCode: 'number', signal: 'null' },
      ...{ minModuleSize: 'number', modules: [module], totals },
    });
    assert.deepEqual(document.command, HOT);
    const [miss] = document.modules;
    assert.deepEqual([miss?.hits, miss?.misses, miss?.name], [0, 1, 'programs/hot.mjs']);
    const file = path.join(temporaryDirectory(), 'run.json');
    assert.match(run(directory, HOT, {}, ['--json-file', file]).stderr, /^wasm-cache: 1 module, 1 hit,/);
    const { totals: ofSecond } = JSON.parse(readFileSync(file, 'utf8')) as RunDocument;
    assert.deepEqual([ofSecond.hits, ofSecond.misses], [1, 0]);
  });

  const surroundings: [what: string, command: () => { command: string[]; cwd?: string }][] = [
    ['a worker thread', () => ({ command: [...HOT, 'worker'] })],
    ['a script, without node', () => ({ command: [program('hot.mjs')] })],
    ['a command of the shell', () => ({ command: ['sh', '-c', `cd / && exec node '${program('hot.mjs')}'`] })],
    [
      'a program in a folder with spaces and quotes, which starts another one with options of its own',
      () => {
        const cwd = write({
          'child.mjs': `import ${JSON.stringify(program('hot.mjs'))};`,
          'parent.mjs': `import { spawnSync } from 'node:child_process';
            const env = { ...process.env, NODE_OPTIONS: process.env.NODE_OPTIONS + ' --no-warnings' };
            process.exitCode = spawnSync(process.execPath, ['child.mjs'], { env, stdio: 'inherit' }).status;`,
        });
        return { command: ['node', 'parent.mjs'], cwd };
      },
    ],
    [
      'npm test',
      () => {
        const scripts = { test: `node ${JSON.stringify(program('hot.mjs'))}` };
        return { command: ['npm', 'test'], cwd: write({ 'package.json': JSON.stringify({ scripts }) }) };
      },
    ],
    [
      'a command of a package, by npx',
      () => {
        const cwd = write({
          'package.json': '{}',
          'node_modules/tool/package.json': JSON.stringify({ name: 'tool', version: '1.0.0', bin: 'tool.mjs' }),
          'node_modules/tool/tool.mjs': `#!/usr/bin/env node\nimport ${JSON.stringify(program('hot.mjs'))};`,
          'node_modules/.bin/.keep': '',
        });
        chmodSync(path.join(cwd, 'node_modules/tool/tool.mjs'), 0o755);
        symlinkSync('../tool/tool.mjs', path.join(cwd, 'node_modules/.bin/tool'));
        return { command: ['npx', '--no-install', 'tool'], cwd };
      },
    ],
  ];
  for (const [what, make] of surroundings) {
    it(`reaches the modules of ${what}`, () => {
      const { command, ...options } = make();
      const { totals } = runTwice(command, options);
      assert.deepEqual([totals.modules, totals.hits, totals.misses], [1, 1, 0]);
    });
  }

  it('keeps the NODE_OPTIONS that are set', () => {
    const env = { NODE_OPTIONS: '--no-warnings --title="a b"' };
    const show = `console.log(process.title); import('${program('hot.mjs')}')`;
    assert.equal(runTwice([node, '-e', show], { env }).totals.hits, 1);
    assert.match(run(temporaryDirectory(), [node, '-e', show], { env }).stdout, /^a b\n/);
  });

  it('counts real packages, by their names', () => {
    const { modules, totals } = runTwice([node, path.join(root, 'bench/programs/sql.js.mjs')]);
    assert.deepEqual([modules.map(({ name }) => name), totals.hits], [['sql.js'], 1]);
    const [{ moduleSize, nativeCodeSize, hitMilliseconds, savedMillisecondsEstimate } = assert.fail()] = modules;
    const without = savedMillisecondsEstimate + hitMilliseconds;
    assert.ok(moduleSize > 600_000 && Number(nativeCodeSize) > 100_000 && without > 1 && without < 30, `${without} ms`);
  });

  it('passes arguments after the command to it, with and without --', () => {
    const args = ['-p', 'process.argv.slice(1).join()', '--', '--json', '--dir', 'x'];
    for (const separator of [[], ['--']]) {
      const { status, stdout } = runCli(['run', '--dir', temporaryDirectory(), ...separator, node, ...args]);
      assert.deepEqual([status, stdout], [0, '--json,--dir,x\n']);
    }
  });

  it('also counts if statistics are off, the mode is read-only, or the folder is not trusted', () => {
    const directory = temporaryDirectory();
    const off = run(directory, HOT, { env: { WASM_CACHE_STATISTICS: 'off' } });
    assert.equal(off.stderr, 'wasm-cache: 1 module, 0 hits, 1 miss\n');
    assert.equal(existsSync(path.join(directory, 'statistics')), false);
    const readOnly = run(directory, HOT, { env: { WASM_CACHE_MODE: 'read-only' } });
    assert.match(readOnly.stderr, /^wasm-cache: 1 module, 1 hit, /);
    const disabled = run(directory, HOT, { env: { WASM_CACHE_DISABLE: '1' } });
    assert.match(disabled.stderr, /^warning: Modules are not cached: .*\nwasm-cache: no WebAssembly module/);
    chmodSync(directory, 0o777);
    const untrusted = run(directory, HOT);
    assert.equal(untrusted.status, 0);
    assert.match(untrusted.stderr, /^warning: .* can be written by others .*\n/);
  });

  it('ends as the command does', () => {
    const directory = temporaryDirectory();
    assert.equal(run(directory, [node, '-e', 'process.exit(7)']).status, 7);
    assert.equal(run(directory, [node, '-e', "process.kill(process.pid, 'SIGKILL')"]).status, 137);
    assert.equal(run(directory, ['sh', '-c', 'kill -TERM $$']).status, 143);
  });

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    it(`leaves ${signal} to the command`, async () => {
      const server = `setInterval(() => {}, 1000);
        process.on('${signal}', () => { console.log('got ${signal}'); process.exit(5); });
        import('${program('hot.mjs')}').then(() => console.log('ready'));`;
      const args = ['run', '--dir', temporaryDirectory(), '--', node, '-e', server];
      const child = spawn(node, [path.join(root, 'dist/cli/main.js'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
      const [output, errors] = [child.stdout, child.stderr].map(text);
      child.stdout.on('data', (data) => {
        if (String(data).includes('ready')) child.kill(signal);
      });
      const [code] = await once(child, 'exit');
      assert.match(String(await output), new RegExp(`ready\ngot ${signal}\n$`));
      assert.deepEqual([code, await errors], [5, 'wasm-cache: 1 module, 0 hits, 1 miss\n']);
    });
  }

  it('exits with 128 plus the number of a signal that the command survives', async () => {
    const args = ['run', '--dir', temporaryDirectory(), '--', node, program('server.mjs')];
    const child = spawn(node, [path.join(root, 'dist/cli/main.js'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const errors = text(child.stderr);
    child.stdout.once('data', () => setTimeout(() => child.kill('SIGTERM'), 2000));
    const [code] = await once(child, 'exit');
    assert.deepEqual([code, await errors], [143, 'wasm-cache: 1 module, 0 hits, 1 miss\n']);
  });

  it('says what is wrong', () => {
    for (const [args, message] of [
      [[], /missing required argument 'command'/],
      [['--', 'no-such-command'], /^error: There is no command no-such-command/],
      [
        ['--json-file', '/no/folder/file', '--', node],
        /--json-file must be the path of a file .* not '\/no\/folder\/file'/,
      ],
      [['--jsn', '--', node], /unknown option '--jsn'\n\(Did you mean/],
    ] as const) {
      const { status, stdout, stderr } = runCli(['run', ...args]);
      assert.deepEqual([status, stdout], [2, ''], stderr);
      assert.match(stderr, message);
    }
  });
});
