import type { Addon } from '../native/addon.js';
import { isGiven } from './process-options.js';

// Captured: programs replace globals.
const { platform } = process;
const { Memory } = globalThis.WebAssembly ?? {};

/**
 * Whether V8 turns out-of-bounds accesses into traps by catching signals. Code that is compiled for it contains no bounds checks. In a
 * process without the handler the first such access crashes, or worse, and neither V8's header nor its version tag tells. So anything
 * but a certain yes is a no.
 */
export function trapHandlerIsOn(addon: Addon): boolean {
  if (addon.addressSpaceIsLimited || isGiven('disable-wasm-trap-handler')) return false;
  return platform === 'linux' ? memoryHasGuardPages(addon) : true;
}

/**
 * With the handler, a memory and the address space behind it that nobody may touch are 8 GiB together, so that no 32-bit index plus offset
 * leaves them; without it 4 GiB. This looks at one memory, because what the process reserves in all changes with every thread.
 */
function memoryHasGuardPages(addon: Addon): boolean {
  try {
    const { buffer } = new Memory({ initial: 1 });
    const reserved = buffer.byteLength + addon.guardBytesBehind(buffer);
    // More if the next reservation follows directly.
    return reserved >= 8 * GIB;
  } catch {
    return false;
  }
}

const GIB = 2 ** 30;
