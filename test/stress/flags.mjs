// node test/stress/flags.mjs [--only <regular expression>] [--node <binary>] [--at-once 2]
// Starts a program with each of V8's flags that may forbid or change what this package does, plain and with the hook: with an empty folder, with a
// folder that a run with the same flag has filled, and with one that a run without flags has filled. The flags are those that `--v8-options` lists
// for this node, each changed from its default, and Node's permissions; `--only .` tries all of them. The hook must never change how a program ends or what it computes.
import '../../scripts/built.mjs';
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { register, root } from '../../.test-build/support/processes.js';

const CONCERNS =
  'flag|freez|wasm|jitless|sandbox|snapshot|natives|eval|code-gen|protect|pku|cage|untrusted|experimental$|memory|address|reserv|permission|print-.*(json|flag|feature)';
/** A flag may make V8 much slower. */
const TIME_LIMIT = 60_000;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: CONCERNS },
    node: { type: 'string', default: process.execPath },
    'at-once': { type: 'string', default: '2' },
  },
});
const program = path.join(root, 'test/programs/flags.mjs');
const work = mkdtempSync(path.join(tmpdir(), 'wasm-cache-flags-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

const filled = path.join(work, 'filled');
await run([], filled);
const flags = (await flagsOf(values.node))
  .filter(({ name }) => new RegExp(values.only).test(name))
  .map(({ option }) => [option]);
if (new RegExp(values.only).test('permission')) flags.push(...(await permissions(values.node)));
const different = [];
const counts = { flags: 0, plainFails: 0, hits: 0 };
const waiting = [...flags];
await Promise.all(Array.from({ length: Number(values['at-once']) }, tryInTurn));

for (const line of different) console.log(line);
console.log(
  `${counts.flags} flags, with ${counts.plainFails} the program fails by itself, ${counts.hits} hits; ${different.length} differences`,
);
process.exitCode = counts.flags > 0 && different.length === 0 ? 0 : 1;

async function tryInTurn() {
  for (let flag = waiting.shift(); flag !== undefined; flag = waiting.shift()) await tryOptions(flag);
}

async function tryOptions(options) {
  const own = mkdtempSync(path.join(work, 'own-'));
  const copy = mkdtempSync(path.join(work, 'copy-'));
  cpSync(filled, copy, { recursive: true });
  const plain = await run(options);
  counts.flags++;
  if (!plain.endsWith(' 0 null')) counts.plainFails++;
  const runs = [
    ['with an empty folder', own],
    ['after a run with this flag', own],
    ['after a run without flags', copy],
  ];
  for (const [how, folder] of runs) {
    const hooked = await run(options, folder);
    if (hooked === plain) continue;
    // A flag that makes the program fail by chance makes it fail without the hook, too.
    const again = await Promise.all(Array.from({ length: 3 }, () => run(options)));
    if (!again.includes(hooked)) different.push(`${options.join(' ')}, ${how}: ${hooked}, plain: ${plain}`);
  }
  for (const folder of [own, copy]) rmSync(folder, { recursive: true, force: true });
}

/** Node's permission model with each choice of what this package needs. Reading is always allowed, or Node could not load the hook. */
async function permissions(node) {
  const help = await outputOf(node, ['--help']);
  const model = ['--permission', '--experimental-permission'].find((each) => help.includes(each));
  const needed = ['--allow-addons', '--allow-fs-write=*', '--allow-worker', '--allow-child-process'];
  const known = needed.filter((each) => help.includes(each.replace('=*', '')));
  const choices = Array.from({ length: 2 ** known.length }, (_, bits) =>
    known.filter((_, index) => bits & (1 << index)),
  );
  return model ? choices.map((allowed) => [model, '--allow-fs-read=*', ...allowed]) : [];
}

/** What the program printed, and how it ended. With a folder it has the hook. */
function run(options, folder) {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(NODE_|WASM_CACHE_)/.test(name));
  const hook = folder === undefined ? [] : ['--import', register];
  const child = spawn(values.node, [...options, ...hook, program], {
    cwd: work,
    env: {
      ...Object.fromEntries(inherited),
      WASM_CACHE_DIR: folder,
      WASM_CACHE_LEARN: 'off',
      NODE_DEBUG: folder && 'wasm-cache',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIME_LIMIT,
    killSignal: 'SIGKILL',
  });
  let output = '';
  let debug = '';
  child.stdout.setEncoding('latin1').on('data', (text) => {
    output = (output + text).slice(-1_000_000);
  });
  child.stderr.setEncoding('latin1').on('data', (text) => {
    debug = (debug + text).slice(-1_000_000);
  });
  return new Promise((resolve) => {
    child.on('close', (status, signal) => {
      if (/\bhit\b/.test(debug)) counts.hits++;
      resolve(`${/RESULT .*/.exec(output)?.[0] ?? '-'} ${status} ${signal}`);
    });
  });
}

/** Each flag of V8 with another value than its default. */
async function flagsOf(node) {
  const found = (await outputOf(node, ['--v8-options'])).matchAll(
    /^\s+--([a-z0-9_-]+) .*\n\s+type: (\w+)\s+default: (\S*)/gm,
  );
  return [...found].flatMap(([, given, type, value]) => {
    const name = given.replaceAll('_', '-');
    if (type === 'bool' || type === 'maybe_bool') {
      return [{ name, option: value.startsWith('--no-') || type === 'maybe_bool' ? `--${name}` : `--no-${name}` }];
    }
    if (type === 'string') return [];
    return ['0', '1', '100']
      .filter((each) => value !== `--${name}=${each}`)
      .map((each) => ({ name, option: `--${name}=${each}` }));
  });
}

async function outputOf(node, args) {
  const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const part of child.stdout.setEncoding('utf8')) text += part;
  return text;
}
