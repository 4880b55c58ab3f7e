// Which of the engine's tests fail on a node, as if its V8 were among the tested ones.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { TESTED_V8 } from '../../dist/engine/supported.js';
import { run } from './node.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const COPIED = ['dist', '.test-build', 'prebuilds', 'package.json', 'test', 'scripts', 'native', 'src'];

export function checkTests({ binary, v8Version }) {
  const copy = mkdtempSync(path.join(tmpdir(), 'wasm-cache-node-check-'));
  try {
    for (const name of COPIED) cpSync(path.join(root, name), path.join(copy, name), { recursive: true });
    symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
    for (const file of ['dist/engine/supported.js', 'dist/register.js'])
      pretendTested(path.join(copy, file), v8Version);
    const folder = '.test-build/engine';
    const files = readdirSync(path.join(copy, folder)).filter((file) => file.endsWith('.test.js'));
    return files.map((file) => check(binary, copy, `${folder}/${file}`));
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function pretendTested(file, v8Version) {
  const text = readFileSync(file, 'utf8');
  const list = new RegExp(TESTED_V8.map((version) => `["'\`]${version}["'\`]`).join(',\\s*'));
  if (!list.test(text)) throw new Error(`${file} has no list of tested versions any more: see ${import.meta.filename}`);
  writeFileSync(
    file,
    text.replace(list, (found) => `${found}, ${JSON.stringify(v8Version)}`),
  );
}

function check(binary, cwd, file) {
  const { stdout, status, signal } = run(binary, ['--test', '--test-reporter=tap', file], { cwd });
  const count = (name) => Number(new RegExp(`^# ${name} (\\d+)`, 'm').exec(stdout)?.[1] ?? 0);
  const failed = [...stdout.matchAll(/^\s*not ok \d+ - (.*)/gm)].map(([, name]) => name);
  const source = file.replace('.test-build/', 'test/').replace(/js$/, 'ts');
  const isGood = status === 0;
  const ended = signal ? `ended by ${signal}` : `ended with ${status}`;
  return {
    what: source,
    status: isGood ? 'ok' : 'breaks',
    found: isGood
      ? `${count('pass')} passed`
      : `${count('fail') + count('cancelled')} failed of ${count('tests')}: ${failed.slice(0, 4).join('; ') || ended}`,
    todo: isGood
      ? ''
      : `src/${path.basename(path.dirname(source))}/${path.basename(source).replace('.test', '')}: read what the test says`,
  };
}
