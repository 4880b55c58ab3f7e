import assert from 'node:assert/strict';
import { statSync, writeSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ModuleHash } from '../../dist/index.js';
import { LearningJobs } from '../../dist/learning/jobs.js';
import { temporaryDirectory } from '../support/processes.js';

for (const mask of [0, 0o777]) {
  test(`a job is private, and its owner can read it, under umask ${mask.toString(8)}`, () => {
    const directory = path.join(temporaryDirectory(), 'cache');
    const jobs = new LearningJobs(directory);
    const key = ModuleHash.random();
    const umask = process.umask(mask);
    try {
      assert.equal(
        jobs.create(key, (descriptor) => writeSync(descriptor, 'wire bytes')),
        true,
      );
      assert.equal(
        jobs.create(key, () => assert.fail('somebody is at it')),
        false,
      );
    } finally {
      process.umask(umask);
    }
    const file = jobs.file(key);
    const modes = [directory, path.dirname(file), file].map((each) => statSync(each).mode & 0o777);
    assert.deepEqual(modes, process.platform === 'win32' ? modes : [0o700, 0o700, 0o600]);
  });
}
