// Runs the examples as their README files say, in new processes. Checks what they print, and that a later run uses what an earlier
// one stored.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it, test } from 'node:test';
import { V8Engine } from '../../dist/index.js';
import { buildImage } from '../support/images.js';
import { until } from '../support/learning.js';
import {
  filesIn,
  HANGS_AFTER,
  type RunResult,
  register,
  root,
  runProgram,
  temporaryDirectory,
} from '../support/processes.js';

/** A custom section without a meaning. */
const customSection = (content: number) => Buffer.from([0, 3, 1, 0x61, content]);
const HIT = /: hit [0-9a-f]{64}: \d+ bytes/;
const { unsupportedReason } = new V8Engine();
const skip = unsupportedReason ?? false;
const hasSqlite = process.getBuiltinModule('node:sqlite') !== undefined;

function example(...parts: string[]): string {
  return path.join(root, 'examples', ...parts);
}

/** The code block of a language in its README. */
function shown(name: string, language: string): string {
  const readme = readFileSync(example(name, 'README.md'), 'utf8');
  return new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'ms').exec(readme)?.[1] ?? '';
}

async function learnt(directory: string): Promise<void> {
  const jobs = path.join(directory, 'learning');
  await until('the learner is done', () => !existsSync(jobs) || readdirSync(jobs).length === 0, 120);
}

test('every example is in the index and shows how to run it', () => {
  const index = readFileSync(example('README.md'), 'utf8');
  const names = readdirSync(example(), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of names) {
    assert.ok(index.includes(`[${name}](${name})`), name);
    assert.notEqual(shown(name, 'sh'), '', name);
  }
});

test('custom-cache keeps the contract, in less than 60 lines', {
  skip: hasSqlite ? false : `Node ${process.version} has no node:sqlite`,
}, () => {
  const { status, stdout } = runProgram(example('custom-cache', 'sqlite-cache.test.js'));
  assert.equal(status, 0, stdout);
  assert.match(stdout, /(tests|ℹ tests) 14/);
  assert.ok(readFileSync(example('custom-cache', 'sqlite-cache.js'), 'utf8').split('\n').length < 60);
});

test('web-server: the second start uses the code that the first one optimised, and all answers are equal', {
  skip,
}, async () => {
  const directory = temporaryDirectory();
  /** Runs the server from its start to its end by a signal. */
  const serve = async (nodeOptions: string[]) => {
    const inherited = Object.entries(process.env).filter(([name]) => !/^(NODE_|WASM_CACHE_)/.test(name));
    const settings = { PORT: '0', WASM_CACHE_DIR: directory, WASM_CACHE_LEARN: 'hot', NODE_DEBUG: 'wasm-cache' };
    const server = spawn(process.execPath, [...nodeOptions, example('web-server', 'server.js')], {
      env: { ...Object.fromEntries(inherited), ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: HANGS_AFTER,
    });
    const ended = once(server, 'close');
    let log = '';
    server.stderr.setEncoding('utf8').on('data', (text) => {
      log += text;
    });
    const [address] = await Promise.race([once(createInterface(server.stdout), 'line'), ended.then(() => [log])]);
    const answer = await (await fetch(`${address}/?atLeast=50`, { headers: { connection: 'close' } })).text();
    server.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null], log);
    await learnt(directory);
    return { answer, log };
  };
  const plain = await serve([]);
  assert.ok(shown('web-server', 'sh').includes(`# ${plain.answer}`), plain.answer);
  const hooked = ['--import', register];
  const first = await serve(hooked);
  assert.doesNotMatch(first.log, HIT);
  const second = await serve(hooked);
  assert.match(second.log, HIT);
  assert.deepEqual([first.answer, second.answer], [plain.answer, plain.answer]);
});

describe('command-line', { skip }, () => {
  const directory = temporaryDirectory();
  const minify = (file: string, env: Record<string, string> = {}) =>
    runProgram(example('command-line', 'minify.js'), {
      args: [file],
      env: { WASM_CACHE_DIR: path.join(directory, 'cache'), WASM_CACHE_LEARN: 'hot', ...env },
    });
  const program = path.join(directory, 'program.ts');
  writeFileSync(program, 'export class Circle { constructor(readonly radius: number) {} }\n');

  it('prints the same every time, and is not compiled again', async () => {
    const first = minify(program, { NODE_DEBUG: 'wasm-cache' });
    assert.equal(first.stdout, 'export class Circle{radius;constructor(radius){this.radius=radius}}\n', first.stderr);
    assert.doesNotMatch(first.stderr, HIT);
    await learnt(path.join(directory, 'cache'));
    const second = minify(program, { NODE_DEBUG: 'wasm-cache' });
    assert.match(second.stderr, HIT);
    assert.equal(second.stdout, first.stdout);
    await learnt(path.join(directory, 'cache'));
    assert.deepEqual(minify(program), { status: 0, signal: null, stdout: first.stdout, stderr: '' });
  });

  it('reports what is wrong with a file', () => {
    const missing = minify(path.join(directory, 'missing.ts'));
    assert.equal(missing.status, 1);
    assert.match(missing.stderr, /missing\.ts was not minified: ENOENT/);
  });
});

