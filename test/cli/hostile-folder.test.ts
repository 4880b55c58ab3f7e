// Somebody has put pipes, sockets, devices, links and huge files where this package has its files.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs, { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ModuleHash } from '../../dist/index.js';
import { dayOf } from '../../dist/statistics/day-files.js';
import { programName } from '../../dist/stores/program-record.js';
import { sumModule } from '../../dist/testing/modules.js';
import { encoded, madeUp } from '../support/bundles.js';
import { putArtifact, runCli } from '../support/cli.js';
import { engineIdOfPrograms } from '../support/learning.js';
import { temporaryDirectory } from '../support/processes.js';

const here = engineIdOfPrograms();
const isRoot = process.geteuid?.() === 0;
const onPosix = { skip: process.platform === 'win32' && 'no such files on Windows' };
/** More than any command needs, and less than the huge files have. */
const MEMORY = 1.5 * 2 ** 30;
const HUGE = 3 * 2 ** 30;

const files = temporaryDirectory();
const wireBytes = sumModule({ padding: 70_000 });
const key = `${ModuleHash.sha256(wireBytes)}`;
const module = path.join(files, 'sum.wasm');
writeFileSync(module, wireBytes);
const program = path.join(files, 'app.js');
writeFileSync(program, '');
const victim = path.join(files, 'victim');
writeFileSync(victim, 'precious', { mode: 0o600 });
const victims = path.join(files, 'victims');
mkdirSync(victims, { mode: 0o700 });
writeFileSync(path.join(victims, `${key}.artifact`), encoded(madeUp(1), null), { mode: 0o600 });
/** What the victims are like; nothing may change them. */
const state = () =>
  JSON.stringify(
    [victim, path.join(victims, `${key}.artifact`)].map((file) => [
      lstatSync(file).mtimeMs,
      readFileSync(file, 'latin1'),
    ]),
  );

/** Ways to put something else in the place of a file. */
const PLANTS: Record<string, (file: string) => void> = {
  pipe: (file) => assert.equal(spawnSync('mkfifo', [file]).status, 0),
  // A server has no path that is long enough.
  socket: (file) => {
    const make = 'import os, stat, sys; os.mknod(sys.argv[1], stat.S_IFSOCK | 0o600)';
    assert.equal(spawnSync('python3', ['-c', make, file]).status, 0);
  },
  'link to a file': (file) => symlinkSync(victim, file),
  'link to a folder': (file) => symlinkSync(victims, file),
  'huge file': (file) => {
    writeFileSync(file, 'mine');
    truncateSync(file, HUGE);
  },
  ...(isRoot ? { device: (file: string) => assert.equal(spawnSync('mknod', [file, 'c', '1', '5']).status, 0) } : {}),
};

/** Names of files that this package has in its folder. */
const NAMES = [
  `${here}/${key}.artifact`,
  `${here}/${key}.loading`,
  `${here}/${madeUp(2).key}.artifact`,
  `${programName(program)}`,
  `statistics/${dayOf(Date.now())}`,
  `verdicts/${'0'.repeat(64)}.json`,
  'swept',
];

function hostileFolder(plant: (file: string) => void): { directory: string; planted: string[] } {
  const directory = temporaryDirectory();
  putArtifact(directory, madeUp(1, { engineId: here }));
  const planted = NAMES.map((name) => path.join(directory, name));
  for (const file of planted) {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    plant(file);
  }
  return { directory, planted };
}

const node = process.execPath;
const unsigned = { WASM_CACHE_ALLOW_UNSIGNED: '1' };
const LINES: string[][] = [
  ['ls'],
  ['info', key],
  ['info', module],
  ['why', module],
  ['doctor'],
  ['verify'],
  ['report', '--json'],
  ['report'],
  ['bake', path.join(files, 'bundle.tar')],
  ['push', '--to', pathToFileURL(path.join(files, 'store')).href, '--program', program],
  ['run', '--', node, '--eval', '0'],
  ['train', '--runs', '1', '--', node, '--eval', '0'],
  ['prune', '--older-than', '1h'],
  ['prune', '--max-size', '1KiB'],
  ['verify', '--repair'],
  ['clear', '--yes'],
  ['warm', module], // Last, because it may store an artifact in place of what was planted.
];

/** Reports the memory of each process to a file. */
const REPORTER = `data:text/javascript,${encodeURIComponent(
  'import fs from "node:fs"; process.on("exit", () => fs.appendFileSync(process.env.MEMORY_FILE, process.resourceUsage().maxRSS + "\\n"));',
)}`;

function check(args: string[], options: { cwd: string; directory?: string }): void {
  const memoryFile = path.join(temporaryDirectory(), 'memory');
  const [command = '', ...rest] = args;
  const dir = options.directory === undefined ? [] : ['--dir', options.directory];
  const before = state();
  const env = { ...unsigned, NODE_OPTIONS: `--import=${REPORTER}`, MEMORY_FILE: memoryFile };
  const { status, signal, stderr } = runCli([command, ...dir, ...rest], { cwd: options.cwd, env });
  assert.equal(signal, null, `it was ended: ${stderr}`);
  assert.ok(status !== null && status <= 3, stderr);
  assert.equal(state(), before, 'nothing was written through a link');
  const memory = Math.max(...readFileSync(memoryFile, 'utf8').trim().split('\n').map(Number)) * 1024;
  assert.ok(memory < MEMORY, `${memory} bytes of memory`);
}

for (const [what, plant] of Object.entries(PLANTS)) {
  describe(
    `with a ${what} in place of each file, no command blocks, reads it, or writes or removes what is not ours:`,
    onPosix,
    () => {
      const { directory, planted } = hostileFolder(plant);
      const cwd = temporaryDirectory();
      plant(path.join(cwd, 'wasm-cache-report.html'));
      for (const args of LINES) {
        it(args.join(' ').replaceAll(files, '').replaceAll(node, 'node').replace(key, '<key>'), () => {
          const types = planted.map((file) => lstatSync(file).mode & fs.constants.S_IFMT);
          check(args, { cwd, directory });
          assert.deepEqual(
            planted
              .map((file) => lstatSync(file, { throwIfNoEntry: false })?.mode ?? 0)
              .map((mode) => mode & fs.constants.S_IFMT),
            types,
            'what was planted is still there',
          );
        });
      }

      it('pull from such a store', () => {
        check(['pull', '--from', pathToFileURL(directory).href, '--program', program], {
          cwd,
          directory: temporaryDirectory(),
        });
        check(['pull', '--from', pathToFileURL(directory).href], { cwd, directory: temporaryDirectory() });
      });

      it('such a module', () => {
        const file = path.join(temporaryDirectory(), 'planted.wasm');
        plant(file);
        for (const args of [
          ['info', file],
          ['why', file],
          ['warm', file],
          ['warm', path.dirname(file)],
        ])
          check(args, { cwd, directory });
        assert.ok(existsSync(path.dirname(file)));
      });
    },
  );
}
