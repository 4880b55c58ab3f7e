// Writes a QR code and reads it.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { prepareZXingModule, readBarcodes, writeBarcode } from 'zxing-wasm/full';
import { printResult } from './result.mjs';

const wasmBinary = readFileSync(fileURLToPath(import.meta.resolve('zxing-wasm/full/zxing_full.wasm')));
await prepareZXingModule({ overrides: { wasmBinary: wasmBinary.buffer }, fireImmediately: true });
const { image } = await writeBarcode('https://example.com/'.repeat(5), { format: 'QRCode', scale: 5 });
const [{ text }] = await readBarcodes(image, { formats: ['QRCode'] });
printResult([text, ...new Uint8Array(await image.arrayBuffer())]);
