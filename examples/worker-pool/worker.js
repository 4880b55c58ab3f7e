// Makes one thumbnail per message.
import { parentPort } from 'node:worker_threads';
import { ImageMagick, initializeImageMagick, MagickFormat, MagickReadSettings } from '@imagemagick/magick-wasm';
import { loadMagick } from './magick.js';

const { module, from } = await loadMagick();
await initializeImageMagick(module);

parentPort.on('message', ({ pixels, width, height, size }) => {
  const settings = new MagickReadSettings({ width, height, format: MagickFormat.Rgba, depth: 8 });
  ImageMagick.read(pixels, settings, (image) => {
    image.resize(size, size);
    // The bytes are in the module's memory, so a copy is sent.
    image.write(MagickFormat.WebP, (bytes) => parentPort.postMessage(bytes.slice()));
  });
});
parentPort.postMessage(from);
