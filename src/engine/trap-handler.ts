import type { Addon } from '../native/addon.js';

// Captured: programs empty process.env.
const { platform } = process;
const execArgv = [...process.execArgv];
const nodeOptions = process.env.NODE_OPTIONS ?? '';
const Memory = globalThis.WebAssembly?.Memory;

/**
 * Whether V8 turns out-of-bounds accesses into traps by catching signals. Code compiled so contains no bounds checks: in a
 * process without the handler the first such access is a crash or worse, and neither V8's header nor its version tag
 * knows of it. Anything but a certain yes is a no.
 */
export function trapHandlerIsOn(addon: Addon): boolean {
  if (addon.addressSpaceIsLimited) return false;
  const options = [...execArgv, ...nodeOptions.split(/\s+/)];
  if (options.some((option) => option.replaceAll('_', '-') === '--disable-wasm-trap-handler')) return false;
  return platform === 'linux' ? memoryHasGuardPages(addon) : true;
}

/**
 * With the handler a memory is followed by 8 GiB, less itself, of address space that nobody may touch, so that no 32-bit index
 * and offset leaves it; without it by 4 GiB. Looked up where this memory is, because what the whole process reserves changes
 * with every thread that starts or ends.
 */
function memoryHasGuardPages(addon: Addon): boolean {
  try {
    const { buffer } = new Memory({ initial: 1 });
    const reserved = buffer.byteLength + addon.guardBytesBehind(buffer);
    // More where the next reservation follows directly.
    return reserved >= 8 * GIB;
  } catch {
    return false;
  }
}

const GIB = 2 ** 30;
