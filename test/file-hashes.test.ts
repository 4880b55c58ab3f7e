import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { describe, it, mock } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import util from 'node:util';
import { FileHashes, type HashedFile, type HashFileOptions } from '../dist/file-hashes.js';
import { type HashAlgorithm, ModuleHash } from '../dist/module-hash.js';
import { ofKind } from '../dist/testing/assertions.js';
import { temporaryDirectory } from './support/processes.js';

const xxhash: typeof import('@node-rs/xxhash') = createRequire(import.meta.url)('@node-rs/xxhash');

/** The documented margin. */
const SETTLED_AFTER = 2_100;
/** Two time stamps this far apart differ: it is more than a clock tick. */
const TICK = 30;

const directory = temporaryDirectory();
let files = 0;

function newFile(content: string | Uint8Array = `file ${files}`): string {
  const file = path.join(directory, `file-${files++}.wasm`);
  fs.writeFileSync(file, content);
  return file;
}

/** A clock with which the files of these tests are old. */
const later = () => Date.now() + 60_000;

/** Counts how many times something is hashed during the action. */
async function countHashing(action: () => unknown): Promise<number> {
  const mocks = [mock.method(crypto, 'hash'), mock.method(xxhash, 'xxh64')];
  try {
    await action();
    return mocks.reduce((sum, { mock }) => sum + mock.callCount(), 0);
  } finally {
    for (const { mock } of mocks) mock.restore();
  }
}

function assertHashed(
  { wireBytes, hash }: HashedFile,
  content: string | Uint8Array,
  algorithm: HashAlgorithm = 'sha256',
): void {
  assert.deepEqual(Buffer.from(wireBytes), Buffer.from(content));
  assert.equal(String(hash), String(ModuleHash[algorithm](Buffer.from(content))));
}

const handle = await fs.promises.open(directory);
const fileHandlePrototype: fs.promises.FileHandle = Object.getPrototypeOf(handle);
await handle.close();

/** Runs `action`, and during it `change` each time after a file was opened and before it is read. */
async function changing<T>(change: () => void, action: () => Promise<T>): Promise<T> {
  const { readvSync } = fs;
  const { readv } = fileHandlePrototype;
  const sync = mock.method(fs, 'readvSync', (...args: Parameters<typeof readvSync>) => {
    change();
    return readvSync(...args);
  });
  const async = mock.method(
    fileHandlePrototype,
    'readv',
    function (this: typeof fileHandlePrototype, ...args: never[]) {
      change();
      return readv.apply(this, args as never);
    },
  );
  try {
    return await action();
  } finally {
    sync.mock.restore();
    async.mock.restore();
  }
}

type Read = (hashes: FileHashes, file: string | URL, options?: HashFileOptions) => Promise<HashedFile>;

const ways: Record<string, Read> = {
  read: (hashes, ...args) => hashes.read(...args),
  readSync: async (hashes, ...args) => hashes.readSync(...args),
};

