import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { libcOf } from '../../dist/native/libc.js';
import { temporaryDirectory } from '../support/processes.js';

const isLinux = process.platform === 'linux';
const file = path.join(temporaryDirectory(), 'node');

it('agrees with the report of this node', { skip: !isLinux }, () => {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  assert.equal(libcOf(process.execPath), header.glibcVersionRuntime === undefined ? 'musl' : 'glibc');
});

it('says musl for a binary with the dynamic linker of musl, wherever its path is', () => {
  for (const position of [120, 5000, 3_000_000]) {
    writeFileSync(file, elf('/lib/ld-musl-x86_64.so.1', position));
    assert.equal(libcOf(file), 'musl', `at ${position}`);
    writeFileSync(file, elf('/lib64/ld-linux-x86-64.so.2', position));
    assert.equal(libcOf(file), 'glibc', `at ${position}`);
  }
});

it('goes by the path of the dynamic linker, not by other text', () => {
  const binary = elf('/lib64/ld-linux-x86-64.so.2', 200);
  writeFileSync(file, Buffer.concat([binary, Buffer.from('/lib/ld-musl-x86_64.so.1')]));
  assert.equal(libcOf(file), 'glibc');
});

it('handles damaged binaries', () => {
  const binary = elf('/lib/ld-musl-x86_64.so.1', 200);
  for (let length = 0; length < 200; length++) {
    writeFileSync(file, binary.subarray(0, length));
    assert.equal(libcOf(file), 'glibc');
  }
  for (const at of [32, 56, 64 + 8, 64 + 32]) {
    const damaged = Buffer.from(binary).fill(0xff, at, at + (at === 56 ? 2 : 8));
    writeFileSync(file, damaged);
    assert.match(libcOf(file), /^(glibc|musl)$/);
  }
});

it('handles short and missing files', () => {
  writeFileSync(file, 'MZ');
  assert.equal(libcOf(file), 'glibc');
  assert.throws(() => libcOf(`${file}-not-there`), { code: 'ENOENT' });
});

/** An ELF file with one program header, which says that the path of the dynamic linker is at `position`. */
function elf(interpreter: string, position: number): Buffer {
  const bytes = Buffer.alloc(position + interpreter.length + 1);
  bytes.write('\x7fELF\x02\x01', 'latin1');
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(1, 56);
  bytes.writeUInt32LE(3, 64);
  bytes.writeBigUInt64LE(BigInt(position), 64 + 8);
  bytes.writeBigUInt64LE(BigInt(interpreter.length + 1), 64 + 32);
  bytes.write(interpreter, position);
  return bytes;
}
