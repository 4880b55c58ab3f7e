import assert from 'node:assert/strict';
import { closeSync, constants, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { call, run, runSync, type Steps } from '../../dist/files/steps.js';
import { temporaryDirectory } from '../support/processes.js';

const ways: { name: string; run<T>(steps: Steps<T>): Promise<T> }[] = [
  { name: 'run', run },
  { name: 'runSync', run: async (steps) => runSync(steps) },
];

for (const way of ways) {
  describe(way.name, () => {
    it('makes the calls in order, and gives the result', async () => {
      const file = path.join(temporaryDirectory(), 'file');
      const size = await way.run(
        (function* (): Steps<number> {
          const descriptor = yield* call('open', file, constants.O_RDWR | constants.O_CREAT, 0o600);
          const written = yield* call('write', descriptor, Buffer.from('0123456789'), 4);
          assert.equal(written, 6);
          const bytes = Buffer.alloc(4);
          assert.equal(yield* call('readv', descriptor, [bytes], 1), 4);
          assert.equal(bytes.toString(), '5678');
          const { size } = yield* call('fstat', descriptor);
          yield* call('close', descriptor);
          yield* call('pause', 1);
          yield* call('rename', file, `${file}2`);
          return size;
        })(),
      );
      assert.equal(size, 6);
      assert.equal(readFileSync(`${file}2`, 'utf8'), '456789');
    });

    it('tells a procedure of an error where it made the call, and goes on', async () => {
      const directory = temporaryDirectory();
      const codes: (string | undefined)[] = [];
      await way.run(
        (function* (): Steps<void> {
          for (const name of ['missing', 'there']) {
            try {
              if (name === 'there') mkdirSync(path.join(directory, name));
              yield* call('mkdir', path.join(directory, name === 'there' ? name : `${name}/too`), 0o700);
            } catch (error) {
              codes.push((error as NodeJS.ErrnoException).code);
            }
          }
          closeSync(yield* call('open', directory, constants.O_RDONLY));
        })(),
      );
      assert.deepEqual(codes, ['ENOENT', 'EEXIST']);
    });

    it('rejects with the error that a procedure does not catch, after it has cleaned up', async () => {
      const directory = temporaryDirectory();
      const steps = (function* (): Steps<void> {
        try {
          yield* call('unlink', path.join(directory, 'missing'));
        } finally {
          yield* call('mkdir', path.join(directory, 'cleaned'), 0o700);
        }
      })();
      await assert.rejects(way.run(steps), { code: 'ENOENT' });
      await assert.rejects(way.run(call('mkdir', path.join(directory, 'cleaned'), 0o700)), { code: 'EEXIST' });
    });
  });
}
