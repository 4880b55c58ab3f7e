import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { filesIn, root } from '../support/processes.js';

const IMPORT = /\b(?:from|import) '(?<from>\.[^']*)\.js'|\bimport\('(?<later>\.[^']*)\.js'\)/g;

/** The floors of src/ from the top down, as CONTRIBUTING.md lists them: names of folders and files. */
const floors = [...readFileSync(path.join(root, 'CONTRIBUTING.md'), 'utf8').matchAll(/^src\/(\S+) {2,}/gm)].map(
  ([, name = '']) => name,
);

test('every file of src/ is on a floor, and imports from its own and those below it', () => {
  const wrong = filesIn(path.join(root, 'src')).flatMap((file) => {
    const name = nameOf(file);
    const imported = [...readFileSync(file, 'utf8').matchAll(IMPORT)].map(({ groups }) =>
      nameOf(`${path.join(path.dirname(file), groups?.from ?? groups?.later ?? '')}.ts`),
    );
    return [
      ...(floorOf(name) < 0 ? [`${name} is on no floor`] : []),
      ...imported.filter((each) => floorOf(each) < floorOf(name)).map((each) => `${name} imports ${each}`),
    ];
  });
  assert.deepEqual(wrong, []);
});

function nameOf(file: string): string {
  return path.relative(path.join(root, 'src'), file).split(path.sep).join('/');
}

function floorOf(name: string): number {
  const isTop = !name.includes('/');
  const own = floors.indexOf(isTop ? name : name.replace(/\/.*/, '/'));
  return own < 0 && isTop ? floors.indexOf('*.ts') : own;
}
