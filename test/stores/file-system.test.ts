import assert from 'node:assert/strict';
import fs, {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate as nextTask } from 'node:timers/promises';
import { run, runSync, type Steps } from '../../dist/files/steps.js';
import { FileSystemStore, type ReadValue } from '../../dist/stores/file-system.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { artifactStoreContract } from '../../dist/testing.js';
import { TooLargeError } from '../../dist/too-large-error.js';
import { filesIn, temporaryDirectory } from '../support/processes.js';

const onPosix = { skip: process.geteuid ? false : 'no file modes here' };
const asRoot = { skip: process.geteuid?.() === 0 ? false : 'only root may be somebody else' };

artifactStoreContract('FileSystemStore', () => new FileSystemStore(temporaryDirectory()));

/** Procedures run at once or in the background. */
const ways: { name: string; run<T>(steps: Steps<T>): Promise<T> }[] = [
  { name: 'promises', run },
  { name: 'synchronous', run: async (steps) => runSync(steps) },
];

const newStore = () => new FileSystemStore(temporaryDirectory());

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

/** The bytes as text, once it is sure that they have a buffer of their own. */
function textOf({ bytes }: ReadValue): string {
  assert.equal(bytes.buffer.byteLength, bytes.length);
  return text(bytes);
}

/** The same procedure, where each call is told before it is made. */
function* observed<T>(steps: Steps<T>, onCall: (call: { name: string; args: unknown[] }) => void): Steps<T> {
  let step = steps.next();
  while (!step.done) {
    onCall(step.value);
    let result: unknown;
    try {
      result = yield step.value;
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(result);
  }
  return step.value;
}

for (const way of ways) {
  describe(`FileSystemStore (${way.name}) reads`, () => {
    it('a part of a value', async () => {
      const store = newStore();
      await way.run(store.write('value', Buffer.from('0123456789')));
      const cases: [position: number, length: number, expected: string][] = [
        [0, 10, '0123456789'],
        [0, 4, '0123'],
        [4, 3, '456'],
        [4, 100, '456789'],
        [4, 0, ''],
        [10, 5, ''],
      ];
      for (const [position, length, expected] of cases) {
        const bytes = await way.run(store.use('value', (file) => file.read(position, length)));
        assert.equal(textOf({ bytes, touchedAt: 0 }), expected);
      }
    });

    it('an empty value', async () => {
      const store = newStore();
      await way.run(store.write('value'));
      assert.equal(textOf(await way.run(store.read('value'))), '');
    });

    it('nothing that is larger than the limit', async () => {
      const store = newStore();
      await way.run(store.write('value', Buffer.alloc(100)));
      truncateSync(path.join(store.directory, 'value'), 3e9);
      await assert.rejects(way.run(store.read('value', 1000)), TooLargeError);
      await assert.rejects(way.run(store.read('value')), TooLargeError);
    });

    it('a value of several megabytes', async () => {
      const store = newStore();
      const bytes = Buffer.alloc(5_000_000, 'pattern');
      await way.run(store.write('value', bytes));
      assert.ok(bytes.equals((await way.run(store.read('value'))).bytes));
    });

    // A file of the kernel that reports a page and gives a line, like a file that is truncated while it is read.
    const shorter = '/sys/kernel/profiling';
    const skip =
      existsSync(shorter) && statSync(shorter).size > readFileSync(shorter).length && statSync(shorter).uid === 0
        ? false
        : `no ${shorter}, or not root's`;
    it('the bytes of a file that is shorter than its reported size', { skip }, async () => {
      const store = new FileSystemStore(path.dirname(shorter));
      const content = readFileSync(shorter, 'utf8');
      const name = path.basename(shorter);
      assert.equal(textOf(await way.run(store.read(name))), content);
    });

    it('NotFound if nothing is stored, with the reason as cause', async () => {
      const store = newStore();
      await way.run(store.write('file', Buffer.from('x')));
      const namesTheReason = ofKind('NotFound', ({ cause }) => {
        assert.match((cause as NodeJS.ErrnoException).code ?? '', /^(ENOENT|ENOTDIR)$/);
      });
      for (const name of ['missing', 'missing/too', 'file/below']) {
        await assert.rejects(way.run(store.read(name)), namesTheReason);
      }
    });

    it('NotFound from a folder that does not exist, and makes none', async () => {
      const directory = path.join(temporaryDirectory(), 'none');
      await assert.rejects(way.run(new FileSystemStore(directory).read('value')), ofKind('NotFound'));
      assert.equal(existsSync(directory), false);
    });

    it('FileRead if the file system refuses', async () => {
      const store = newStore();
      mkdirSync(path.join(store.directory, 'folder'));
      for (const name of ['folder', 'x'.repeat(5000)]) {
        await assert.rejects(
          way.run(store.read(name)),
          ofKind('FileRead', (error) => {
            assert.equal(error.path, path.join(store.directory, name));
            assert.ok(error.cause instanceof Error);
          }),
        );
      }
    });

    it('FileRead from a folder without search permission', onPosix, async () => {
      const loop = path.join(temporaryDirectory(), 'loop');
      symlinkSync(loop, loop);
      for (const directory of [loop, path.join(temporaryDirectory(), 'x'.repeat(5000))]) {
        await assert.rejects(way.run(new FileSystemStore(directory).read('value')), ofKind('FileRead'));
      }
    });
  });

  describe(`FileSystemStore (${way.name}) writes`, () => {
    it('what is read again, over what was there', async () => {
      const store = newStore();
      for (const value of ['long value', 'short', '', 'long value']) {
        await way.run(store.write('value', Buffer.from(value)));
        assert.equal(textOf(await way.run(store.read('value'))), value);
      }
    });

    it('only the bytes of the given view', async () => {
      const store = newStore();
      await way.run(store.write('value', new Uint8Array(Buffer.from('0123456789')).subarray(3, 6)));
      assert.equal(textOf(await way.run(store.read('value'))), '345');
    });

    for (const mask of [0, 0o777]) {
      it(`names with folders, private and made when needed, under umask ${mask.toString(8)}`, onPosix, async () => {
        const directory = path.join(temporaryDirectory(), 'store');
        const store = new FileSystemStore(directory);
        const umask = process.umask(mask);
        try {
          await way.run(store.write('a/b/value', Buffer.from('x')));
        } finally {
          process.umask(umask);
        }
        const modes = ['', 'a', 'a/b', 'a/b/value'].map((name) => statSync(path.join(directory, name)).mode & 0o777);
        assert.deepEqual(modes, [0o700, 0o700, 0o700, 0o600]);
        assert.equal(textOf(await way.run(store.read('a/b/value'))), 'x');
      });
    }

    it('FileWrite if a folder is in the way, and leaves no temporary file', async () => {
      const store = newStore();
      await way.run(store.write('folder/value', Buffer.from('x')));
      const file = path.join(store.directory, 'folder');
      await assert.rejects(
        way.run(store.write('folder', Buffer.from('y'))),
        ofKind('FileWrite', (error) => {
          assert.equal(error.path, file);
          assert.ok(error.cause instanceof Error);
        }),
      );
      assert.deepEqual(filesIn(store.directory), [path.join(file, 'value')]);
    });

    it('FileWrite if a file is in the way, which stays as it was', async () => {
      const store = newStore();
      await way.run(store.write('file', Buffer.from('x')));
      await assert.rejects(
        way.run(store.write('file/value', Buffer.from('y'))),
        ofKind('FileWrite', (error) => assert.equal(error.path, path.join(store.directory, 'file/value'))),
      );
      assert.deepEqual(filesIn(store.directory), [path.join(store.directory, 'file')]);
      assert.equal(textOf(await way.run(store.read('file'))), 'x');
    });

    it('into a folder that a sweep removed before there was a file in it', async () => {
      const store = newStore();
      let isRemoved = false;
      const steps = observed(store.write('folder/name', Buffer.from('text')), ({ name, args: [file] }) => {
        if (isRemoved || name !== 'open' || !String(file).endsWith('.tmp')) return;
        fs.rmdirSync(path.join(store.directory, 'folder'));
        isRemoved = true;
      });
      await way.run(steps);
      assert.ok(isRemoved);
      assert.equal(textOf(await way.run(store.read('folder/name'))), 'text');
    });

    it('FileWrite when there is nothing to write, and the old value stays', async () => {
      const store = newStore();
      await way.run(store.write('value', Buffer.from('old')));
      const impossible = { length: 3 } as Uint8Array;
      await assert.rejects(way.run(store.write('value', impossible)), ofKind('FileWrite'));
      assert.deepEqual(filesIn(store.directory), [path.join(store.directory, 'value')]);
      assert.equal(textOf(await way.run(store.read('value'))), 'old');
    });

    it('whole values: readers get the old one or the new one', async () => {
      const store = newStore();
      // Each value is one byte repeated, and its length tells which byte that is.
      const valueNumber = (n: number) => Buffer.alloc(100_000 + n, n);
      const check = ({ bytes }: ReadValue) => assert.ok(valueNumber(bytes.length - 100_000).equals(bytes));
      await way.run(store.write('value', valueNumber(0)));
      let isWriting = true;
      const readAll = async (read: () => ReadValue | Promise<ReadValue>) => {
        while (isWriting) {
          check(await read());
          await nextTask();
        }
      };
      const readers = [readAll(() => run(store.read('value'))), readAll(() => runSync(store.read('value')))];
      for (let n = 1; n <= 60; n++) {
        await way.run(store.write('value', valueNumber(n)));
        await nextTask();
      }
      isWriting = false;
      await Promise.all(readers);
      assert.equal((await run(store.read('value'))).bytes.length, 100_060);
    });

    it('one whole value if several write at once', async () => {
      const store = newStore();
      const values = Array.from({ length: 10 }, (_, n) => Buffer.alloc(50_000, n));
      await Promise.all(values.map((value) => way.run(store.write('value', value))));
      const { bytes } = await way.run(store.read('value'));
      assert.ok(values.some((value) => value.equals(bytes)));
      assert.deepEqual(filesIn(store.directory), [path.join(store.directory, 'value')]);
    });
  });

  describe(`FileSystemStore (${way.name}) deletes`, () => {
    it('a value', async () => {
      const store = newStore();
      await way.run(store.write('a/value', Buffer.from('x')));
      await way.run(store.remove('a/value'));
      await assert.rejects(way.run(store.read('a/value')), ofKind('NotFound'));
    });

    it('nothing if there is no file', async () => {
      const store = newStore();
      await way.run(store.write('a/value', Buffer.from('x')));
      for (const name of ['missing', 'missing/value', 'a', 'a/value/below']) await way.run(store.remove(name));
      assert.equal(textOf(await way.run(store.read('a/value'))), 'x');
    });
  });

  it(`FileSystemStore (${way.name}) touches nothing in a folder to which others may write`, onPosix, async () => {
    const directory = temporaryDirectory();
    await way.run(new FileSystemStore(directory).write('value', Buffer.from('x')));
    chmodSync(directory, 0o777);
    const store = new FileSystemStore(directory);
    await assert.rejects(way.run(store.read('value')), ofKind('Untrusted'));
    await assert.rejects(way.run(store.write('value', Buffer.from('y'))), ofKind('Untrusted'));
    await assert.rejects(way.run(store.write('folder/value', Buffer.from('y'))), ofKind('Untrusted'));
    await way.run(store.remove('value')).catch(ofKind('Untrusted'));
    assert.deepEqual(readdirSync(directory), ['value']);
    assert.equal(readFileSync(path.join(directory, 'value'), 'utf8'), 'x');
  });
}

it('tells whether a folder has been made', () => {
  const store = new FileSystemStore(path.join(temporaryDirectory(), 'not', 'yet'));
  assert.equal(runSync(store.hasFolder('folder')), false);
  runSync(store.write('folder/name', Buffer.from('value')));
  assert.equal(runSync(store.hasFolder('folder')), true);
  assert.equal(runSync(store.hasFolder('other')), false);
});

describe('FileSystemStore.checkTrust', () => {
  const check = (directory: string) => new FileSystemStore(directory).checkTrust();

  for (const mode of [0o700, 0o500, 0o755, 0o711]) {
    it(`passes a folder of mode ${mode.toString(8)}`, onPosix, () => {
      const directory = temporaryDirectory();
      chmodSync(directory, mode);
      check(directory);
    });
  }

  for (const mode of [0o777, 0o775, 0o757, 0o720, 0o702, 0o1777]) {
    it(`refuses a folder of mode ${mode.toString(8)} and says what to do`, onPosix, () => {
      const directory = temporaryDirectory();
      chmodSync(directory, mode);
      assert.throws(
        () => check(directory),
        ofKind('Untrusted', (error) => {
          assert.equal(error.path, directory);
          assert.ok(error.message.includes(directory) && error.message.includes((mode & 0o777).toString(8)));
          assert.match(error.message, /chmod 700/);
        }),
      );
    });
  }

  it('passes a folder that does not exist', () => {
    const directory = path.join(temporaryDirectory(), 'none');
    check(directory);
    check(path.join(directory, 'nor', 'its', 'parents'));
  });

  it('passes once the folder has been made private', onPosix, () => {
    const store = newStore();
    chmodSync(store.directory, 0o777);
    assert.throws(() => store.checkTrust(), ofKind('Untrusted'));
    chmodSync(store.directory, 0o700);
    store.checkTrust();
  });

  it('looks at the folder behind a symbolic link', onPosix, () => {
    const [directory, link] = [temporaryDirectory(), path.join(temporaryDirectory(), 'link')];
    symlinkSync(directory, link);
    check(link);
    chmodSync(directory, 0o777);
    assert.throws(() => check(link), ofKind('Untrusted'));
  });

  it('refuses a folder of another user, naming both and the variable that chooses another', asRoot, () => {
    const directory = temporaryDirectory();
    chownSync(directory, 12345, 12345);
    const namesBoth = ofKind('Untrusted', ({ message }) => assert.match(message, /12345.* 0 .*WASM_CACHE_DIR/s));
    assert.throws(() => check(directory), namesBoth);
  });

  it('passes a folder of root for another user, and one of that user', asRoot, () => {
    const [ofRoot, ofUser] = [temporaryDirectory(), temporaryDirectory()];
    chmodSync(ofRoot, 0o755);
    chownSync(ofUser, 12345, 12345);
    process.seteuid?.(12345);
    try {
      check(ofRoot);
      check(ofUser);
    } finally {
      process.seteuid?.(0);
    }
  });

  it('runs before the first read of an existing file', onPosix, () => {
    const store = newStore();
    writeFileSync(path.join(store.directory, 'value'), 'x');
    chmodSync(store.directory, 0o777);
    assert.throws(() => runSync(store.read('value')), ofKind('Untrusted'));
  });
});
