import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { decodeArtifact, encodeArtifact } from '../../dist/artifact/artifact.js';
import { HEADER_LENGTH } from '../../dist/artifact/header.js';
import { ModuleHash } from '../../dist/index.js';
import { filesIn, register, runProgram, temporaryDirectory } from '../support/processes.js';

interface Fault {
  name: string;
  damage(file: string): void;
  /** The error kind that the library reports. */
  kind: 'NotFound' | 'FileRead' | 'Untrusted';
  /** Whether the run with the hook leaves a good entry behind. */
  heals: boolean;
  /** What the hook prints on stderr; nothing by default. */
  warning?: RegExp;
}

function rewrite(file: string, change: (artifact: ReturnType<typeof decodeArtifact>) => object): void {
  const artifact = decodeArtifact(readFileSync(file));
  writeFileSync(file, encodeArtifact({ ...artifact, ...change(artifact) }));
}

function flipBit(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] as number) ^ 0x10;
  writeFileSync(file, bytes);
}

const faults: Fault[] = [
  {
    name: 'of another module',
    damage: (file) => rewrite(file, () => ({ key: ModuleHash.random() })),
    kind: 'NotFound',
    heals: true,
  },
  {
    name: 'of another engine',
    damage: (file) => rewrite(file, () => ({ engineId: 'node-v1' })),
    kind: 'NotFound',
    heals: true,
  },
  {
    name: 'for wire bytes of another length',
    damage: (file) => rewrite(file, () => ({ wireLength: 9 })),
    kind: 'NotFound',
    heals: true,
  },
  { name: 'truncated in the header', damage: (file) => truncateSync(file, 100), kind: 'NotFound', heals: true },
  {
    name: 'truncated in the native code',
    damage: (file) => truncateSync(file, HEADER_LENGTH + 100),
    kind: 'NotFound',
    heals: true,
  },
  { name: 'too long', damage: (file) => appendFileSync(file, 'x'), kind: 'NotFound', heals: true },
  { name: 'with a flipped bit in the header', damage: (file) => flipBit(file, 50), kind: 'NotFound', heals: true },
  {
    name: 'with a flipped bit in the native code',
    damage: (file) => flipBit(file, HEADER_LENGTH + 200),
    kind: 'NotFound',
    heals: true,
  },
  { name: 'empty', damage: (file) => truncateSync(file, 0), kind: 'NotFound', heals: true },
  {
    name: 'a directory',
    damage: (file) => {
      rmSync(file);
      mkdirSync(file);
    },
    kind: 'FileRead',
    heals: false,
  },
  {
    name: 'unreadable',
    damage: (file) => {
      // root can read everything except a link to itself
      if (process.getuid?.() !== 0) return chmodSync(file, 0);
      rmSync(file);
      symlinkSync(path.basename(file), file);
    },
    kind: process.getuid?.() === 0 ? 'Untrusted' : 'FileRead',
    heals: true,
    warning: process.getuid?.() === 0 ? /^$|is not a regular file|symbolic link/ : /^$/,
  },
  {
    name: 'in a folder that others may write to',
    damage: (file) => chmodSync(path.dirname(path.dirname(file)), 0o777),
    kind: 'Untrusted',
    heals: false,
    warning: /^$|can be written by others .* Modules are not cached/,
  },
];

for (const { name, damage, kind, heals, warning } of faults) {
  test(`an entry that is ${name}: ${kind}, and the program runs as without a cache`, () => {
    const directory = temporaryDirectory();
    const run = () => {
      const env = { WASM_CACHE_DIR: directory };
      const { status, signal, stdout, stderr } = runProgram('hot.mjs', { nodeOptions: ['--import', register], env });
      assert.deepEqual([status, signal], [0, null]);
      assert.match(stderr, warning ?? /^$/);
      return JSON.parse(stdout);
    };
    const load = () => runProgram('load-entry.mjs', { args: [directory] }).stdout.trim();

    run();
    assert.equal(load(), 'hit');
    const [file] = filesIn(directory) as [string];
    damage(file);
    assert.equal(load(), kind);
    if (kind === 'NotFound') {
      assert.deepEqual(filesIn(directory), [], 'the entry is removed');
      run();
      damage(file);
    }
    const { restored, sum } = run();
    assert.deepEqual({ restored, sum }, { restored: false, sum: 500_505 });
    assert.equal(run().restored, heals);
  });
}
