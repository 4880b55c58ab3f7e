import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { SETTINGS, type Setting, variablesFor } from '../../dist/settings/settings.js';
import { filesIn, root } from '../support/processes.js';

const settings: [name: string, Setting<unknown>][] = Object.entries(SETTINGS);

test('docs/hook.md has the table of settings', () => {
  const options = optionNames();
  const source = readFileSync(path.join(root, 'src/settings/settings.ts'), 'utf8');
  const rows = settings
    .filter(([name]) => name !== 'runFile')
    .map(([name, { variable, kind, shownPreset }]) => {
      const comment = new RegExp(String.raw`\n  /\*\*((?:(?!\*/)[\s\S])*)\*/\n  ${name}:`).exec(source)?.[1] ?? '';
      const meaning = comment.replace(/\s*\n\s*\*?\s*/g, ' ').trim();
      assert.ok(meaning, `${name} has a comment`);
      const preset = /^[\w-]+$/.test(shownPreset) ? `\`${shownPreset}\`` : shownPreset;
      const option = options.includes(name) ? `\`${name}\`` : '';
      return `| \`${variable}\` | ${option} | ${meaning} | ${kind.expected} | ${preset} |`;
    });
  const text = readFileSync(path.join(root, 'docs/hook.md'), 'utf8');
  const table = /\n\| variable .*\n\|.*\n((?:\|.*\n)*)/.exec(text)?.[1] ?? '';
  assert.equal(table, rows.map((row) => `${row}\n`).join(''));
});

test('enableModuleCache has only options of the table', () => {
  const names = settings.map(([name]) => name);
  for (const name of optionNames()) assert.ok(names.includes(name), name);
});

test('src/ names no variable that is not in the table', () => {
  const variables = settings.map(([, { variable }]) => variable);
  const named = filesIn(path.join(root, 'src')).flatMap((file) => [
    ...readFileSync(file, 'utf8').matchAll(/\bWASM_CACHE_[A-Z_]*[A-Z]\b(?!_)/g),
  ]);
  const unknown = new Set(
    named.map(([name]) => name).filter((name) => !variables.includes(name) && !isErrorCode(name)),
  );
  assert.deepEqual([...unknown], []);
});

test('variablesFor leaves out what is undefined', () => {
  const variables = { WASM_CACHE_DIR: '/cache', WASM_CACHE_DISABLE: '1' };
  assert.deepEqual(variablesFor({ directory: '/cache', learn: undefined, disable: '1' }), variables);
});

/** Warnings have codes of the same form. */
function isErrorCode(name: string): boolean {
  return name.endsWith('_FAILED');
}

function optionNames(): string[] {
  const text = readFileSync(path.join(root, 'src/hook/enable.ts'), 'utf8');
  const body = /interface EnableModuleCacheOptions \{(.*?)\n\}/s.exec(text)?.[1] ?? '';
  return [...body.matchAll(/^ {2}(\w+)\?:/gm)].map(([, name = '']) => name);
}
