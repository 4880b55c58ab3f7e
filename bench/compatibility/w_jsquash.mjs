// Writes a picture as PNG, WebP and AVIF, and reads it again.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import encodeAvif, { init as initAvif } from '@jsquash/avif/encode.js';
import encodePng, { init as initPng } from '@jsquash/png/encode.js';
import encodeWebp, { init as initWebp } from '@jsquash/webp/encode.js';
import { picture, printResult } from './result.mjs';

const require = createRequire(import.meta.url);
const moduleOf = (file) => WebAssembly.compile(readFileSync(require.resolve(file)));
globalThis.ImageData ??= class ImageData {};
await initPng(await moduleOf('@jsquash/png/codec/pkg/squoosh_png_bg.wasm'));
await initWebp(await moduleOf('@jsquash/webp/codec/enc/webp_enc_simd.wasm'));
await initAvif(await moduleOf('@jsquash/avif/codec/enc/avif_enc.wasm'));
const image = picture(160, 120);
const files = [await encodePng(image), await encodeWebp(image), await encodeAvif(image, { speed: 8 })];
printResult(Buffer.concat(files.map((file) => new Uint8Array(file))));
