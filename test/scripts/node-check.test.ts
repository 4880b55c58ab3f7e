import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { loadAddon } from '../../dist/native/addon.js';
import { root, temporaryDirectory } from '../support/processes.js';

interface Row {
  what: string;
  status: 'ok' | 'breaks';
  found: string;
  todo: string;
}
const load = (name: string) => import(pathToFileURL(path.join(root, 'scripts/node-check', name)).href);
const { findNode, rowFor } = await load('node.mjs');
const { checkSymbols } = await load('symbols.mjs');
const { checkFlags } = await load('flags.mjs');
const { checkNatives } = await load('natives.mjs');
const { checkLayout } = await load('layout.mjs');
const here = findNode(process.execPath);
const broken = (rows: Row[]) => rows.filter(({ status }) => status === 'breaks');

/** A file that has these symbols, as a binary has. */
function binaryWith(symbols: string[]): { binary: string } {
  const binary = path.join(temporaryDirectory(), 'node');
  writeFileSync(binary, symbols.map((symbol) => `\0${symbol}\0`).join(''));
  return { binary };
}

describe('npm run node:check', () => {
  it('finds nothing broken in this Node', () => {
    const natives = checkNatives(here);
    const hasNatives = natives.every(({ isThere }: { isThere: boolean }) => isThere);
    assert.equal(hasNatives, !loadAddon().addon?.canDeserialize);
    const rows = [...checkSymbols(here, hasNatives), ...checkFlags(here), ...checkLayout(here)];
    assert.deepEqual(broken(rows), []);
    assert.ok(rows.length > 40, `${rows.length} rows`);
  });

  it('tells what the addon misses, and what there is in its place', () => {
    const serialize = '_ZN2v818CompiledWasmModule9SerializeE';
    const rows: Row[] = checkSymbols(binaryWith([`${serialize}i`, '_ZN2v87Isolate10GetCurrentEv']), true);
    const of = (what: string) => rows.find((row) => row.what === what);
    assert.equal(of('isolate_get_current')?.status, 'ok');
    assert.equal(of('serialize')?.found, `missing: ${serialize}v; there is ${serialize}i`);
    assert.match(of('serialize')?.todo ?? '', /^native\/v8\.cc/);
    assert.equal(of('evp_digest')?.status, 'ok');
  });

  it('needs only one of the two doors to loading', () => {
    const names = (hasNatives: boolean) => broken(checkSymbols(binaryWith([]), hasNatives)).map(({ what }) => what);
    assert.ok(names(false).includes('compilation_finish'));
    assert.ok(!names(true).includes('compilation_finish'));
  });

  it('tells a flag that is gone, and a default that is another one', { skip: process.platform === 'win32' }, () => {
    const { stdout } = spawnSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
    const options = path.join(temporaryDirectory(), 'options');
    writeFileSync(
      options,
      stdout
        .replace(/^ +--liftoff .*\n.*\n/m, '')
        .replace(/default: --wasm-tiering-budget=\d+/, 'default: --wasm-tiering-budget=7')
        .replaceAll('allow-natives-syntax', 'natives'),
    );
    const binary = path.join(temporaryDirectory(), 'node');
    writeFileSync(binary, `#!/bin/sh\n[ "$1" = --v8-options ] && cat ${options} || ${process.execPath} "$@"\n`, {
      mode: 0o700,
    });
    const rows = broken(checkFlags({ ...here, binary }));
    assert.deepEqual(
      rows.map(({ found }) => found),
      ['no such flag', 'default --wasm-tiering-budget=7', 'no such flag'],
    );
    assert.deepEqual(
      rows.map(({ todo }) => todo.split(/[,:]/)[0]),
      ['src/engine/v8-versions.ts', 'src/engine/v8-versions.ts', 'src/engine/natives-syntax.ts'],
    );
  });

  it('holds a version of V8 that is not in a table against the last one before it', () => {
    const table = { '11.3': 'a', '12.4': 'b', '14.6': 'c' };
    const of = (version: string) => rowFor(table, version).version;
    assert.deepEqual(['10.2', '11.3', '12.10', '14.1', '15.0'].map(of), ['11.3', '11.3', '12.4', '12.4', '14.6']);
  });

  for (const args of [[], ['1', '2'], ['/nowhere/node'], [import.meta.filename]]) {
    it(`says how it is called: ${args.map((arg) => path.basename(arg)).join(' ')}`, () => {
      const script = path.join(root, 'scripts/node-check.mjs');
      const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
      assert.deepEqual([status, stdout], [2, '']);
      assert.match(stderr, args.length === 1 ? /no node binary|does not run/ : /Name one version or binary of Node/);
    });
  }
});
