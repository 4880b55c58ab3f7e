// Compiles a component, in Go's WebAssembly.
import { transform } from '@astrojs/compiler';
import { printResult } from './result.mjs';

const items = Array.from({ length: 100 }, (_, i) => `<li class="c${i}">{items[${i}]} <b>{${i} + 1}</b></li>`);
const source = `---\nconst { items } = Astro.props;\n---\n<html><body><ul>${items.join('\n')}</ul></body></html>\n<style>li { color: red; & b { color: blue } }</style>`;
printResult((await transform(source, { filename: '/page.astro' })).code);
process.exit(0);
