import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, mock } from 'node:test';
import { HashedModuleData } from '../dist/hashed-module-data.js';
import { ModuleHash } from '../dist/module-hash.js';
import { ofKind } from '../dist/testing/assertions.js';
import { sumModule } from '../dist/testing/modules.js';
import { root, temporaryDirectory } from './support/processes.js';

const bytes = sumModule();

/** The bytes in the middle of a buffer. */
function around(): ArrayBuffer {
  const larger = new Uint8Array(16 + bytes.length + 16).fill(0xff);
  larger.set(bytes, 16);
  return larger.buffer;
}

function shared(): Uint8Array<SharedArrayBuffer> {
  const view = new Uint8Array(new SharedArrayBuffer(bytes.length));
  view.set(bytes);
  return view;
}

/** The same bytes in every kind of BufferSource. */
const sources: Record<string, () => BufferSource> = {
  'a Uint8Array': () => bytes.slice(),
  'a view in the middle of a buffer': () => new Uint8Array(around(), 16, bytes.length),
  'a DataView': () => new DataView(around(), 16, bytes.length),
  'an Int8Array': () => new Int8Array(around(), 16, bytes.length),
  'an ArrayBuffer': () => bytes.slice().buffer,
  'a Buffer of the pool': () => Buffer.from(bytes),
  'shared memory': () => shared().buffer as unknown as BufferSource,
  'a view of shared memory': () => shared() as unknown as BufferSource,
};

for (const algorithm of ['sha256', 'xxhash'] as const) {
  describe(`HashedModuleData.${algorithm}`, () => {
    for (const [name, sourceOf] of Object.entries(sources)) {
      it(`holds the bytes of ${name} with their hash`, () => {
        const data = HashedModuleData[algorithm](sourceOf());
        assert.equal(data.byteLength, bytes.length);
        assert.deepEqual(data.wireBytes, new Uint8Array(bytes));
        assert.ok(data.hash.equals(ModuleHash[algorithm](bytes)));
      });

      it(`keeps its bytes when those of ${name} change`, () => {
        const source = sourceOf();
        const data = HashedModuleData[algorithm](source);
        const { buffer, byteOffset } = ArrayBuffer.isView(source) ? source : new Uint8Array(source);
        new Uint8Array(buffer, byteOffset, bytes.length).fill(0);
        assert.deepEqual(data.wireBytes, new Uint8Array(bytes));
      });
    }

    it('gives the bytes in a fresh copy of exactly their length each time', () => {
      const data = HashedModuleData[algorithm](bytes);
      const copy = data.wireBytes;
      assert.ok(copy.buffer instanceof ArrayBuffer);
      assert.equal(copy.buffer.byteLength, bytes.length);
      copy.fill(0);
      assert.deepEqual(data.wireBytes, new Uint8Array(bytes));
      assert.notEqual(data.wireBytes, data.wireBytes);
    });

    it('hashes once', () => {
      const data = HashedModuleData[algorithm](bytes);
      assert.equal(data.hash, data.hash);
    });
  });
}

// The tests of FileHashes check what is read, and when it is hashed.
const fromFile = {
  fromFile: HashedModuleData.fromFile,
  fromFileSync: async (...args: Parameters<typeof HashedModuleData.fromFileSync>) =>
    HashedModuleData.fromFileSync(...args),
};

for (const [name, read] of Object.entries(fromFile)) {
  describe(`HashedModuleData.${name}`, () => {
    const file = path.join(temporaryDirectory(), 'sum.wasm');
    writeFileSync(file, bytes);

    for (const algorithm of ['sha256', 'xxhash'] as const) {
      it(`holds the bytes of a file with their ${algorithm}`, async () => {
        const data = await read(file, { algorithm });
        assert.deepEqual(data.wireBytes, new Uint8Array(bytes));
        assert.ok(data.hash.equals(ModuleHash[algorithm](bytes)));
      });
    }

    it('uses SHA-256 by default', async () => {
      assert.equal((await read(file)).hash.algorithm, 'sha256');
    });

    it('gives the bytes in a fresh copy each time', async () => {
      const data = await read(file);
      data.wireBytes.fill(0);
      assert.deepEqual(data.wireBytes, new Uint8Array(bytes));
    });

    it('keeps its bytes when those of the file change', async () => {
      const other = path.join(temporaryDirectory(), 'other.wasm');
      writeFileSync(other, bytes);
      const data = await read(other);
      writeFileSync(other, '');
      assert.deepEqual(data.wireBytes, new Uint8Array(bytes));
    });

    it('hashes an old file once, unless it is paranoid', async () => {
      const old = path.join(root, 'package.json');
      await HashedModuleData.fromFile(old);
      const { mock: hashing } = mock.method(crypto, 'hash');
      try {
        await read(old);
        assert.equal(hashing.callCount(), 0);
        await read(old, { paranoid: true });
        assert.equal(hashing.callCount(), 1);
      } finally {
        hashing.restore();
      }
    });

    it('fails with FileRead for a missing file, because that is no miss of a cache', async () => {
      const missing = `${file}-missing`;
      await assert.rejects(
        read(missing),
        ofKind('FileRead', (error) => assert.equal(error.path, missing)),
      );
    });
  });
}

describe('HashedModuleData', () => {
  it('may be empty', () => {
    const data = HashedModuleData.sha256(new Uint8Array(0));
    assert.equal(data.byteLength, 0);
    assert.deepEqual(data.wireBytes, new Uint8Array(0));
  });

  it('refuses a detached buffer', () => {
    const view = bytes.slice();
    structuredClone(view.buffer, { transfer: [view.buffer] });
    assert.throws(() => HashedModuleData.sha256(view), TypeError);
    assert.throws(() => HashedModuleData.sha256(view.buffer), TypeError);
  });

  it('lends its bytes without a copy', () => {
    const data = HashedModuleData.sha256(bytes);
    assert.equal(HashedModuleData.borrow(data), HashedModuleData.borrow(data));
    assert.deepEqual(HashedModuleData.borrow(data), data.wireBytes);
  });
});
