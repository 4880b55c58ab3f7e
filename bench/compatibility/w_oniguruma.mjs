// Matches regular expressions as editors do.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import oniguruma from 'vscode-oniguruma';
import { printResult } from './result.mjs';

const require = createRequire(import.meta.url);
await oniguruma.loadWASM(readFileSync(require.resolve('vscode-oniguruma/release/onig.wasm')));
const scanner = new oniguruma.OnigScanner([
  '\\b(function|const|return)\\b',
  '(?<=\\()\\w+',
  '"(?:[^"\\\\]|\\\\.)*"',
  '\\d+(?:\\.\\d+)?',
]);
const matches = [];
for (let line = 0; line < 300; line++) {
  const text = new oniguruma.OnigString(`const f${line} = function (argument) { return "a\\"${line}" + ${line}.5 };`);
  for (let at = 0, match = null; ; at = match.captureIndices[0].end) {
    match = scanner.findNextMatchSync(text, at);
    if (!match) break;
    matches.push([match.index, match.captureIndices[0].start]);
  }
  text.dispose();
}
printResult(matches);
