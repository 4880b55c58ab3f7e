import util from 'node:util';

const { debuglog } = util;

/** Made at first use, because making it takes as long as installing the hook. */
let write: typeof writeFirst = writeFirst;
function writeFirst(format: string, ...values: unknown[]): void {
  write = debuglog('wasm-cache');
  write(format, ...values);
}

/** A line for `NODE_DEBUG=wasm-cache`. */
export function debug(format: string, ...values: unknown[]): void {
  write(format, ...values);
}
