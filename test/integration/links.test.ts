import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { globSync } from 'tinyglobby';
import { root } from '../support/processes.js';

const pages = globSync(['*.md', '{docs,examples}/**/*.md'], { cwd: root, ignore: '**/node_modules/**' });

test('every link between pages, and to files and folders, leads somewhere', () => {
  const dead = pages.flatMap((page) =>
    linksOf(page)
      .filter((link) => !leadsSomewhere(page, link))
      .map((link) => `${page}: ${link}`),
  );
  assert.deepEqual(dead, []);
});

test('every page of docs/ is in the index', () => {
  const linked = linksOf('docs/README.md').map((link) => path.join('docs', link.replace(/#.*/, '')));
  const missing = pages.filter((page) => /^docs\/(?!README)/.test(page) && !linked.includes(page));
  assert.deepEqual(missing, []);
});

test('files and npm scripts that a page names are there', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const named = pages.flatMap((page) =>
    [
      ...textOf(page).matchAll(
        /(?<![\w./-])(?:(?:src|test|bench|scripts|native|examples)\/[\w./-]*[\w/]|npm run [\w:-]+)/g,
      ),
    ].map(([name]) => ({ page, name })),
  );
  const gone = named.filter(({ name }) =>
    name.startsWith('npm run ') ? !(name.slice(8) in scripts) : !existsSync(path.join(root, name)),
  );
  assert.deepEqual(gone, []);
});

function textOf(page: string): string {
  return readFileSync(path.join(root, page), 'utf8');
}

/** The targets of links and pictures, those of the web left out. */
function linksOf(page: string): string[] {
  const text = withoutFences(textOf(page)).replace(/`[^`\n]+`/g, '');
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g)].map(([, ...found]) =>
    found.join(''),
  );
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}

/** Comments of shells look like headings. */
function withoutFences(text: string): string {
  return text.replace(/^ *```[\s\S]*?^ *```$/gm, '');
}

function leadsSomewhere(page: string, link: string): boolean {
  const [target = '', anchor] = link.split('#');
  const file = target === '' ? page : path.join(path.dirname(page), target);
  if (!existsSync(path.join(root, file))) return false;
  return anchor === undefined || anchorsOf(file).includes(anchor);
}

/** As GitHub names headings: lower-case, spaces as hyphens, without punctuation, and with a number where there was one of that name. */
function anchorsOf(page: string): string[] {
  const names = [...withoutFences(textOf(page)).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
  return names.map((name, index) => {
    const before = names.slice(0, index).filter((each) => each === name).length;
    return before === 0 ? name : `${name}-${before}`;
  });
}
