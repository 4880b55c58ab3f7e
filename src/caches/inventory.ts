import fs from 'node:fs';
import path from 'node:path';
import { STATISTICS_FILE, STATISTICS_FOLDER } from '../statistics/day-files.js';
import { PROGRAMS_FOLDER } from '../stores/program-record.js';

/** What one file of a cache folder is. */
export interface FoundFile {
  /**
   * - `artifact`: the entry of a module; `engine` is the folder's name, `key` the hash's digits.
   * - `temporary`: what a writer left, or is just writing; `host` and `pid` are the writer's, see `hostTag`.
   * - `job`: what a learner is to do, or has given up.
   * - `guard`: see `CrashGuard`.
   * - `list`: the modules of a program, see `ProgramRecord`.
   * - `verdict`: whether a V8 can be used that is not among the tested ones, see probe/verdict.ts.
   * - `statistics`: what became of modules on one day, see `Statistics`.
   * - `unknown`: not of this package.
   */
  kind: 'artifact' | 'temporary' | 'job' | 'guard' | 'list' | 'verdict' | 'statistics' | 'unknown';
  file: string;
  /** Bytes. */
  size: number;
  /** Milliseconds since 1970: when it was written, or last used, to the hour. */
  usedAt: number;
  engine: string;
  key: string;
  host: string;
  pid: number;
}

const ARTIFACT = /^((?:[0-9a-f]{16}){1,4})\.artifact$/;
const TEMPORARY = /^(?:[0-9a-f]{16}){1,4}\.(?:artifact|loading)\.([0-9a-z]+)-(\d+)(?:-\d+-[0-9a-z]*\.tmp)?$/;
const GUARD = /^((?:[0-9a-f]{16}){1,4})\.loading$/;
const JOB = /^(?:[0-9a-f]{16}){1,4}\.wasm$/;

const LIST = /^[\w.+-]+\.json$/;
const VERDICT = /^[0-9a-f]{64}\.json$/;
const TEMPORARY_JSON = /\.json\.([0-9a-z]+)-(\d+)-\d+-[0-9a-z]*\.tmp$/;

const BATCH = 100;

/** The name of the folder of the learners' jobs. */
const JOBS_FOLDER = 'learning';
/** That of the verdicts on versions of V8 that are not tested. */
export const VERDICTS_FOLDER = 'verdicts';

/** All files of a cache folder, two levels deep, which is as deep as this package goes. A folder that is not there has none. */
export async function* inventory(directory: string): AsyncGenerator<FoundFile> {
  for (const folder of await entriesOf(directory)) {
    if (!folder.isDirectory()) continue; // marks and locks of this package, and what is somebody else's
    const entries = (await entriesOf(path.join(directory, folder.name))).filter((entry) => entry.isFile());
    for (const batch of batches(entries)) {
      const found = await Promise.all(batch.map(({ name }) => foundFile(directory, folder.name, name)));
      yield* found.filter((file) => file !== undefined);
    }
  }
}

/**
 * What is asked of the file system at once. A process that is busy gets an answer in every turn of its event loop, which may take
 * 10 ms and more; one question after the other, a sweep of 200 files takes seconds there, in which the folder grows.
 */
export function* batches<T>(items: T[]): Generator<T[]> {
  for (let at = 0; at < items.length; at += BATCH) yield items.slice(at, at + BATCH);
}

async function foundFile(directory: string, folder: string, name: string): Promise<FoundFile | undefined> {
  const file = path.join(directory, folder, name);
  const stats = await fs.promises.stat(file).catch(() => undefined); // Somebody was faster.
  return stats && { ...kindOf(folder, name), file, size: stats.size, usedAt: stats.mtimeMs };
}

function kindOf(folder: string, name: string): Pick<FoundFile, 'kind' | 'engine' | 'key' | 'host' | 'pid'> {
  const nothing = { engine: folder, key: '', host: '', pid: 0 };
  if (folder === JOBS_FOLDER) return { ...nothing, kind: JOB.test(name) ? 'job' : 'unknown' };
  if (folder === PROGRAMS_FOLDER && LIST.test(name)) return { ...nothing, kind: 'list' };
  if (folder === VERDICTS_FOLDER && VERDICT.test(name)) return { ...nothing, kind: 'verdict' };
  if (folder === STATISTICS_FOLDER) return { ...nothing, kind: STATISTICS_FILE.test(name) ? 'statistics' : 'unknown' };
  const [, key] = ARTIFACT.exec(name) ?? [];
  if (key?.length === 64 || key?.length === 16) return { ...nothing, kind: 'artifact', key };
  const [, guarded] = GUARD.exec(name) ?? [];
  if (guarded) return { ...nothing, kind: 'guard', key: guarded };
  const [, host, pid] =
    ([PROGRAMS_FOLDER, VERDICTS_FOLDER].includes(folder) ? TEMPORARY_JSON : TEMPORARY).exec(name) ?? [];
  return host ? { ...nothing, kind: 'temporary', host, pid: Number(pid) } : { ...nothing, kind: 'unknown' };
}

async function entriesOf(directory: string): Promise<fs.Dirent[]> {
  try {
    return await fs.promises.readdir(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}
