/**
 * The hook: `node --import wasm-module-cache/register app.js`, or with `--require`. It exports nothing; importing it turns the hook on, as the
 * variables `WASM_CACHE_*` say. It never throws.
 *
 * @module wasm-module-cache/register
 */

import util from 'node:util';
import { loadLate } from './hook/load-late.js';
import { settingsOfProcess } from './hook/settings.js';
import { enable } from './hook/start.js';

try {
  const settings = settingsOfProcess();
  const { status, message } = enable(settings, () => loadLate(settings), false);
  if (message !== undefined) util.debuglog('wasm-cache')('%s: %s', status, message);
} catch (error) {
  util.debuglog('wasm-cache')('not enabled: %o', error);
}
