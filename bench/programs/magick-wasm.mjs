// Scales and rotates a picture and writes it as JPEG and WebP.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ImageMagick, initializeImageMagick, MagickFormat, MagickReadSettings } from '@imagemagick/magick-wasm';

await initializeImageMagick(readFileSync(fileURLToPath(import.meta.resolve('@imagemagick/magick-wasm/magick.wasm'))));
const [width, height] = [320, 240];
const pixels = new Uint8Array(width * height * 4).map((_, i) => (i % 4 === 3 ? 255 : (i * 31) % 251));
const settings = new MagickReadSettings({ width, height, format: MagickFormat.Rgba, depth: 8 });
const hash = createHash('sha256');
ImageMagick.read(pixels, settings, (image) => {
  image.resize(200, 150);
  image.rotate(15);
  for (const format of [MagickFormat.Jpeg, MagickFormat.WebP]) image.write(format, (bytes) => hash.update(bytes));
});
console.log(hash.digest('hex'));
