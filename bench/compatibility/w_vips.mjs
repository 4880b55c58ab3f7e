// Scales a picture and writes it as PNG, with threads.
import Vips from 'wasm-vips';
import { picture, printResult } from './result.mjs';

const vips = await Vips({ print: () => {}, printErr: () => {} });
const { data, width, height } = picture(320, 240);
const image = vips.Image.newFromMemory(new Uint8Array(data.buffer), width, height, 4, 'uchar');
printResult(image.resize(0.5).gaussblur(2).writeToBuffer('.png'));
vips.shutdown();
process.exit(0);
