// Which of the engine's tests fail on a node, as if its V8 were among the tested ones.
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { V8_VERSIONS } from '../../dist/engine/v8-versions.js';
import { copyCheckout } from '../checkout-copy.mjs';
import { rowFor, run } from './node.mjs';

export function checkTests({ binary, v8Version }) {
  const copy = mkdtempSync(path.join(tmpdir(), 'wasm-cache-node-check-'));
  try {
    copyCheckout(copy);
    pretendTested(copy, v8Version);
    return ['engine', 'native'].flatMap((name) => {
      const folder = `.test-build/${name}`;
      const files = readdirSync(path.join(copy, folder)).filter((file) => file.endsWith('.test.js'));
      return files.map((file) => check(binary, copy, `${folder}/${file}`));
    });
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** In the copy, a version without an entry has that of the last one before it. */
function pretendTested(copy, v8Version) {
  const entry = { ...rowFor(V8_VERSIONS, v8Version).row, isTested: true };
  const line = `\nV8_VERSIONS[${JSON.stringify(v8Version)}] ??= ${JSON.stringify(entry)};\n`;
  appendFileSync(path.join(copy, 'dist/engine/v8-versions.js'), line);
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
    todo: isGood ? '' : `${source.replace('test/', 'src/').replace('.test', '')}: read what the test says`,
  };
}
