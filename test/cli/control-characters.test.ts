import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { escapeControls } from '../../dist/cli/terminal/output.js';
import { sumModule } from '../../dist/testing/modules.js';
import { encoded, madeUp, SECRET } from '../support/bundles.js';
import { hasTerminal, putArtifact, putStatistics, runCli, runCliAsync, runOnTerminal } from '../support/cli.js';
import { engineIdOfPrograms } from '../support/learning.js';
import { type RunResult, temporaryDirectory } from '../support/processes.js';
import { moduleOf, named, section, vector } from '../support/wasm-binary.js';

// A name may be chosen by whoever can write to a folder, a store or a bundle, or who wrote a module or a program. Here it clears the screen,
// sets the title, turns the text around and ends the line, in every place that a name can come from.
const HOSTILE = 'x\x1b[2J\x1b]0;title\x07\u009b2J\u202ey\u2028z';
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

const here = engineIdOfPrograms();
const posix = { skip: process.platform === 'win32' ? 'no such names on Windows' : false };
const env = { WASM_CACHE_SECRET: SECRET };

/** A folder with such a name in all its names, and artifacts with such engines. */
function hostileFolder(): string {
  const directory = path.join(temporaryDirectory(), HOSTILE);
  mkdirSync(directory, { mode: 0o700 });
  putArtifact(directory, madeUp(1, { engineId: here }), { secret: SECRET });
  putArtifact(directory, madeUp(2, { engineId: `engine ${HOSTILE}` }), { secret: SECRET });
  putArtifact(directory, madeUp(3, { engineId: `other ${HOSTILE}` }), { change: (bytes) => bytes.fill(0, 320, 330) });
  const folder = path.join(directory, `folder ${HOSTILE}`);
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(path.join(folder, `${madeUp(4).key}.artifact`), encoded(madeUp(4), SECRET));
  writeFileSync(path.join(folder, `${HOSTILE}.txt`), '');
  writeFileSync(putStatistics(directory, [{ key: `${madeUp(1).key}`, name: 'sql.js', misses: 4 }]), `${HOSTILE}\n`, {
    flag: 'a',
  });
  return directory;
}

const directory = process.platform === 'win32' ? '' : hostileFolder();
const files = temporaryDirectory();
const write = (name: string, bytes: Uint8Array | string, mode = 0o600) => {
  const file = path.join(files, name);
  writeFileSync(file, bytes, { mode });
  return file;
};
/** Imports a function of a module that is called `wasm:...`. */
const importing = moduleOf(
  section(1, vector([[0x60, 0, 0]])),
  section(2, vector([[...named(`wasm:${HOSTILE}`), ...named('f'), 0, 0]])),
  section(0, [...named('padding'), ...new Uint8Array(70_000)]),
);
const module = write(`${HOSTILE}.wasm`, sumModule({ padding: 70_000 }));
const importer = write(`import ${HOSTILE}.wasm`, importing);
const text = write(`text ${HOSTILE}.wasm`, `not wasm ${HOSTILE}`);
const failing = write(
  `fail ${HOSTILE}.mjs`,
  `console.log(${JSON.stringify(HOSTILE)}); throw new Error(${JSON.stringify(HOSTILE)})`,
);
const program = write(`${HOSTILE}.js`, '');
const fakeNode = write(
  `node ${HOSTILE}`,
  `#!/bin/sh\necho "Error: ${HOSTILE.replaceAll('\x1b', '\\033')}: why" >&2; exit 3\n`,
  0o700,
);
chmodSync(fakeNode, 0o700);
const store = pathToFileURL(path.join(temporaryDirectory(), HOSTILE)).href;
const bundle = path.join(files, `${HOSTILE}.tar`);
const node = process.execPath;

