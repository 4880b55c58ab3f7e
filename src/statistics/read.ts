import fs from 'node:fs';
import path from 'node:path';
import { DAY, dayOf, MAX_DAY_SIZE, STATISTICS_FILE, STATISTICS_FOLDER } from './day-files.js';
import { ADDED, decodeLines, type ModuleCounts } from './lines.js';

/** The counts of one day in UTC, per module, in no order. */
export interface DayCounts {
  /** `2026-11-26` */
  day: string;
  modules: ModuleCounts[];
  /** Whether the file was (nearly) full, so that some counts may be missing. */
  isFull: boolean;
}

/** The bytes that a process with hundreds of modules writes at once. */
const MAX_WRITE = 32 * 1024;

/**
 * The days with counts in a cache folder, in order, without days in the future. Unreadable files and lines are skipped.
 */
export async function readStatistics(directory: string): Promise<DayCounts[]> {
  const folder = path.join(directory, STATISTICS_FOLDER);
  const names = await fs.promises.readdir(folder).catch(() => []);
  const days: DayCounts[] = [];
  // The clock of another machine may be a little ahead.
  const last = dayOf(Date.now()) + 1;
  for (const day of names.filter((name) => STATISTICS_FILE.test(name) && Number(name) <= last).sort()) {
    const text = await readLimited(path.join(folder, day)).catch(() => '');
    const modules = sumByModule(decodeLines(text));
    const date = new Date(Number(day) * DAY).toISOString().slice(0, 10);
    if (modules.length > 0) days.push({ day: date, modules, isFull: text.length > MAX_DAY_SIZE - MAX_WRITE });
  }
  return days;
}

/** Adds up the counts of each module. Modules without a key are identified by size and name. */
export function sumByModule(all: Iterable<ModuleCounts>): ModuleCounts[] {
  const modules = new Map<string, ModuleCounts>();
  for (const each of all) {
    const identity = each.key || `${each.wireLength} ${each.name}`;
    const sum = modules.get(identity);
    if (!sum) {
      modules.set(identity, { ...each });
      continue;
    }
    for (const count of ADDED) sum[count] += each[count];
    // The latest known values.
    sum.name = each.name || sum.name;
    sum.nativeLength = each.nativeLength || sum.nativeLength;
  }
  return [...modules.values()];
}

/** Reads at most the largest size of such a file, and only regular files, because somebody else may have put something else there. */
async function readLimited(file: string): Promise<string> {
  const { O_RDONLY, O_NONBLOCK = 0 } = fs.constants;
  const handle = await fs.promises.open(file, O_RDONLY | O_NONBLOCK);
  try {
    if (!(await handle.stat()).isFile()) return '';
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_DAY_SIZE), 0, MAX_DAY_SIZE, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
