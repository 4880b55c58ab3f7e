import url from 'node:url';

/** The folder of this package. This file and the bundled hook both stand one level below it. */
export const packageRoot = url.fileURLToPath(new URL('..', import.meta.url));
