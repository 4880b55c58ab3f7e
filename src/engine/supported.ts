import diagnostics_channel from 'node:diagnostics_channel';
import { type Addon, loadAddon, otherRuntime } from '../native/addon.js';
import { isGiven } from './process-options.js';
import { knownV8, v8Version } from './v8-versions.js';

// Captured: programs replace globals.
const { WebAssembly } = globalThis;
const { version, platform, arch } = process;

/** Flags with which V8 ends the process when another flag is changed. This package has to change some for a moment. */
const FORBIDDING_FLAGS = ['freeze-flags-after-init', 'print-feature-flags-json'];

/** The result of trying a V8 that is not tested. */
export interface Verdict {
  /** Whether its native code can be used. */
  readonly isUsable: boolean;
  /** Why not. */
  readonly reason?: string | undefined;
}

let shared: { verdict?: Verdict } | undefined;

/** Whether this V8 is a tested version. Such a version needs no verdict. */
export function isTestedV8(): boolean {
  return knownV8()?.isTested === true;
}

/** What the copies of this package in one thread share: the hook's and the library's are two. See hook/enable.ts. */
function known(): { verdict?: Verdict } {
  shared ??= diagnostics_channel.channel('wasm-module-cache') as object as { verdict?: Verdict };
  return shared;
}

/** Sets the verdict on a V8 that is not tested, for this thread. */
export function takeVerdict(verdict: Verdict): void {
  known().verdict = verdict;
}

/** Why native code cannot be used here, as far as it is known without the addon. */
export function whyNeverSupported(): string | undefined {
  return whyNotThisProcess() ?? (isTestedV8() ? undefined : whyNotUsable(known().verdict));
}

function whyNotThisProcess(): string | undefined {
  if (WebAssembly === undefined) return 'this process has no WebAssembly (--jitless?)';
  if (otherRuntime) return `${otherRuntime} is not Node.js`;
  const flag = FORBIDDING_FLAGS.find(isGiven);
  return flag && `with --${flag} V8 ends the process when a flag is changed, which native code needs`;
}

function whyNotUsable(verdict: Verdict | undefined): string | undefined {
  if (verdict?.isUsable) return undefined;
  return verdict
    ? `${nameOfV8()} was tried and cannot be used: ${verdict.reason}`
    : `${nameOfV8()} has not been tried: probeV8() and "wasm-cache doctor" try it, and so does a program with the hook`;
}

export function nameOfV8(): string {
  return `V8 ${v8Version()} (Node ${version})`;
}

type Opened = { addon: Addon } | { addon?: undefined; unsupportedReason: string };

/** The addon, or why it must not be used. */
export function openAddon(): Opened {
  const unsupportedReason = whyNeverSupported();
  return unsupportedReason === undefined ? openUntriedAddon() : { unsupportedReason };
}

/** As {@link openAddon}, also for a V8 that was never tried. */
export function openUntriedAddon(): Opened {
  const unsupportedReason = whyNotThisProcess();
  if (unsupportedReason !== undefined) return { unsupportedReason };
  const { addon, error } = loadAddon();
  if (!addon) {
    const detail = error instanceof Error ? error.message : String(error);
    return { unsupportedReason: `the addon for ${platform}-${arch} could not be loaded (${detail})` };
  }
  if (!addon.canSerialize) {
    return {
      unsupportedReason: `this node binary for ${platform}-${arch} does not export the functions of V8 that the addon needs`,
    };
  }
  return { addon };
}
