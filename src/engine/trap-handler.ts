import fs from 'node:fs';
import type { Addon } from './addon.js';

// Captured: programs empty process.env and patch fs.
const { openSync, readSync, closeSync } = fs;
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
  return platform === 'linux' ? memoryHasGuardPages() : true;
}

/**
 * With the handler a memory reserves 8 GiB of address space (10 GiB before Node 24), so that no 32-bit index leaves it;
 * without it 4 GiB, however small the memory is.
 */
function memoryHasGuardPages(): boolean {
  try {
    const before = addressSpacePages();
    const memory = new Memory({ initial: 1 });
    const reserved = (addressSpacePages() - before) * PAGE_SIZE;
    return memory.buffer.byteLength > 0 && reserved >= 7 * GIB && reserved <= 12 * GIB;
  } catch {
    return false;
  }
}

const GIB = 2 ** 30;
// The unit of statm. Where pages are larger the reservation looks smaller than it is, and the answer is a safe no.
const PAGE_SIZE = 4096;

function addressSpacePages(): number {
  // Not readFileSync: it calls what the program may have put into fs.
  const file = openSync('/proc/self/statm', 'r');
  try {
    const text = Buffer.alloc(128);
    readSync(file, text, 0, text.length, 0);
    return Number.parseInt(text.toString('latin1'), 10);
  } finally {
    closeSync(file);
  }
}
