import fs from 'node:fs';

// Captured: programs replace them.
const { closeSync, openSync, readSync } = fs;

/** The path of the dynamic linker is within the first bytes. */
const LENGTH = 4096;

/**
 * Which libc a Linux binary was linked with, told by the path of its dynamic linker. The distribution does not tell it, and musl loads
 * an addon that was built for glibc and crashes in it.
 *
 * @throws when the file cannot be read.
 */
export function libcOf(binary: string): 'glibc' | 'musl' {
  const start = Buffer.alloc(LENGTH);
  const file = openSync(binary, 'r');
  try {
    readSync(file, start, 0, LENGTH, 0);
  } finally {
    closeSync(file);
  }
  return start.includes('/ld-musl-') ? 'musl' : 'glibc';
}
