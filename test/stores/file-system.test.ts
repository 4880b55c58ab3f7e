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
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate as nextTask } from 'node:timers/promises';
import { CacheError } from '../../dist/cache-error.js';
import { FileSystemStore, type Parts, type StoreCall, type StoreSteps } from '../../dist/stores/file-system.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { artifactStoreContract } from '../../dist/testing.js';
import { filesIn, temporaryDirectory } from '../support/processes.js';

const onPosix = { skip: process.geteuid ? false : 'no file modes here' };
const asRoot = { skip: process.geteuid?.() === 0 ? false : 'only root may be somebody else' };

artifactStoreContract('FileSystemStore', () => new FileSystemStore(temporaryDirectory()));

/** The asynchronous or the synchronous methods of a store, both behind promises. */
interface Variant {
  name: string;
  read(store: FileSystemStore, name: string, headLength?: number, tailLength?: number): Promise<Parts>;
  write(store: FileSystemStore, name: string, bytes: Uint8Array): Promise<void>;
  delete(store: FileSystemStore, name: string): Promise<void>;
  run<T>(store: FileSystemStore, steps: StoreSteps<T>): Promise<T>;
}

const variants: Variant[] = [
  {
    name: 'promises',
    read: (store, ...rest) => store.read(...rest),
    write: (store, ...rest) => store.write(...rest),
    delete: (store, name) => store.delete(name),
    run: (store, steps) => store.run(steps),
  },
  {
    name: 'synchronous',
    read: async (store, ...rest) => store.readSync(...rest),
    write: async (store, ...rest) => store.writeSync(...rest),
    delete: async (store, name) => store.deleteSync(name),
    run: async (store, steps) => store.runSync(steps),
  },
];

const newStore = () => new FileSystemStore(temporaryDirectory());

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

/** The parts as text. Checks that each has its own buffer of exactly its length. */
function textOf({ head, body, size }: Parts): { head: string; body: string; size: number } {
  for (const part of [head, body]) assert.equal(part.buffer.byteLength, part.length);
  assert.notEqual(head.buffer, body.buffer);
  return { head: text(head), body: text(body), size };
}

