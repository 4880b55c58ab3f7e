import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runProgram, temporaryDirectory } from './processes.js';

/** Compiles ahead of time in a child process, because that changes V8's flags. */
export function optimiseInChild(
  wireBytes: Uint8Array,
  nativeCode: Uint8Array | undefined,
  coverage: 'hot' | 'full',
): Uint8Array {
  const directory = temporaryDirectory();
  const file = (name: string, bytes: Uint8Array) => {
    writeFileSync(path.join(directory, name), bytes);
    return path.join(directory, name);
  };
  const job = {
    wireBytes: file('wire-bytes', wireBytes),
    nativeCode: nativeCode && file('native-code', nativeCode),
    coverage,
    result: path.join(directory, 'result'),
  };
  const { status, signal, stdout, stderr } = runProgram('optimise.mjs', { args: [JSON.stringify([job])] });
  assert.deepEqual([status, signal, stderr], [0, null, '']);
  assert.deepEqual(JSON.parse(stdout), { outcomes: ['optimised'], sameFlags: true });
  return readFileSync(job.result);
}
