// Compresses and decompresses.
import { createRequire } from 'node:module';
import { printResult } from './result.mjs';

const brotli = createRequire(import.meta.url)('brotli-wasm'); // `import` would load the build for browsers
const bytes = new TextEncoder().encode(Array.from({ length: 5000 }, (_, i) => `line ${i % 97} of ${i}`).join('\n'));
const packed = brotli.compress(bytes, { quality: 9 });
if (brotli.decompress(packed).length !== bytes.length) throw new Error('Something else came out');
printResult(packed);
