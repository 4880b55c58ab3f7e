import fs from 'node:fs';

// Captured: programs patch fs.
const { readFileSync } = fs;
const { getBuiltinModule, kill, platform } = process;
const { now } = Date;

/** Clock ticks per second in /proc, on every platform that Node runs on. */
const TICKS_PER_SECOND = 100;
/** Seconds, because file systems and the kernel round differently. */
const ROUNDING = 2;

/**
 * Whether the writer of a file, identified by its process number, is alive. Numbers are reused: on Linux, which tells when a process
 * started, one that started after the file was written does not count.
 *
 * @param writtenAt - milliseconds since 1970
 */
export function isWriterAlive(pid: number, writtenAt: number): boolean {
  try {
    kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false; // otherwise it is another user's process
  }
  const age = secondsSinceStart(pid);
  return age === undefined || (now() - writtenAt) / 1000 <= age + ROUNDING;
}

function secondsSinceStart(pid: number): number | undefined {
  if (platform !== 'linux') return undefined;
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field, in brackets, is the program's name, which may contain anything. The start time is the twentieth after it.
    const startedAt = Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[19]) / TICKS_PER_SECOND;
    const age = getBuiltinModule('node:os').uptime() - startedAt;
    return age >= 0 ? age : undefined;
  } catch {
    return undefined;
  }
}
