import { loadAddon } from './addon.js';

/**
 * Locks an open file or folder, unless another process has the lock, or another descriptor of this one. The kernel drops the lock when the
 * descriptor is closed, so also when its process dies, in whatever container that runs. Without the addon everybody gets it.
 */
export function tryLock(descriptor: number): boolean {
  return loadAddon().addon?.tryLock(descriptor) ?? true;
}
