import path from 'node:path';

/** The folder of this package. This file and the bundled hook both stand one level below it. */
export const packageRoot = path.dirname(import.meta.dirname ?? commonJsFolder());

/** A bundler that makes CommonJS leaves `import.meta` empty: then the bundle's folder counts. */
function commonJsFolder(): string {
  return typeof __dirname === 'string' ? __dirname : path.sep;
}