for (const variant of variants) {
  describe(`FileSystemStore (${variant.name}) reads`, () => {
    const cases: [headLength: number | undefined, tailLength: number | undefined, head: string, body: string][] = [
      [undefined, undefined, '', '0123456789'],
      [0, 0, '', '0123456789'],
      [4, undefined, '0123', '456789'],
      [4, 0, '0123', '456789'],
      [0, 3, '', '0123456'],
      [4, 3, '0123', '456'],
      [4, 6, '0123', ''],
      [4, 9, '0123', ''],
      [4, Infinity, '0123', ''],
      [0, Infinity, '', ''],
      [10, 0, '0123456789', ''],
      [11, 0, '0123456789', ''],
      [1000, 1000, '0123456789', ''],
    ];
    for (const [headLength, tailLength, head, body] of cases) {
      it(`"${head}" and "${body}" of a value with head ${headLength} and tail ${tailLength}`, async () => {
        const store = newStore();
        await variant.write(store, 'value', Buffer.from('0123456789'));
        assert.deepEqual(textOf(await variant.read(store, 'value', headLength, tailLength)), { head, body, size: 10 });
      });
    }

    it('empty parts of an empty value', async () => {
      const store = newStore();
      await variant.write(store, 'value', new Uint8Array(0));
      for (const [head, tail] of [[], [4], [4, 4]]) {
        assert.deepEqual(textOf(await variant.read(store, 'value', head, tail)), { head: '', body: '', size: 0 });
      }
    });

    it('a value of several megabytes', async () => {
      const store = newStore();
      const bytes = Buffer.alloc(5_000_000, 'pattern');
      await variant.write(store, 'value', bytes);
      const { head, body } = await variant.read(store, 'value', 312);
      assert.ok(bytes.equals(Buffer.concat([head, body])));
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
      const size = content.length;
      assert.deepEqual(textOf(await variant.read(store, name)), { head: '', body: content, size });
      assert.deepEqual(textOf(await variant.read(store, name, 1)), {
        head: content.slice(0, 1),
        body: content.slice(1),
        size,
      });
      assert.deepEqual(textOf(await variant.read(store, name, 312)), { head: content, body: '', size });
    });

    it('NotFound if nothing is stored, with the reason as cause', async () => {
      const store = newStore();
      await variant.write(store, 'file', Buffer.from('x'));
      const namesTheReason = ofKind('NotFound', ({ cause }) => {
        assert.match((cause as NodeJS.ErrnoException).code ?? '', /^(ENOENT|ENOTDIR)$/);
      });
      for (const name of ['missing', 'missing/too', 'file/below']) {
        await assert.rejects(variant.read(store, name), namesTheReason);
      }
    });

    it('NotFound from a folder that does not exist, and makes none', async () => {
      const directory = path.join(temporaryDirectory(), 'none');
      await assert.rejects(variant.read(new FileSystemStore(directory), 'value'), ofKind('NotFound'));
      assert.equal(existsSync(directory), false);
    });

    it('FileRead if the file system refuses', async () => {
      const store = newStore();
      mkdirSync(path.join(store.directory, 'folder'));
      for (const name of ['folder', 'x'.repeat(5000)]) {
        await assert.rejects(
          variant.read(store, name),
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
        await assert.rejects(variant.read(new FileSystemStore(directory), 'value'), ofKind('FileRead'));
      }
    });
  });

  describe(`FileSystemStore (${variant.name}) writes`, () => {
    it('a value that can be read again, also over an old one', async () => {
      const store = newStore();
      for (const value of ['long value', 'short', '', 'long value']) {
        await variant.write(store, 'value', Buffer.from(value));
        assert.equal(textOf(await variant.read(store, 'value')).body, value);
      }
    });

    it('only the bytes of the given view', async () => {
      const store = newStore();
      await variant.write(store, 'value', new Uint8Array(Buffer.from('0123456789')).subarray(3, 6));
      assert.equal(textOf(await variant.read(store, 'value')).body, '345');
    });

    for (const mask of [0, 0o777]) {
      it(`names with folders, private and made when needed, under umask ${mask.toString(8)}`, onPosix, async () => {
        const directory = path.join(temporaryDirectory(), 'store');
        const store = new FileSystemStore(directory);
        const umask = process.umask(mask);
        try {
          await variant.write(store, 'a/b/value', Buffer.from('x'));
        } finally {
          process.umask(umask);
        }
        const modes = ['', 'a', 'a/b', 'a/b/value'].map((name) => statSync(path.join(directory, name)).mode & 0o777);
        assert.deepEqual(modes, [0o700, 0o700, 0o700, 0o600]);
        assert.equal(textOf(await variant.read(store, 'a/b/value')).body, 'x');
      });
    }

    it('FileWrite if a folder is in the way, and leaves no temporary file', async () => {
      const store = newStore();
      await variant.write(store, 'folder/value', Buffer.from('x'));
      const file = path.join(store.directory, 'folder');
      await assert.rejects(
        variant.write(store, 'folder', Buffer.from('y')),
        ofKind('FileWrite', (error) => {
          assert.equal(error.path, file);
          assert.ok(error.cause instanceof Error);
        }),
      );
      assert.deepEqual(filesIn(store.directory), [path.join(file, 'value')]);
    });

    it('FileWrite if a file is in the way, which stays as it was', async () => {
      const store = newStore();
      await variant.write(store, 'file', Buffer.from('x'));
      await assert.rejects(
        variant.write(store, 'file/value', Buffer.from('y')),
        ofKind('FileWrite', (error) => assert.equal(error.path, path.join(store.directory, 'file/value'))),
      );
      assert.deepEqual(filesIn(store.directory), [path.join(store.directory, 'file')]);
      assert.equal(textOf(await variant.read(store, 'file')).body, 'x');
    });

    it('into a folder that a sweep removed before there was a file in it', async () => {
      // A separate store, because the synchronous methods capture the functions of `fs`.
      const { open } = fs.promises;
      const { openSync } = fs;
      let isRemoved = false;
      const removed = (file: fs.PathLike) => {
        // Node loads modules with these functions, too.
        if (!isRemoved && String(file).endsWith('.tmp')) {
          fs.rmdirSync(path.dirname(String(file)));
          isRemoved = true;
        }
        return file;
      };
      fs.promises.open = (file, ...rest) => open(removed(file), ...rest);
      fs.openSync = (file, ...rest) => openSync(removed(file), ...rest);
      try {
        const url = new URL(`../../dist/stores/file-system.js?${variant.name}`, import.meta.url).href;
        const store = new (await import(url)).FileSystemStore(temporaryDirectory());
        await variant.write(store, 'folder/name', Buffer.from('text'));
        assert.equal(text((await variant.read(store, 'folder/name')).body), 'text');
      } finally {
        Object.assign(fs.promises, { open });
        Object.assign(fs, { openSync });
      }
      assert.ok(isRemoved);
    });

    it('FileWrite when there is nothing to write, and the old value stays', async () => {
      const store = newStore();
      await variant.write(store, 'value', Buffer.from('old'));
      const impossible = { length: 3 } as Uint8Array;
      await assert.rejects(variant.write(store, 'value', impossible), ofKind('FileWrite'));
      assert.deepEqual(filesIn(store.directory), [path.join(store.directory, 'value')]);
      assert.equal(textOf(await variant.read(store, 'value')).body, 'old');
    });

    it('whole values: readers get the old one or the new one', async () => {
      const store = newStore();
      // Each value is one byte repeated, and its length tells which byte that is.
      const valueNumber = (n: number) => Buffer.alloc(100_000 + n, n);
      const check = ({ body }: Parts) => assert.ok(valueNumber(body.length - 100_000).equals(body));
      await variant.write(store, 'value', valueNumber(0));
      let isWriting = true;
      const readAll = async (read: () => Parts | Promise<Parts>) => {
        while (isWriting) {
          check(await read());
          await nextTask();
        }
      };
      const readers = [readAll(() => store.read('value')), readAll(() => store.readSync('value'))];
      for (let n = 1; n <= 60; n++) {
        await variant.write(store, 'value', valueNumber(n));
        await nextTask();
      }
      isWriting = false;
      await Promise.all(readers);
      assert.equal((await store.read('value')).body.length, 100_060);
    });

    it('one whole value if several write at once', async () => {
      const store = newStore();
      const values = Array.from({ length: 10 }, (_, n) => Buffer.alloc(50_000, n));
      await Promise.all(values.map((value) => variant.write(store, 'value', value)));
      const { body } = await variant.read(store, 'value');
      assert.ok(values.some((value) => value.equals(body)));
      assert.deepEqual(filesIn(store.directory), [path.join(store.directory, 'value')]);
    });
  });

  describe(`FileSystemStore (${variant.name}) deletes`, () => {
    it('a value', async () => {
      const store = newStore();
      await variant.write(store, 'a/value', Buffer.from('x'));
      await variant.delete(store, 'a/value');
      await assert.rejects(variant.read(store, 'a/value'), ofKind('NotFound'));
    });

    it('nothing if there is no file', async () => {
      const store = newStore();
      await variant.write(store, 'a/value', Buffer.from('x'));
      for (const name of ['missing', 'missing/value', 'a', 'a/value/below']) await variant.delete(store, name);
      assert.equal(textOf(await variant.read(store, 'a/value')).body, 'x');
    });
  });

  describe(`FileSystemStore (${variant.name}) runs a procedure`, () => {
    it('that writes, reads in parts and deletes, and gives its result', async () => {
      const store = newStore();
      const result = await variant.run(
        store,
        (function* (): StoreSteps<string> {
          yield { write: 'a/value', parts: [Buffer.from('0123456789')] };
          const { head, body, size } = yield { read: 'a/value', headLength: 2, tailLength: 3 };
          yield { delete: 'a/value' };
          return `${text(head)} ${text(body)} ${size}`;
        })(),
      );
      assert.equal(result, '01 23456 10');
      assert.deepEqual(filesIn(store.directory), []);
    });

    it('that ends before it makes a call', async () => {
      const steps = (function* (isDone: boolean): StoreSteps<string> {
        if (!isDone) yield { read: 'missing' };
        return 'done';
      })(true);
      assert.equal(await variant.run(newStore(), steps), 'done');
    });

    it('that gets errors at its calls, and may go on', async () => {
      const store = newStore();
      mkdirSync(path.join(store.directory, 'folder'));
      const calls: StoreCall[] = [
        { read: 'missing' },
        { read: 'folder' },
        { write: 'folder', parts: [Buffer.from('x')] },
      ];
      const kinds = await variant.run(
        store,
        (function* (): StoreSteps<(string | undefined)[]> {
          const seen = [];
          for (const call of calls) {
            try {
              yield call;
            } catch (error) {
              seen.push(CacheError.is(error) ? error.kind : undefined);
            }
          }
          yield { write: 'value', parts: [Buffer.from('went on')] };
          return seen;
        })(),
      );
      assert.deepEqual(kinds, ['NotFound', 'FileRead', 'FileWrite']);
      assert.equal(textOf(await variant.read(store, 'value')).body, 'went on');
    });

    it('and rejects with an error that it does not catch, after its cleanup', async () => {
      const store = newStore();
      const steps = (function* (): StoreSteps<void> {
        try {
          yield { read: 'missing' };
        } finally {
          yield { write: 'cleaned', parts: [Buffer.from('up')] };
        }
      })();
      await assert.rejects(variant.run(store, steps), ofKind('NotFound'));
      assert.equal(textOf(await variant.read(store, 'cleaned')).body, 'up');
    });

    it('and rejects with the error that it throws itself', async () => {
      const own = new Error('its own');
      const steps = (function* (): StoreSteps<void> {
        yield { delete: 'value' };
        throw own;
      })();
      await assert.rejects(variant.run(newStore(), steps), (error) => error === own);
    });
  });

  it(`FileSystemStore (${variant.name}) touches nothing in a folder to which others may write`, onPosix, async () => {
    const directory = temporaryDirectory();
    await variant.write(new FileSystemStore(directory), 'value', Buffer.from('x'));
    chmodSync(directory, 0o777);
    const store = new FileSystemStore(directory);
    await assert.rejects(variant.read(store, 'value'), ofKind('Untrusted'));
    await assert.rejects(variant.write(store, 'value', Buffer.from('y')), ofKind('Untrusted'));
    await assert.rejects(variant.write(store, 'folder/value', Buffer.from('y')), ofKind('Untrusted'));
    await variant.delete(store, 'value').catch(ofKind('Untrusted'));
    assert.deepEqual(readdirSync(directory), ['value']);
    assert.equal(readFileSync(path.join(directory, 'value'), 'utf8'), 'x');
  });
}

it('tells whether a folder has been made', () => {
  const store = new FileSystemStore(path.join(temporaryDirectory(), 'not', 'yet'));
  assert.equal(store.hasFolderSync('folder'), false);
  store.writeSync('folder/name', Buffer.from('value'));
  assert.equal(store.hasFolderSync('folder'), true);
  assert.equal(store.hasFolderSync('other'), false);
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
    assert.throws(() => store.readSync('value'), ofKind('Untrusted'));
  });
});
