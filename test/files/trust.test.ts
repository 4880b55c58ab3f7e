import assert from 'node:assert/strict';
import { chmodSync, chownSync, lchownSync, mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { walk } from '../../dist/files/trust.js';
import { temporaryDirectory } from '../support/processes.js';

const onPosix = { skip: process.geteuid ? false : 'no file modes here' };
const asRoot = { skip: process.geteuid?.() === 0 ? false : 'only root may give folders away' };

/** `a/b/c` in a fresh folder, and what is done to it. */
function made(prepare: (paths: { a: string; b: string; c: string; base: string }) => void): string {
  const base = temporaryDirectory();
  const a = path.join(base, 'a');
  const b = path.join(a, 'b');
  const c = path.join(b, 'c');
  mkdirSync(c, { recursive: true, mode: 0o700 });
  prepare({ a, b, c, base });
  return c;
}

const STRANGER = 12345;

function whyUntrusted(directory: string): string | undefined {
  const found = walk(directory);
  return 'untrusted' in found ? found.untrusted : undefined;
}

describe('a folder is trusted', () => {
  const cases: [name: string, options: object, prepare: Parameters<typeof made>[0]][] = [
    ['when it is private', onPosix, () => {}],
    ['when others may read it', onPosix, ({ c }) => chmodSync(c, 0o755)],
    [
      'below folders that others may read',
      onPosix,
      ({ a, b }) => [a, b].forEach((each) => void chmodSync(each, 0o755)),
    ],
    ['in a sticky folder where anybody may make entries', onPosix, ({ b }) => chmodSync(b, 0o1777)],
    [
      "below a folder that is open to the user's own group, and to nobody else",
      { skip: process.getegid?.() === process.geteuid?.() ? false : 'this user has no group of the same number' },
      ({ b }) => chmodSync(b, 0o775),
    ],
  ];
  for (const [name, options, prepare] of cases) {
    it(name, options, () => assert.equal(whyUntrusted(made(prepare)), undefined));
  }

  it('when it does not exist yet, nor those above it', onPosix, () => {
    assert.equal(
      whyUntrusted(
        path.join(
          made(() => {}),
          'd',
          'e',
        ),
      ),
      undefined,
    );
  });

  it('through a symbolic link of this user', onPosix, () => {
    const folder = made(({ c, base }) => symlinkSync(c, path.join(base, 'link')));
    assert.equal(whyUntrusted(path.join(folder, '../../../link')), undefined);
  });
});

describe('a folder is not trusted', () => {
  const cases: [name: string, options: object, prepare: Parameters<typeof made>[0], reason: RegExp][] = [
    ['when others may write to it', onPosix, ({ c }) => chmodSync(c, 0o777), /cache folder .*by others \(mode 777\)/],
    ['when it is sticky, and others may write', onPosix, ({ c }) => chmodSync(c, 0o1777), /by others \(mode 1777\)/],
    ['when its group may write to it', onPosix, ({ c }) => chmodSync(c, 0o770), /by group .*\(mode 770\)/],
    ['when others may write to the one above it', onPosix, ({ b }) => chmodSync(b, 0o757), /b, on the way .*mode 757/],
    ['when others may write further up', onPosix, ({ a }) => chmodSync(a, 0o777), /a, on the way .*mode 777/],
    [
      'when another group may write above it',
      asRoot,
      ({ b }) => {
        chownSync(b, 0, STRANGER);
        chmodSync(b, 0o770);
      },
      /b, on the way .*by group 12345/,
    ],
    ['when it belongs to a stranger', asRoot, ({ c }) => chownSync(c, STRANGER, 0), /cache folder .*user 12345.* 0 /],
    ['when one above it does', asRoot, ({ a }) => chownSync(a, STRANGER, 0), /a, on the way .*user 12345/],
    [
      "when it is a stranger's in a sticky folder",
      asRoot,
      ({ b, c }) => {
        chmodSync(b, 0o1777);
        chownSync(c, STRANGER, STRANGER);
      },
      /cache folder .*user 12345/,
    ],
  ];
  for (const [name, options, prepare, reason] of cases) {
    it(name, options, () => assert.match(String(whyUntrusted(made(prepare))), reason));
  }

  it('when it does not exist yet, and others may put one there', onPosix, () => {
    assert.match(
      String(
        whyUntrusted(
          path.join(
            made(({ c }) => chmodSync(c, 0o777)),
            'd',
          ),
        ),
      ),
      /c, on the way .*mode 777/,
    );
  });

  it("through a stranger's symbolic link", asRoot, () => {
    const base = temporaryDirectory();
    const target = made(() => {});
    const link = path.join(base, 'link');
    symlinkSync(target, link);
    lchownSync(link, STRANGER, STRANGER);
    assert.match(String(whyUntrusted(link)), /cache folder .*link belongs to user 12345/);
    assert.match(String(whyUntrusted(path.join(link, 'd'))), /link, on the way .*user 12345/);
  });

  it('through a link into a folder that is not', onPosix, () => {
    const link = path.join(temporaryDirectory(), 'link');
    symlinkSync(
      made(({ b }) => chmodSync(b, 0o777)),
      link,
    );
    assert.match(String(whyUntrusted(link)), /b, on the way .*mode 777/);
  });

  it('through a circle of links', onPosix, () => {
    const base = temporaryDirectory();
    symlinkSync(path.join(base, 'two'), path.join(base, 'one'));
    symlinkSync(path.join(base, 'one'), path.join(base, 'two'));
    assert.throws(() => walk(path.join(base, 'one', 'cache')), { code: 'ELOOP' });
  });
});
