// Highlights a program.
import { createHighlighter } from 'shiki';
import { printResult } from './result.mjs';

const highlighter = await createHighlighter({ themes: ['nord'], langs: ['typescript', 'css'] });
const source = Array.from(
  { length: 150 },
  (_, i) => `export const f${i} = async <T>(a: T, b = \`\${${i}}\`) => await g(a, /x+${i}/g);`,
);
printResult(highlighter.codeToHtml(source.join('\n'), { lang: 'typescript', theme: 'nord', tokenizeTimeLimit: 0 }));
