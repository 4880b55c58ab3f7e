// The hook's door: node --import wasm-module-cache/register app.js
// Whatever goes wrong here, the program must start.
import { debuglog } from 'node:util';
import { enableFromEnvironment } from './hook/enable.js';

try {
  const { status, message } = enableFromEnvironment();
  if (message !== undefined) debuglog('wasm-cache')('%s: %s', status, message);
} catch (error) {
  debuglog('wasm-cache')('not enabled: %o', error);
}
