import { LiveModuleCache } from './live-modules.js';

/** Live modules of this thread, all that are saved: for hosts that know how many they have. */
export class ThreadLocalCache extends LiveModuleCache {
  constructor() {
    super(new Map());
  }
}
