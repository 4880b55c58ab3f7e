/**
 * The hook: `node --import wasm-module-cache/register app.js`. It exports nothing; importing it turns the hook on, as the
 * variables `WASM_CACHE_*` say. It never throws.
 *
 * @module wasm-module-cache/register
 */

import util from 'node:util';
import { enableFromEnvironment } from './hook/enable.js';

try {
  const { status, message } = enableFromEnvironment();
  if (message !== undefined) util.debuglog('wasm-cache')('%s: %s', status, message);
} catch (error) {
  util.debuglog('wasm-cache')('not enabled: %o', error);
}
