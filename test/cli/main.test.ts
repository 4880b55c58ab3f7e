import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { madeUp } from '../support/bundles.js';
import { hasTerminal, putArtifact, runCli, runOnTerminal } from '../support/cli.js';
import { root, temporaryDirectory } from '../support/processes.js';

describe('wasm-cache', () => {
  it('prints its version', () => {
    const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
    const { status, stdout } = runCli(['--version']);
    assert.deepEqual([status, stdout], [0, `${version}\n`]);
  });

  it('has help with examples for every command', () => {
    const { status, stdout } = runCli(['--help']);
    assert.equal(status, 0);
    assert.match(stdout, /Exit codes:\n {2}0 {2}success/);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) \[options\]/gm)].map(([, name]) => name as string);
    assert.ok(commands.includes('ls'));
    for (const name of commands) {
      const help = runCli([name, '--help']);
      assert.equal(help.status, 0);
      assert.match(help.stdout, new RegExp(`Examples:\n {2}\\$ .*wasm-cache ${name}`), name);
      assert.match(help.stdout, /--json/);
    }
  });

  it('exits with 2 and says what to do if it is called wrongly', () => {
    for (const [args, message] of [
      [[], /^Usage: wasm-cache/],
      [['lss'], /error: unknown command 'lss'\n\(Did you mean ls\?\)/],
      [['ls', '--jsn'], /error: unknown option '--jsn'\n\(Did you mean --json\?\)/],
      [
        ['ls', 'sql.wasm'],
        /error: too many arguments for 'ls'. Expected 0 arguments but got 1.\n\(try: wasm-cache ls --help\)/,
      ],
      [['ls', '--dir', ''], /error: --dir must be the path of a folder/],
    ] as const) {
      const { status, stdout, stderr } = runCli([...args]);
      assert.deepEqual([status, stdout], [2, ''], args.join(' '));
      assert.match(stderr, message);
    }
  });

  it('warns of wrong settings, and refuses a wrong secret', () => {
    const args = ['ls', '--dir', temporaryDirectory()];
    const sizes = runCli(args, { env: { WASM_CACHE_MAX_SIZE: 'big' } });
    assert.equal(sizes.status, 0);
    assert.match(sizes.stderr, /^warning: WASM_CACHE_MAX_SIZE=big is not a size/);
    const secret = runCli(args, { env: { WASM_CACHE_SECRET: 'short' } });
    assert.deepEqual([secret.status, secret.stdout], [2, '']);
    assert.match(secret.stderr, /^error: WASM_CACHE_SECRET: /);
  });

  it('has colours on a terminal, and not with NO_COLOR', { skip: !hasTerminal && 'no terminal here' }, () => {
    const directory = temporaryDirectory();
    putArtifact(directory, madeUp(1));
    const args = ['ls', '--dir', directory];
    assert.ok(runOnTerminal(args, '').stdout.includes('\x1b['));
    const plain = runOnTerminal(args, '', { NO_COLOR: '1' }).stdout;
    assert.ok(plain.includes('KEY') && !plain.includes('\x1b['), plain);
    assert.ok(!runCli(args, { env: { FORCE_COLOR: '1', CI: 'true' } }).stdout.includes('\x1b['));
  });
});
