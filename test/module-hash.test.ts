import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { ModuleHash } from '../dist/module-hash.js';
import { ofKind } from '../dist/testing/assertions.js';
import { temporaryDirectory } from './support/processes.js';

const algorithms = ['sha256', 'xxhash'] as const;

/** Published test vectors. */
const vectors = {
  sha256: {
    '': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    abc: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  },
  xxhash: { '': 'ef46db3751d8e999', abc: '44bc2cf5ad770999' },
};

for (const algorithm of algorithms) {
  describe(`ModuleHash.${algorithm}`, () => {
    for (const [text, hex] of Object.entries(vectors[algorithm])) {
      it(`of "${text}" is ${hex}`, () => {
        const hash = ModuleHash[algorithm](Buffer.from(text));
        assert.equal(hash.toString(), hex);
        assert.equal(hash.algorithm, algorithm);
      });
    }

    it('hashes the bytes of the view and no others', () => {
      const around = new Uint8Array(Buffer.from('--abc--'));
      assert.equal(ModuleHash[algorithm](around.subarray(2, 5)).toString(), vectors[algorithm].abc);
    });

    it('always has the same number of digits, also if the hash begins with zeros', () => {
      const hashes = Array.from({ length: 600 }, (_, n) => ModuleHash[algorithm](Buffer.from(String(n))).toString());
      assert.ok(hashes.some((hash) => hash.startsWith('00')));
      assert.deepEqual(new Set(hashes.map((hash) => hash.length)), new Set([vectors[algorithm].abc.length]));
      assert.equal(new Set(hashes).size, hashes.length);
    });

    it('survives a round trip through text and bytes', () => {
      const hash = ModuleHash[algorithm](Buffer.from('abc'));
      for (const copy of [
        ModuleHash.parseHex(hash.toString()),
        ModuleHash.parseHex(hash.toString().toUpperCase()),
        ModuleHash.fromBytes(hash.toBytes()),
        ModuleHash.fromBytes(Buffer.concat([Buffer.of(0), hash.toBytes()]).subarray(1)),
      ]) {
        assert.ok(copy.equals(hash) && hash.equals(copy));
        assert.equal(copy.algorithm, algorithm);
        assert.equal(copy.toString(), hash.toString());
      }
    });

    it('gives its bytes in a copy of exactly their length', () => {
      const hash = ModuleHash[algorithm](Buffer.from('abc'));
      const bytes = hash.toBytes();
      assert.equal(bytes.buffer.byteLength, bytes.length);
      assert.equal(Buffer.from(bytes).toString('hex'), vectors[algorithm].abc);
      bytes.fill(0);
      assert.equal(hash.toString(), vectors[algorithm].abc);
      assert.equal(Buffer.from(hash.toBytes()).toString('hex'), vectors[algorithm].abc);
    });

    it('is its digits in JSON and in text, and says its algorithm when inspected', () => {
      const hash = ModuleHash[algorithm](Buffer.from('abc'));
      assert.equal(JSON.stringify({ hash }), `{"hash":"${vectors[algorithm].abc}"}`);
      assert.equal(`${hash}`, vectors[algorithm].abc);
      assert.equal(
        inspect({ hash }, { breakLength: Infinity }),
        `{ hash: ModuleHash(${algorithm}:${vectors[algorithm].abc}) }`,
      );
    });
  });
}

describe('ModuleHash.equals', () => {
  it('is false for different bytes and different algorithms', () => {
    const hashes = algorithms.flatMap((algorithm) => ['', 'a'].map((text) => ModuleHash[algorithm](Buffer.from(text))));
    for (const one of hashes) for (const other of hashes) assert.equal(one.equals(other), one === other);
  });
});

describe('ModuleHash.random', () => {
  it('has the length of a SHA-256 and differs each time', () => {
    const hashes = Array.from({ length: 100 }, () => ModuleHash.random());
    assert.ok(hashes.every(({ algorithm }) => algorithm === 'sha256'));
    assert.ok(hashes.every((hash) => hash.toBytes().length === 32));
    assert.equal(new Set(hashes.map(String)).size, 100);
  });
});

describe('ModuleHash.parseHex', () => {
  const hex = vectors.sha256.abc;
  const wrong = [
    '',
    'abc',
    hex.slice(1),
    `${hex}0`,
    hex.slice(0, 32),
    ` ${hex.slice(1)}`,
    `${hex.slice(1)}\n`,
    `${hex}\n`,
  ];
  for (const text of [...wrong, `g${hex.slice(1)}`, `0x${hex.slice(2)}`, `-${hex.slice(1)}`, `٣${hex.slice(1)}`]) {
    it(`refuses ${JSON.stringify(text)} with a TypeError that shows it`, () => {
      assert.throws(
        () => ModuleHash.parseHex(text),
        (error) => error instanceof TypeError && error.message.includes(JSON.stringify(text)),
      );
    });
  }
});

describe('ModuleHash.fromBytes', () => {
  for (const length of [0, 1, 7, 9, 16, 31, 33, 64]) {
    it(`refuses ${length} bytes with a TypeError`, () => {
      assert.throws(() => ModuleHash.fromBytes(new Uint8Array(length)), TypeError);
    });
  }
});

describe('ModuleHash without the package @node-rs/xxhash', () => {
  it('still has sha256, and xxhash says what to install', async () => {
    // A copy of the class in a folder without node_modules above it.
    const directory = temporaryDirectory();
    writeFileSync(path.join(directory, 'package.json'), '{ "type": "module" }');
    for (const file of ['cache-error.js', 'module-hash.js']) {
      copyFileSync(fileURLToPath(new URL(`../dist/${file}`, import.meta.url)), path.join(directory, file));
    }
    const url = pathToFileURL(path.join(directory, 'module-hash.js')).href;
    const copy = (await import(url)) as { ModuleHash: typeof ModuleHash };
    assert.equal(copy.ModuleHash.sha256(Buffer.from('abc')).toString(), vectors.sha256.abc);
    assert.throws(
      () => copy.ModuleHash.xxhash(Buffer.from('abc')),
      ofKind('Other', ({ message, cause }) => {
        assert.match(message, /npm install @node-rs\/xxhash/);
        assert.equal((cause as NodeJS.ErrnoException).code, 'MODULE_NOT_FOUND');
      }),
    );
  });
});
