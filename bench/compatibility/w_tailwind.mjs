// Finds the class names of pages, in Tailwind's scanner, with threads.
import { createRequire } from 'node:module';
import { printResult } from './result.mjs';

const { Scanner } = createRequire(import.meta.url)('@tailwindcss/oxide-wasm32-wasi');
const pages = Array.from({ length: 200 }, (_, i) => ({
  content: `<div class="p-${i} hover:bg-red-${i} md:grid-cols-[${i}px_1fr]">text ${i}</div>`,
  extension: 'html',
}));
printResult(new Scanner({ sources: [] }).scanFiles(pages).sort());
process.exit(0);
