// Compresses and decompresses.
import { compress, decompress, init } from '@bokuweb/zstd-wasm';
import { printResult } from './result.mjs';

await init();
const bytes = new TextEncoder().encode(Array.from({ length: 20000 }, (_, i) => `line ${i % 97} of ${i}`).join('\n'));
const packed = compress(bytes, 10);
if (decompress(packed).length !== bytes.length) throw new Error('Something else came out');
printResult(packed);
