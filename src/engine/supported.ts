import diagnostics_channel from 'node:diagnostics_channel';
import { type Addon, loadAddon, otherRuntime } from '../native/addon.js';
import { knownV8, v8Version } from './v8-versions.js';

// Captured: programs replace globals.
const { WebAssembly } = globalThis;
const { version, platform, arch } = process;

/** What trying a V8 that is not among the tested ones gave. */
export interface Verdict {
  /** Whether its native code can be used. */
  readonly isUsable: boolean;
  /** Why not. */
  readonly reason?: string | undefined;
}

let shared: { verdict?: Verdict } | undefined;

/** Whether this V8 is one of the tested versions, which needs no verdict. */
export function isTestedV8(): boolean {
  return knownV8()?.isTested === true;
}

/** What all copies of this package in one thread, the hook's and the library's above all, know of an untested V8: see hook/enable.ts. */
function known(): { verdict?: Verdict } {
  shared ??= diagnostics_channel.channel('wasm-module-cache') as object as { verdict?: Verdict };
  return shared;
}

/** From now on in this thread: a V8 that is not tested is what this says. */
export function takeVerdict(verdict: Verdict): void {
  known().verdict = verdict;
}

/** Why V8's native code cannot be used here, as far as can be told without the addon. */
export function whyNeverSupported(): string | undefined {
  return whyNotThisProcess() ?? (isTestedV8() ? undefined : whyNotUsable(known().verdict));
}

function whyNotThisProcess(): string | undefined {
  if (WebAssembly === undefined) return 'this process has no WebAssembly (--jitless?)';
  return otherRuntime && `${otherRuntime} is not Node.js`;
}

/** Of a V8 that is not tested. */
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

/** The addon where it may be used, or why it may not. */
export function openAddon(): Opened {
  const unsupportedReason = whyNeverSupported();
  return unsupportedReason === undefined ? openUntriedAddon() : { unsupportedReason };
}

/** As {@link openAddon}, whatever V8 this is. */
export function openUntriedAddon(): Opened {
  const unsupportedReason = whyNotThisProcess();
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
