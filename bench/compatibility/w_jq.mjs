// Queries a document.
import { raw } from 'jq-wasm';
import { printResult } from './result.mjs';

const rows = Array.from({ length: 3000 }, (_, i) => ({ id: i, name: `n${i % 31}`, tags: [i % 3, i % 5] }));
printResult(
  await raw(
    { rows },
    '.rows | group_by(.name) | map({name: .[0].name, sum: (map(.id) | add), tags: (map(.tags) | flatten | unique)})',
  ),
);
