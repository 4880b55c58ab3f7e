import assert from 'node:assert/strict';
import { linkSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { openFile } from '../../dist/files/file.js';
import { openFolder } from '../../dist/files/folder.js';
import { runSync, type Steps } from '../../dist/files/steps.js';
import { temporaryDirectory } from '../support/processes.js';

const skip = process.platform !== 'linux';
const openFiles = () => readdirSync('/proc/self/fd').length;

/** Does something after a file was opened, before anything else is known of it, and something after the first look at it. */
function* after<T>(opening: Steps<T>, act: () => void, actLater = () => {}): Steps<T> {
  let looks = 0;
  let step = opening.next();
  while (!step.done) {
    const result = (yield step.value) as never;
    if (step.value.name === 'open') act();
    if (step.value.name === 'fstat' && looks++ === 0) actLater();
    step = opening.next(result);
  }
  return step.value;
}

describe('a file that is replaced while it is opened', { skip }, () => {
  const setUp = () => {
    const directory = temporaryDirectory();
    const folder = runSync(openFolder(directory, false, false));
    const at = (name: string) => path.join(directory, name);
    const good = () => {
      writeFileSync(at('new'), 'good', { mode: 0o600 });
      renameSync(at('new'), at('file'));
    };
    return { folder, at, good };
  };
  const contentOf = (steps: ReturnType<typeof openFile>) => {
    const file = runSync(steps);
    try {
      return Buffer.from(runSync(file.read(0, file.size))).toString();
    } finally {
      file.close();
    }
  };

  const linked = () => {
    const made = setUp();
    writeFileSync(made.at('elsewhere'), 'evil', { mode: 0o600 });
    linkSync(made.at('elsewhere'), made.at('file'));
    return made;
  };

  it('is not read if it has another name, although it has one name then', () => {
    const { folder, good } = linked();
    const before = openFiles();
    assert.throws(() => contentOf(after(openFile(folder, 'file'), good)), { code: 'ENOENT' });
    assert.equal(openFiles(), before);
    assert.equal(contentOf(openFile(folder, 'file')), 'good');
  });

  it('is not read either if it has the first name again', () => {
    const { folder, at, good } = linked();
    const linkAgain = () => {
      linkSync(at('elsewhere'), at('link'));
      renameSync(at('link'), at('file'));
    };
    assert.throws(() => contentOf(after(openFile(folder, 'file'), good, linkAgain)), { code: 'ENOENT' });
  });

  it('is read if it had no other name', () => {
    const { folder, at, good } = setUp();
    writeFileSync(at('file'), 'old', { mode: 0o600 });
    assert.equal(contentOf(after(openFile(folder, 'file'), good)), 'old');
    writeFileSync(at('file'), 'old', { mode: 0o600 });
    assert.equal(contentOf(after(openFile(folder, 'file'), () => {}, good)), 'old');
  });
});
