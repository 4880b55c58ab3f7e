import fs from 'node:fs';

// Captured: see file-system.ts.
const { readFileSync } = fs;
const { getBuiltinModule, kill, platform } = process;
const { now } = Date;

/** Of the times in /proc, on every platform that Node runs on. */
const TICKS_PER_SECOND = 100;
/** Seconds; file systems and the kernel round, each in its own way. */
const ROUNDING = 2;

/**
 * Whether the process that wrote a file, which says so by number, is still there. Numbers are given again: where the system tells
 * when a process began (Linux), one that began after the file was written is another one.
 *
 * @param writtenAt - milliseconds since 1970
 */
export function isWriterAlive(pid: number, writtenAt: number): boolean {
  try {
    kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false; // or else it is another user's
  }
  const age = secondsSinceStart(pid);
  return age === undefined || (now() - writtenAt) / 1000 <= age + ROUNDING;
}

function secondsSinceStart(pid: number): number | undefined {
  if (platform !== 'linux') return undefined;
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field, in brackets, is the program's name, which may hold anything; the start is the twentieth after it.
    const startedAt = Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[19]) / TICKS_PER_SECOND;
    const age = getBuiltinModule('node:os').uptime() - startedAt;
    return age >= 0 ? age : undefined;
  } catch {
    return undefined;
  }
}
