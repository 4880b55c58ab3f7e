// The hook's door: node --import wasm-module-cache/register app.js
// Whatever goes wrong here, the program must start.
import util from 'node:util';
import { enableFromEnvironment } from './hook/enable.js';

try {
  const { status, message } = enableFromEnvironment();
  if (message !== undefined) util.debuglog('wasm-cache')('%s: %s', status, message);
} catch (error) {
  util.debuglog('wasm-cache')('not enabled: %o', error);
}
