import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { CacheError } from '../../dist/cache-error.js';
import { openFolder } from '../../dist/files/folder.js';
import { runSync } from '../../dist/files/steps.js';
import { walk } from '../../dist/files/trust.js';
import { FileSystemStore } from '../../dist/stores/file-system.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { temporaryDirectory } from '../support/processes.js';

const onPosix = { skip: process.geteuid ? false : 'no file modes here' };
const asRoot = { skip: process.geteuid?.() === 0 ? false : 'only root may give files away' };
const STRANGER = 12_345;

/** A store with a value, and what is done to the value or its folder. */
function stored(spoil: (paths: { file: string; folder: string; elsewhere: string }) => void) {
  const store = new FileSystemStore(temporaryDirectory());
  runSync(store.write('engine/value', Buffer.from('ours')));
  const folder = path.join(store.directory, 'engine');
  const elsewhere = path.join(temporaryDirectory(), 'elsewhere');
  spoil({ file: path.join(folder, 'value'), folder, elsewhere });
  return new FileSystemStore(store.directory);
}

async function warningsOf(action: () => void): Promise<string[]> {
  const warnings: string[] = [];
  const listener = ({ message }: Error) => warnings.push(message);
  process.on('warning', listener);
  action();
  await new Promise(setImmediate);
  process.off('warning', listener);
  return warnings;
}

describe('a value is not read', () => {
  const cases: [what: string, options: object, spoil: Parameters<typeof stored>[0], command: RegExp][] = [
    ['that belongs to a stranger', asRoot, ({ file }) => chownSync(file, STRANGER, 0), /user 12345.* rm .*value$/],
    ['that others may write', onPosix, ({ file }) => chmodSync(file, 0o602), /others \(mode 602\).* rm .*value$/],
    ['that its group may write', onPosix, ({ file }) => chmodSync(file, 0o660), /group \d+ \(mode 660\).* rm .*value$/],
    ['with a second name', onPosix, ({ file, elsewhere }) => linkSync(file, elsewhere), /2 names.* rm .*value$/],
    [
      'that is a link',
      onPosix,
      ({ file, elsewhere }) => {
        renameSync(file, elsewhere);
        symlinkSync(elsewhere, file);
      },
      /symbolic link.* rm .*value$/,
    ],
    [
      'that is a pipe',
      onPosix,
      ({ file, elsewhere }) => {
        renameSync(file, elsewhere);
        spawnSync('mkfifo', [file]);
      },
      /not a regular file.* rm .*value$/,
    ],
    ["in a stranger's folder", asRoot, ({ folder }) => chownSync(folder, STRANGER, 0), /user 12345.* rm -r .*engine$/],
    ['in a folder that others may write to', onPosix, ({ folder }) => chmodSync(folder, 0o777), /chmod 700 .*engine$/],
    [
      'in a folder that is a link',
      onPosix,
      ({ folder, elsewhere }) => {
        renameSync(folder, elsewhere);
        symlinkSync(elsewhere, folder);
      },
      /symbolic link.* rm .*engine$/,
    ],
  ];
  for (const [what, options, spoil, command] of cases) {
    it(`${what}, and there is one warning with the command that helps`, options, async () => {
      const store = stored(spoil);
      const warnings = await warningsOf(() => {
        for (let time = 0; time < 3; time++) {
          assert.throws(
            () => runSync(store.read('engine/value')),
            ofKind('Untrusted', (error) => assert.equal(error.path, undefined)),
          );
        }
      });
      assert.equal(warnings.length, 1);
      assert.match(warnings[0] as string, command);
    });
  }

  it('that is larger than the limit, and takes no memory', () => {
    const store = stored(({ file }) => truncateSync(file, 3e9));
    assert.throws(() => runSync(store.read('engine/value')), CacheError.is);
    assert.ok(process.memoryUsage().rss < 1e9);
  });

  it('after the folder was made private, as the warning says, if a stranger left it there', asRoot, () => {
    const store = stored(({ file }) => chownSync(file, STRANGER, STRANGER));
    chmodSync(store.directory, 0o777);
    assert.throws(() => runSync(store.read('engine/value')), ofKind('Untrusted'));
    chmodSync(store.directory, 0o700);
    assert.throws(() => runSync(store.read('engine/value')), ofKind('Untrusted'));
  });
});

