import fs from 'node:fs';
import type { Load } from '../learning/saving-policy.js';

// Captured: programs patch these objects.
const { readFileSync } = fs;
const { resourceUsage } = process;
const { bigint: nanoseconds } = process.hrtime;

/** Not performance.now(): Node creates that object when it is first mentioned, which takes 1 ms. */
export const milliseconds = () => Number(nanoseconds()) / 1e6;

let lastUsed = 0;
let lastAskedAt = 0;

/** Microseconds of CPU time that this process has used, up to a millisecond ago: the system takes 40 µs to sum it over all threads. */
export function usedCpuTime(): number {
  const now = milliseconds();
  if (now - lastAskedAt > 1) {
    const { userCPUTime, systemCPUTime } = resourceUsage();
    lastUsed = userCPUTime + systemCPUTime || 0; // Not a number where a program replaced the function.
    lastAskedAt = now;
  }
  return lastUsed;
}

/** Starts to measure the cost of loading an artifact. The returned function gives the cost so far. */
export function measureLoad(): () => Omit<Load, 'wireLength' | 'nativeLength'> {
  const start = milliseconds();
  const before = resourceUsage();
  return () => {
    const { userCPUTime, systemCPUTime, involuntaryContextSwitches } = resourceUsage();
    return {
      duration: milliseconds() - start,
      cpuTime: (userCPUTime + systemCPUTime - before.userCPUTime - before.systemCPUTime) / 1000,
      preemptions: involuntaryContextSwitches - before.involuntaryContextSwitches,
      waited: waitedForProcessor,
    };
  };
}

/**
 * Milliseconds for which this thread was ready to run and no processor was free, since it began. 0 except on Linux.
 */
export function waitedForProcessor(): number {
  try {
    const [, waited] = readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ');
    return Number(waited) / 1e6 || 0;
  } catch {
    return 0;
  }
}
