// Large modules of real packages, with which the parts of the library are measured.
import { fileURLToPath } from 'node:url';

/** The path of a file beside this one. */
export const local = (file) => fileURLToPath(new URL(file, import.meta.url));

export const modules = {
  'sql.js': '../node_modules/sql.js/dist/sql-wasm.wasm',
  swc: '../node_modules/@swc/wasm/wasm_bg.wasm',
  'magick-wasm': '../node_modules/@imagemagick/magick-wasm/dist/x86/magick.wasm',
};
