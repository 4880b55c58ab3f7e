import { type Addon, loadAddon, otherRuntime } from './addon.js';

// Captured: programs replace globals.
const { WebAssembly } = globalThis;
const { versions, version, platform, arch } = process;

/**
 * The versions of V8 on which every door that is used here was tried, crashes included (Node 20, 22, 24, 26). V8 gives no
 * promise about any of them, so another version is unsupported until it was tried too.
 */
const TESTED_V8 = ['11.3', '12.4', '13.6', '14.6'];

export function v8Version(): string {
  return versions.v8.split('.').slice(0, 2).join('.');
}

/** Why V8's native code cannot be used here, as far as can be told without the addon. */
export function whyNeverSupported(): string | undefined {
  if (WebAssembly === undefined) return 'this process has no WebAssembly (--jitless?)';
  if (otherRuntime) return `${otherRuntime} is not Node.js`;
  const v8 = v8Version();
  return TESTED_V8.includes(v8) ? undefined : `V8 ${v8} (Node ${version}) has not been tried`;
}

/** The addon where it may be used, or why it may not. */
export function openAddon(): { addon: Addon } | { addon?: undefined; unsupportedReason: string } {
  const unsupportedReason = whyNeverSupported();
  if (unsupportedReason !== undefined) return { unsupportedReason };

  const { addon, error } = loadAddon();
  if (!addon) {
    const detail = error instanceof Error ? error.message : String(error);
    return { unsupportedReason: `the addon for ${platform}-${arch} could not be loaded (${detail})` };
  }
  if (!addon.canSerialize) {
    return { unsupportedReason: `this node binary for ${platform}-${arch} does not export what the addon needs` };
  }
  return { addon };
}
