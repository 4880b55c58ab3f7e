/**
 * What the hook needs once a module comes, or once the folder knows the program. Most processes have neither, so the bundled hook has
 * this in a file of its own: see load-late.ts.
 */
import { whyNotCacheFolder } from '../caches/cache-folder.js';
import { V8Engine } from '../engine/v8-engine.js';

export { openHook } from './open-hook.js';
export { whyUntried } from './untried-v8.js';

/** Why modules cannot be cached in this process and this folder. */
export function whyNotHere(directory: string): string | undefined {
  return new V8Engine().unsupportedReason ?? whyNotCacheFolder(directory);
}