/** Command lines that print names, errors or both. Options for the folder are added. */
const LINES: [args: string[], env?: Record<string, string>][] = [
  [['ls']],
  [['ls', HOSTILE]],
  [['info', `${madeUp(2).key}`]],
  [['info', `${madeUp(3).key}`]],
  [['info', module]],
  [['info', text]],
  [['info', HOSTILE]],
  [['why', module]],
  [['why', importer]],
  [['why', text]],
  [['why', module, '--node', fakeNode]],
  [['why', module, '--', `--${HOSTILE}`]],
  [['why', module], { WASM_CACHE_MODE: HOSTILE }],
  [['doctor']],
  [
    ['doctor'],
    { NODE_OPTIONS: `--title=${HOSTILE}`, WASM_CACHE_MAX_SIZE: HOSTILE, CI: HOSTILE, WASM_CACHE_LEARN: 'auto' },
  ],
  [['doctor'], { WASM_CACHE_REMOTE: store }],
  [['doctor'], { WASM_CACHE_REMOTE: `ftp://${HOSTILE}` }],
  [['verify']],
  [['verify', '--repair']],
  [['prune', '--other-engines', '--dry-run']],
  [['prune', '--max-size', HOSTILE]],
  [['clear', '--dry-run']],
  [['clear']],
  [['run', '--', HOSTILE]],
  [['run', '--json-file', `${HOSTILE}/none/x`, '--', node, '--version']],
  [['train', '--', node, failing]],
  [['train', '--runs', '1', '--', HOSTILE]],
  [['bench', '--', node, failing]],
  [['bench', '--runs', HOSTILE, '--', node]],
  [['warm', text]],
  [['warm', module]],
  [['warm', HOSTILE]],
  [['report', path.join(files, `${HOSTILE}.html`)]],
  [['report', path.join(HOSTILE, 'none', 'x')]],
  [['push', '--to', store, '--all-engines']],
  [['push', '--to', `ftp://${HOSTILE}`]],
  [['push', '--to', store, '--program', `${HOSTILE}none.js`]],
  [['push', '--to', store, '--program', program]],
  [['pull', '--from', store, '--all-engines']],
  [['pull', '--from', store, '--key', HOSTILE]],
  [['bake', '--all-engines', bundle]],
  [['bake', path.join(HOSTILE, 'none', 'x')]],
  [['pull', bundle]],
  [['pull', text]],
  [[HOSTILE]],
];

function check({ stdout, stderr }: RunResult): void {
  for (const output of [stdout, stderr]) {
    const line = output.split('\n').find((each) => CONTROLS.test(each));
    assert.equal(line, undefined, JSON.stringify(line));
  }
}

describe('no command passes control characters on to the terminal', posix, () => {
  for (const [args, more = {}] of LINES) {
    it(escapeControls([...args.map((arg) => arg.replace(files, '')), ...Object.keys(more)].join(' ')), () => {
      const [command = '', ...rest] = args;
      const result = runCli([command, '--dir', directory, ...rest], { env: { ...env, ...more } });
      check(result);
      assert.ok(result.stdout + result.stderr !== '', 'prints something');
    });
  }

  it('also shows the names: their controls as numbers', () => {
    const { stdout } = runCli(['ls', '--dir', directory], { env });
    assert.ok(stdout.includes(`engine ${escapeControls(HOSTILE)}`), stdout);
    assert.ok(escapeControls(HOSTILE).startsWith('x\\u001b[2J\\u001b]0;title\\u0007\\u009b2J\\u202ey'));
  });

  it('keeps them in JSON', () => {
    const { stdout } = runCli(['ls', '--json', '--dir', directory], { env });
    assert.equal(JSON.parse(stdout).directory, directory);
    assert.ok(stdout.includes(JSON.stringify(`engine ${HOSTILE}`)));
  });

  it("nor does the report's page", () => {
    const file = path.join(files, 'report.html');
    runCli(['report', file, '--dir', directory], { env });
    const page = readFileSync(file, 'utf8');
    check({ stdout: page, stderr: '', status: 0, signal: null });
    assert.ok(page.includes(`engine ${escapeControls(HOSTILE)}`));
  });

  it('with colours, too', { skip: !hasTerminal && 'no terminal here' }, () => {
    const { stdout } = runOnTerminal(['ls', '--dir', directory], '', env);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are our own colours
    const withoutColours = stdout.replace(/\x1b\[\d+m/g, '');
    check({ stdout: withoutColours, stderr: '', status: 0, signal: null });
    assert.notEqual(withoutColours, stdout);
  });

  it('nor what a store says', async () => {
    const server = createServer((_, response) => response.writeHead(500, 'no\u009b2J').end(HOSTILE));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    after(() => server.close());
    const { port } = server.address() as { port: number };
    const remote = { ...env, WASM_CACHE_REMOTE: `http://127.0.0.1:${port}/` };
    for (const args of [['doctor'], ['pull', '--key', `${madeUp(1).key}`], ['push'], ['why', module]]) {
      check(await runCliAsync([args[0] as string, '--dir', directory, ...args.slice(1)], { env: remote }));
    }
  });
});
