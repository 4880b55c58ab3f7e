import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
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

it('says musl for a binary with the dynamic linker of musl', { skip: !isLinux }, () => {
  const start = readFileSync(process.execPath).subarray(0, 100_000).toString('latin1');
  const ofMusl = start.replace(
    /\/lib64\/ld-linux-x86-64\.so\.2|\/lib\/ld-linux-aarch64\.so\.1/,
    '/lib/ld-musl-x86_64.so.1',
  );
  writeFileSync(file, ofMusl, 'latin1');
  assert.equal(libcOf(file), 'musl');
});

it('handles short and missing files', () => {
  writeFileSync(file, 'MZ');
  assert.equal(libcOf(file), 'glibc');
  assert.throws(() => libcOf(`${file}-not-there`), { code: 'ENOENT' });
});
