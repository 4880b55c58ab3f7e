// Formats TypeScript.
import { readFileSync } from 'node:fs';
import { createFromBuffer } from '@dprint/formatter';
import { getPath } from '@dprint/typescript';
import { printResult } from './result.mjs';

const formatter = createFromBuffer(readFileSync(getPath()));
formatter.setConfig({}, {});
const source = Array.from(
  { length: 100 },
  (_, i) => `export  const f${i}=async<T>(a:T,b=${i})=>{ const x = a===b ; return  [x,{...a}] as const }`,
);
printResult(formatter.formatText({ filePath: 'source.ts', fileText: source.join('\n') }));