describe('nothing is written', () => {
  for (const name of ['engine/value', 'engine/new']) {
    it(`through a link, as ${name}`, onPosix, () => {
      const victim = path.join(temporaryDirectory(), 'victim');
      writeFileSync(victim, 'precious');
      const store = stored(({ folder }) => {
        if (name.endsWith('new')) symlinkSync(victim, path.join(folder, 'new'));
      });
      runSync(store.write(name, Buffer.from('text')));
      assert.equal(runSync(store.create(name, Buffer.from('text'))), false);
      assert.equal(readFileSync(victim, 'utf8'), 'precious');
      assert.equal(Buffer.from(runSync(store.read(name)).bytes).toString(), 'text');
    });
  }

  it('into a folder that is a link', onPosix, () => {
    const store = stored(({ folder, elsewhere }) => {
      renameSync(folder, elsewhere);
      symlinkSync(elsewhere, folder);
    });
    assert.throws(() => runSync(store.write('engine/value', Buffer.from('text'))), ofKind('Untrusted'));
  });

  it('by appending to a link, a pipe, or a file with a second name', onPosix, () => {
    const victim = path.join(temporaryDirectory(), 'victim');
    writeFileSync(victim, 'precious');
    for (const spoil of [
      (file: string) => symlinkSync(victim, file),
      (file: string) => linkSync(victim, file),
      (file: string) => void spawnSync('mkfifo', [file]),
    ]) {
      const store = stored(({ folder }) => spoil(path.join(folder, 'log')));
      try {
        assert.equal(runSync(store.append('engine/log', 'text', 1000)), undefined);
      } catch (error) {
        assert.ok(CacheError.is(error, 'FileWrite'));
      }
      assert.equal(readFileSync(victim, 'utf8'), 'precious');
    }
  });
});

describe('a folder', () => {
  it('that another user makes at the same time is not used', asRoot, async () => {
    const sticky = temporaryDirectory();
    chmodSync(path.dirname(sticky), 0o755);
    chmodSync(sticky, 0o1777);
    const tries = 300;
    const program = `const fs = require('node:fs'); process.setgid(${STRANGER}); process.setuid(${STRANGER}); console.log('ready');
for (let i = 0; i < ${tries}; i++) { while (true) { try { fs.mkdirSync(process.argv[1] + '/' + i); } catch (error) { if (error.code !== 'EEXIST') continue; } break; } }`;
    const attacker = spawn(process.execPath, ['-e', program, sticky], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(attacker, 'exit');
    await once(attacker.stdout, 'data');
    let refused = 0;
    for (let i = 0; i < tries; i++) {
      const directory = path.join(sticky, String(i));
      try {
        runSync(openFolder(directory, false, true)).close();
        assert.equal(statSync(directory).uid, 0, 'a folder of another user was used');
      } catch (error) {
        assert.ok(CacheError.is(error, 'Untrusted'), String(error));
        refused++;
      }
    }
    assert.deepEqual((await ended)[0], 0);
    assert.ok(refused <= tries);
  });

  it('is where the system finds it, also through a link with .. behind another link', onPosix, () => {
    const base = realpathSync(temporaryDirectory());
    for (const folder of ['cache', 'other/cache', 'other/deep']) {
      mkdirSync(path.join(base, folder), { recursive: true, mode: 0o700 });
    }
    symlinkSync('other/deep', path.join(base, 'sub'));
    symlinkSync('sub/../cache', path.join(base, 'link'));
    assert.deepEqual(walk(path.join(base, 'link')), { reached: path.join(base, 'other/cache') });
    assert.equal(realpathSync.native(path.join(base, 'link')), path.join(base, 'other/cache'));
    chmodSync(path.join(base, 'other'), 0o777);
    assert.match(JSON.stringify(walk(path.join(base, 'link'))), /other, on the way .*mode 777/);
  });

  it('that does not exist, behind a link, is not made', onPosix, () => {
    const base = temporaryDirectory();
    symlinkSync(path.join(base, 'nowhere'), path.join(base, 'link'));
    assert.throws(() => walk(path.join(base, 'link')), { code: 'ENOENT' });
    assert.deepEqual(walk(path.join(base, 'nowhere')), { missing: path.join(base, 'nowhere') });
  });

  it('is used by its descriptor: another one in its place changes nothing', {
    skip: process.platform !== 'linux',
  }, () => {
    const base = temporaryDirectory();
    mkdirSync(path.join(base, 'folder'), { mode: 0o700 });
    const folder = runSync(openFolder(path.join(base, 'folder'), false, false));
    renameSync(path.join(base, 'folder'), path.join(base, 'moved'));
    mkdirSync(path.join(base, 'folder'));
    writeFileSync(folder.at('file'), 'text');
    folder.close();
    assert.equal(readFileSync(path.join(base, 'moved', 'file'), 'utf8'), 'text');
  });
});
