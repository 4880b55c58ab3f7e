import fs from 'node:fs';

const { readFileSync } = fs;

/**
 * Milliseconds that this thread was ready to run and no processor was free, since it began; 0 where the system does not tell, as only
 * Linux does.
 */
export function waitedForProcessor(): number {
  try {
    const [, nanoseconds] = readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ');
    return Number(nanoseconds) / 1e6 || 0;
  } catch {
    return 0;
  }
}
