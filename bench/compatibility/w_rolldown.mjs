// Bundles modules, with threads.
import { rolldown } from '@rolldown/browser';
import { printResult } from './result.mjs';

const modules = Object.fromEntries(
  Array.from({ length: 60 }, (_, i) => [
    `m${i}`,
    `${i < 59 ? `import { f${i + 1} } from 'm${i + 1}';` : ''} export const f${i} = (a) => ${i < 59 ? `f${i + 1}(a)` : 'a'} + ${i}; export const unused${i} = 1;`,
  ]),
);
const bundle = await rolldown({
  input: 'm0',
  plugins: [{ name: 'memory', resolveId: (id) => (id in modules ? id : null), load: (id) => modules[id] }],
});
const { output } = await bundle.generate({ format: 'esm', minify: true });
printResult(output[0].code);
await bundle.close();
process.exit(0);