test('worker-pool: one thread compiles, the others load from memory, and the next process from the folder', {
  skip,
}, () => {
  const env = { POOL_CACHE: temporaryDirectory() };
  const run = () => {
    const { status, stdout, stderr } = runProgram(example('worker-pool', 'pool.js'), { env });
    assert.deepEqual([status, stderr], [0, '']);
    const [main, ...others] = stdout.trim().split('\n');
    const thumbnails = others.pop();
    assert.ok(others.length >= 2, stdout);
    for (const worker of others) assert.match(worker, /^worker \d+: from memory$/);
    return { main, thumbnails };
  };
  const first = run();
  assert.equal(first.main, 'main thread: from the compiler');
  assert.ok(shown('worker-pool', 'text').endsWith(`${first.thumbnails}\n`), 'its README has the same hash');
  assert.deepEqual(run(), { main: 'main thread: from the folder', thumbnails: first.thumbnails });
});

describe('plugin-host', { skip }, () => {
  const folder = temporaryDirectory();
  const cache = path.join(folder, 'cache');
  const plugins = path.join(folder, 'plugins');
  mkdirSync(plugins);
  for (const file of readdirSync(example('plugin-host', 'plugins')).filter((each) => each.endsWith('.wat'))) {
    const args = [example('plugin-host', 'plugins', file), '-o', path.join(plugins, file.replace('.wat', '.wasm'))];
    const { status, stderr } = runProgram(path.join(root, 'node_modules', 'wabt', 'bin', 'wat2wasm'), { args });
    assert.equal(status, 0, stderr);
  }
  const host = (...args: string[]) =>
    runProgram(example('plugin-host', 'host.js'), { args: ['--plugins', plugins, '--cache', cache, ...args] });
  const linesOf = ({ stdout, stderr }: RunResult, pattern: RegExp) =>
    `${stdout}${stderr}`.split('\n').filter((line) => pattern.test(line));

  it('ends a load at its time limit, and stores nothing', () => {
    const result = host('--time-limit', '1');
    assert.equal(result.status, 1);
    assert.equal(linesOf(result, /is left out: .*due to timeout$/).length, 3, result.stderr);
    assert.deepEqual(existsSync(cache) ? filesIn(cache).filter((file) => file.endsWith('.artifact')) : [], []);
  });

  it('optimises plugins in full, and loads them from the cache in the next process', () => {
    const first = host();
    assert.equal(first.status, 1);
    const expected = shown('plugin-host', 'text').trim().split('\n');
    assert.deepEqual(linesOf(first, /from the|left out/), expected);
    const outcomes = [
      'lookup: miss',
      'lookup: miss',
      'compile: compiled',
      'lookup: miss',
      'lookup: hit',
      'save: saved',
    ];
    assert.deepEqual(
      linesOf(first, /^primes.wasm: \w+: /),
      outcomes.map((each) => `primes.wasm: ${each}`),
    );
    const second = host();
    assert.deepEqual(
      linesOf(second, /from the|left out/),
      expected.map((line) => line.replace('compiler', 'cache')),
    );
  });

  it('reports a damaged, foreign or too large plugin, and goes on', () => {
    cpSync(path.join(plugins, 'primes.wasm'), path.join(plugins, 'damaged.wasm'));
    truncateSync(path.join(plugins, 'damaged.wasm'), 60);
    writeFileSync(path.join(plugins, 'text.wasm'), 'no module');
    writeFileSync(path.join(plugins, 'large.wasm'), '');
    truncateSync(path.join(plugins, 'large.wasm'), 9 * 2 ** 20);
    const result = host('1000');
    assert.equal(result.status, 1);
    assert.match(result.stderr, /^damaged\.wasm is left out: .*extends past end of the module/m);
    assert.match(result.stderr, /^text\.wasm is left out: .*expected magic word/m);
    assert.match(result.stderr, /^large\.wasm is left out: it has 9437184 bytes, the limit is 8388608$/m);
    assert.match(result.stdout, /^primes\.wasm: from the cache; run\(1000\) is 168$/m);
  });

  it('ends at a signal, also in the middle of a load', async () => {
    const many = path.join(folder, 'many');
    mkdirSync(many);
    const primes = readFileSync(path.join(plugins, 'primes.wasm'));
    // Each has its own custom section, so each starts a process that optimises. That takes much longer than a signal needs.
    for (let i = 10; i < 60; i++)
      writeFileSync(path.join(many, `${i}.wasm`), Buffer.concat([primes, customSection(i)]));
    const args = ['--plugins', many, '--cache', path.join(folder, 'other-cache'), '10'];
    const stopped = spawn(process.execPath, [example('plugin-host', 'host.js'), ...args], { timeout: HANGS_AFTER });
    const lines: string[] = [];
    createInterface(stopped.stderr).on('line', (line) => {
      if (lines.push(line) === 1) stopped.kill('SIGINT');
    });
    assert.deepEqual(await once(stopped, 'close'), [1, null], lines.join('\n'));
    assert.equal(lines.at(-1), '59.wasm is left out: stopped by SIGINT');
  });

  it('says which argument is wrong', () => {
    const missing = host('--plugins', path.join(folder, 'missing'));
    assert.equal(missing.status, 2);
    assert.match(missing.stderr, /^The folder of plugins cannot be read: ENOENT.*missing'$/m);
    assert.equal(host('many').stderr, 'n must be a whole number of at most nine digits, not many\n');
  });
});

test('container: the steps of the Dockerfile, in an empty folder', { skip }, () => {
  const image = buildImage(example('container'));
  const { status, stdout, stderr } = image.run({ NODE_DEBUG: 'wasm-cache' });
  assert.equal(status, 0, stderr);
  assert.equal(stdout, 'Lisbon 1667 83297\nOslo 1667 83368\nRiga 1666 83267\n');
  assert.match(stderr, HIT);
  assert.doesNotMatch(stderr, /saved|learning/);
});