for (const [way, read] of Object.entries(ways)) {
  describe(`FileHashes.${way}`, () => {
    for (const algorithm of ['sha256', 'xxhash'] as const) {
      it(`gives the bytes of a file and their ${algorithm}, also when it is remembered`, async () => {
        const hashes = new FileHashes(later);
        const file = newFile('content');
        assertHashed(await read(hashes, file, { algorithm }), 'content', algorithm);
        assertHashed(await read(hashes, file, { algorithm }), 'content', algorithm);
      });
    }

    it('gives the bytes in a new ordinary buffer of exactly their length', async () => {
      const hashes = new FileHashes(later);
      const file = newFile('content');
      const { wireBytes } = await read(hashes, file);
      assert.equal(Object.getPrototypeOf(wireBytes), Uint8Array.prototype);
      assert.ok(wireBytes.buffer instanceof ArrayBuffer);
      assert.equal(wireBytes.buffer.byteLength, 7);
      wireBytes.fill(0);
      assertHashed(await read(hashes, file), 'content');
    });

    it('reads an empty file', async () => {
      assertHashed(await read(new FileHashes(), newFile('')), '');
    });

    it('reads a large file whole', async () => {
      const content = crypto.randomBytes(30_000_000);
      const { wireBytes, hash } = await read(new FileHashes(), newFile(content));
      assert.equal(content.compare(wireBytes), 0);
      assert.ok(hash.equals(ModuleHash.sha256(content)));
    });

    it('accepts file: URLs, relative paths and symbolic links', async () => {
      const file = newFile('content');
      fs.symlinkSync(file, `${file}-link`);
      const spaced = path.join(directory, 'with #?% ü.wasm');
      fs.writeFileSync(spaced, 'spaced');
      assertHashed(await read(new FileHashes(), pathToFileURL(file)), 'content');
      assertHashed(await read(new FileHashes(), pathToFileURL(spaced)), 'spaced');
      assertHashed(await read(new FileHashes(), path.relative(process.cwd(), file)), 'content');
      assertHashed(await read(new FileHashes(), `${file}-link`), 'content');
    });

    /** Whether a file is hashed twice if it is read twice, beginning so many milliseconds after it was written. */
    async function hashedTwiceAtAge(age: number): Promise<boolean> {
      const file = newFile();
      const { ctimeMs } = fs.statSync(file);
      const hashes = new FileHashes(() => Math.floor(ctimeMs) + age);
      await read(hashes, file);
      return (await countHashing(() => read(hashes, file))) === 1;
    }

    describe('remembers', () => {
      it('the hash of a file that was not changed for the margin', async () => {
        const hashes = new FileHashes();
        const file = newFile('content');
        await setTimeout(SETTLED_AFTER + TICK);
        assert.equal(await countHashing(() => read(hashes, file)), 1);
        assert.equal(await countHashing(() => read(hashes, file)), 0);
        assertHashed(await read(hashes, file), 'content');
      });

      it('the hash of a file that was written a little more than the margin ago', async () => {
        assert.equal(await hashedTwiceAtAge(SETTLED_AFTER + 2), false);
      });

      it('the hash for all names of the file, until it is changed', async () => {
        const hashes = new FileHashes(later);
        const file = newFile('content');
        fs.symlinkSync(file, `${file}-link`);
        fs.linkSync(file, `${file}-other`);
        await read(hashes, file);
        assert.equal(await countHashing(() => read(hashes, `${file}-link`)), 0);
        assert.equal(await countHashing(() => read(hashes, `${file}-other`)), 0);
        await setTimeout(TICK);
        fs.writeFileSync(`${file}-other`, 'CONTENT');
        assert.equal(await countHashing(async () => assertHashed(await read(hashes, file), 'CONTENT')), 1 + 1);
        assert.equal(await countHashing(() => read(hashes, file)), 0);
      });

      it('the hashes of different algorithms', async () => {
        const hashes = new FileHashes(later);
        const file = newFile('content');
        for (const count of [1, 0]) {
          for (const algorithm of ['sha256', 'xxhash'] as const) {
            assert.equal(await countHashing(() => read(hashes, file, { algorithm })), count);
            assertHashed(await read(hashes, file, { algorithm }), 'content', algorithm);
          }
        }
      });

      it('the last 1,000 files', async () => {
        const hashes = new FileHashes(later);
        const many = Array.from({ length: 1_001 }, () => newFile());
        for (const file of many) await read(hashes, file);
        assert.equal(await countHashing(() => read(hashes, many[1_000] as string)), 0);
        assert.equal(await countHashing(() => read(hashes, many[1] as string)), 0);
        assert.equal(await countHashing(() => read(hashes, many[0] as string)), 1);
      });
    });

    describe('does not remember', () => {
      const ages: Record<string, number> = {
        'a file that has just been written': 0,
        'a file that was written a little less than the margin ago': SETTLED_AFTER - 1,
        'a file from the future': -3_600_000,
      };
      for (const [what, age] of Object.entries(ages)) {
        it(what, async () => assert.equal(await hashedTwiceAtAge(age), true));
      }

      it('a fresh file with an old mtime', async () => {
        const hashes = new FileHashes();
        const file = newFile();
        fs.utimesSync(file, 1_000_000_000, 1_000_000_000);
        await read(hashes, file);
        assert.equal(await countHashing(() => read(hashes, file)), 1);
      });

      it('a file with an mtime in the future', async () => {
        const hashes = new FileHashes(later);
        const file = newFile();
        fs.utimesSync(file, 4_000_000_000, 4_000_000_000);
        await read(hashes, file);
        assert.equal(await countHashing(() => read(hashes, file)), 1);
      });

      it('a file of a file system without inodes', async () => {
        const hashes = new FileHashes(later);
        const file = newFile();
        const withoutInode = (stats: fs.BigIntStats) => Object.assign(stats, { ino: 0n });
        const { fstatSync } = fs;
        const { stat } = fileHandlePrototype;
        mock.method(fs, 'fstatSync', (...args: [number, { bigint: true }]) => withoutInode(fstatSync(...args)));
        mock.method(fileHandlePrototype, 'stat', async function (this: typeof fileHandlePrototype) {
          return withoutInode((await stat.call(this, { bigint: true })) as fs.BigIntStats);
        });
        try {
          await read(hashes, file);
          assert.equal(await countHashing(() => read(hashes, file)), 1);
        } finally {
          mock.restoreAll();
        }
      });

      it('anything if it is paranoid, and uses nothing that is', async () => {
        const hashes = new FileHashes(later);
        const file = newFile('content');
        assert.equal(await countHashing(() => read(hashes, file, { paranoid: true })), 1);
        assert.equal(await countHashing(() => read(hashes, file)), 1);
        assert.equal(await countHashing(() => read(hashes, file, { paranoid: true })), 1);
        assertHashed(await read(hashes, file, { paranoid: true }), 'content');
      });
    });

    describe('never gives a wrong hash for a file', () => {
      const name = (n: number) => String(n).padStart(8, '0');

      /** @param change - replaces the content by another one of the same length */
      async function assertNeverWrong(file: string, hashes: FileHashes, change: (content: string) => void) {
        for (let n = 0; n < 500; n++) {
          change(name(n));
          assertHashed(await read(hashes, file), name(n));
        }
      }

      const changes: Record<string, (file: string) => (content: string) => void> = {
        'that is rewritten over and over': (file) => (content) => fs.writeFileSync(file, content),
        'that is overwritten in place': (file) => (content) => fs.writeFileSync(file, content, { flag: 'r+' }),
        'whose mtime is put back each time': (file) => {
          const { atime, mtime } = fs.statSync(file);
          return (content) => {
            fs.writeFileSync(file, content);
            fs.utimesSync(file, atime, mtime);
          };
        },
        'that is replaced': (file) => (content) => {
          fs.writeFileSync(`${file}.new`, content);
          fs.renameSync(`${file}.new`, file);
        },
        'that is removed and made again, with the same inode maybe': (file) => (content) => {
          fs.unlinkSync(file);
          fs.writeFileSync(file, content);
        },
      };
      for (const [what, changeOf] of Object.entries(changes)) {
        it(what, async () => {
          const file = newFile(name(0));
          await assertNeverWrong(file, new FileHashes(), changeOf(file));
        });
      }

      it('that it remembers, if it is rewritten and its mtime is put back', async () => {
        const hashes = new FileHashes();
        const file = newFile(name(0));
        fs.utimesSync(file, 1_000_000_000, 1_000_000_000);
        await setTimeout(SETTLED_AFTER + TICK);
        await read(hashes, file);
        assert.equal(await countHashing(() => read(hashes, file)), 0);
        await assertNeverWrong(file, hashes, (content) => {
          fs.writeFileSync(file, content);
          fs.utimesSync(file, 1_000_000_000, 1_000_000_000);
        });
      });

      it('that it remembers, if it is replaced by one of the same size and mtime', async () => {
        const hashes = new FileHashes(later);
        const [file, other] = [newFile('content'), newFile('CONTENT')];
        for (const each of [file, other]) fs.utimesSync(each, 1_000_000_000, 1_000_000_000);
        await read(hashes, file);
        await read(hashes, other);
        fs.renameSync(other, file);
        assertHashed(await read(hashes, file), 'CONTENT');
      });
    });

    describe('when the file is changed while it is being read', () => {
      const changes: Record<string, (file: string) => void> = {
        overwritten: (file) => fs.writeFileSync(file, 'CONTENT', { flag: 'r+' }),
        longer: (file) => fs.appendFileSync(file, ', more of it'),
        shorter: (file) => fs.truncateSync(file, 3),
        emptied: (file) => fs.truncateSync(file, 0),
        replaced: (file) => {
          fs.writeFileSync(`${file}.new`, 'CONTENT');
          fs.renameSync(`${file}.new`, file);
        },
      };
      for (const [what, change] of Object.entries(changes)) {
        for (const remembered of [false, true]) {
          it(`reads it again: ${what}${remembered ? ', though it is remembered' : ''}`, async () => {
            const hashes = new FileHashes(later);
            const file = newFile('content');
            if (remembered) await read(hashes, file);
            await setTimeout(TICK);
            let reads = 0;
            const changeOnce = () => reads++ === 0 && change(file);
            assertHashed(await changing(changeOnce, () => read(hashes, file)), fs.readFileSync(file));
            assert.equal(reads, 2);
            assertHashed(await read(hashes, file), fs.readFileSync(file));
          });
        }
      }

      it('gives up if it is changed every time', async () => {
        const file = newFile();
        let reads = 0;
        const change = () => fs.appendFileSync(file, String(reads++));
        await assert.rejects(
          changing(change, () => read(new FileHashes(), file)),
          ofKind('FileRead', (error) => {
            assert.equal(error.path, file);
            assert.match(error.message, /changed while it was read.*3 attempts/);
            assert.ok(error.cause instanceof Error);
          }),
        );
        assert.equal(reads, 3);
      });

      it('reports that it was removed', async () => {
        const file = newFile();
        await assert.rejects(
          changing(
            () => fs.rmSync(file),
            () => read(new FileHashes(), file),
          ),
          ofKind('FileRead', (error) => assert.equal((error.cause as NodeJS.ErrnoException).code, 'ENOENT')),
        );
      });
    });

    describe('fails with FileRead, the path and the cause for', () => {
      async function assertFails(file: string, cause: RegExp): Promise<void> {
        await assert.rejects(
          read(new FileHashes(), file),
          ofKind('FileRead', (error) => {
            assert.equal(error.path, file);
            assert.ok(error.message.includes(file), error.message);
            assert.ok(error.cause instanceof Error);
            assert.match(error.cause.message, cause);
          }),
        );
      }
      const onPosix = { skip: process.platform === 'win32' };

      it('a missing file', () => assertFails(path.join(directory, 'missing'), /ENOENT/));

      it('a path through a file', () => assertFails(path.join(newFile(), 'below'), /ENOTDIR|ENOENT/));

      it('a path with a null character', () => assertFails(path.join(directory, 'null\0'), /null bytes/));

      it('a symbolic link to nothing', () => {
        const link = path.join(directory, `dangling-${way}`);
        fs.symlinkSync('missing', link);
        return assertFails(link, /ENOENT/);
      });

      it('a folder', () => assertFails(directory, /not a regular file|EISDIR|EPERM/));

      it('a FIFO', onPosix, () => {
        const fifo = path.join(directory, `fifo-${way}`);
        execFileSync('mkfifo', [fifo]);
        return assertFails(fifo, /not a regular file/);
      });

      it('a socket', onPosix, async () => {
        const socket = path.join(directory, `socket-${way}`);
        const server = net.createServer();
        await new Promise<void>((resolve) => server.listen(socket, resolve));
        try {
          await assertFails(socket, /ENXIO|EOPNOTSUPP/);
        } finally {
          server.close();
        }
      });

      for (const device of ['/dev/zero', '/dev/null', '/dev/tty']) {
        it(`the device ${device}`, onPosix, () => assertFails(device, /not a regular file|ENXIO/));
      }

      it('a file that has more bytes than its size says', { skip: process.platform !== 'linux' }, () =>
        assertFails('/proc/self/status', /its size is wrong/),
      );

      it('a file that is larger than any module, before it is read', async () => {
        const file = newFile();
        fs.truncateSync(file, 2 ** 43);
        await assertFails(file, /no module has more than 1073741824/);
      });

      it('a file that this user may not read', onPosix, async () => {
        const file = newFile();
        fs.chmodSync(file, 0);
        const user = process.geteuid?.();
        if (user === 0) process.seteuid?.(65_534);
        try {
          await assertFails(file, /EACCES/);
        } finally {
          if (user === 0) process.seteuid?.(0);
        }
      });
    });

    for (const given of ['', undefined, null, 5, {}, Buffer.from('/tmp'), new URL('http://localhost/a.wasm')]) {
      const text = given instanceof URL ? given.href : JSON.stringify(given);
      it(`refuses the path ${text} with a TypeError that names it`, async () => {
        const names = given instanceof URL ? given.href : util.inspect(given);
        await assert.rejects(
          read(new FileHashes(), given as string),
          (error: Error) => error instanceof TypeError && error.message.includes(names),
        );
      });
    }

    it('refuses a file: URL that is no path with a TypeError', async () => {
      await assert.rejects(read(new FileHashes(), new URL('file:///a%2fb')), TypeError);
    });

    for (const algorithm of ['md5', 'random', '', null, 1]) {
      it(`refuses the algorithm ${JSON.stringify(algorithm)} with a TypeError that names the option`, async () => {
        await assert.rejects(read(new FileHashes(), newFile(), { algorithm: algorithm as 'sha256' }), {
          name: 'TypeError',
          message: /option algorithm/,
        });
      });
    }

    it('treats undefined options as missing', async () => {
      const hashes = new FileHashes(later);
      const file = newFile('content');
      assertHashed(await read(hashes, file, { algorithm: undefined, paranoid: undefined }), 'content');
      assert.equal(await countHashing(() => read(hashes, file)), 0);
    });

    it('does not report an error of hashing as an error of the file', async () => {
      const trouble = new Error('no such digest');
      const { mock: crash } = mock.method(crypto, 'hash', () => {
        throw trouble;
      });
      try {
        await assert.rejects(read(new FileHashes(), newFile()), (error) => error === trouble);
      } finally {
        crash.restore();
      }
    });

    it('closes every file that it opens', { skip: process.platform !== 'linux' }, async () => {
      const open = () => fs.readdirSync('/proc/self/fd').length;
      const before = open();
      const file = newFile();
      await read(new FileHashes(), file);
      await assert.rejects(read(new FileHashes(), directory));
      const change = () => fs.appendFileSync(file, 'more');
      await assert.rejects(changing(change, () => read(new FileHashes(), file)));
      assert.equal(open(), before);
    });
  });
}

describe('FileHashes', () => {
  it('shares hashes between read and readSync', async () => {
    const hashes = new FileHashes(later);
    const [one, two] = [newFile(), newFile()];
    hashes.readSync(one);
    await hashes.read(two);
    assert.equal(await countHashing(() => hashes.read(one)), 0);
    assert.equal(await countHashing(() => hashes.readSync(two)), 0);
  });

  it('is right if many read a file that is being rewritten', async () => {
    const hashes = new FileHashes();
    const file = newFile('0000');
    await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        if (n % 10 === 0) fs.writeFileSync(file, String(n).padStart(4, '0'), { flag: 'r+' });
        const { wireBytes, hash } = await hashes.read(file);
        assert.ok(hash.equals(ModuleHash.sha256(wireBytes)));
      }),
    );
  });

  it('uses the clock that it captured when it was loaded', async () => {
    const file = newFile();
    const hashes = new FileHashes();
    const { mock: clock } = mock.method(Date, 'now', () => 4_000_000_000_000);
    try {
      hashes.readSync(file);
      assert.equal(await countHashing(() => hashes.readSync(file)), 1);
    } finally {
      clock.restore();
    }
  });
});
