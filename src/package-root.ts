import path from 'node:path';

/** The folder of this package. This file and the bundled hook both stand one level below it. */
export const packageRoot = path.dirname(import.meta.dirname);
