import path from 'node:path';
import { CODE_FOLDER } from '../artifact/hook-code.js';
import { type Folder, openFolder, openFolderIn } from '../files/folder.js';
import { call, run } from '../files/steps.js';
import { STATISTICS_FILE, STATISTICS_FOLDER } from '../statistics/day-files.js';
import { PROGRAMS_FOLDER } from '../stores/programs-folder.js';

/** A file of a cache folder, by its name and place. Its content may be something else: see `isOurs`. */
export interface FoundFile {
  /**
   * - `artifact`: the entry of a module; `engine` is the folder's name, `key` the hash's digits.
   * - `temporary`: a file that a writer left or is writing; `host` and `pid` are the writer's, see `hostTag`.
   * - `job`: the job of a learner, or one that was given up.
   * - `guard`: see `CrashGuard`.
   * - `record`: the modules of a program, see `ProgramRecord`, `PassingModules` and native/preload-files.h.
   * - `wire bytes`: those of a module that is preloaded; `key` is its hash.
   * - `verdict`: whether an untested V8 can be used, see probe/verdict.ts.
   * - `code`: V8's code for the hook itself, see artifact/hook-code.ts.
   * - `statistics`: the counts of one day, see `Statistics`.
   * - `unknown`: not of this package.
   */
  kind:
    | 'artifact'
    | 'temporary'
    | 'job'
    | 'guard'
    | 'record'
    | 'wire bytes'
    | 'verdict'
    | 'code'
    | 'statistics'
    | 'unknown';
  /** Its path. */
  file: string;
  /** Its name in the cache folder, including its folder. */
  name: string;
  /** Bytes. */
  size: number;
  /** Milliseconds since 1970 of its last write or use, to the hour. */
  usedAt: number;
  engine: string;
  key: string;
  host: string;
  pid: number;
}

const ARTIFACT = /^((?:[0-9a-f]{16}){1,4})\.artifact$/;
const TEMPORARY = /^(?:[0-9a-f]{16}){1,4}\.(?:artifact|loading|wasm|code)\.([0-9a-z]+)-(\d+)(?:-\d+-[0-9a-z]*\.tmp)?$/;
const GUARD = /^((?:[0-9a-f]{16}){1,4})\.loading$/;
const JOB = /^(?:[0-9a-f]{16}){1,4}\.wasm$/;

const WIRE_BYTES = /^([0-9a-f]{64})\.wasm$/;

const RECORD = /^[\w.+-]+\.(?:json|keys|preload)$/;
const CODE = /^[0-9a-f]{32}\.code$/;
const VERDICT = /^[0-9a-f]{64}\.json$/;
const TEMPORARY_JSON = /\.json\.([0-9a-z]+)-(\d+)-\d+-[0-9a-z]*\.tmp$/;

/**
 * Calls of the file system at once. A busy process gets answers once per turn of its event loop, which may take 10 ms and more. With one
 * call at a time a sweep of 200 files would take seconds, while the folder grows.
 */
const BATCH = 100;

/** The name of the folder of the learners' jobs. */
const JOBS_FOLDER = 'learning';
/** The name of the folder of wire bytes, see native/preload-files.h. */
const WIRE_BYTES_FOLDER = 'wire-bytes';
/** The name of the folder of verdicts on untested versions of V8. */
export const VERDICTS_FOLDER = 'verdicts';

/**
 * All regular files of a cache folder, two levels deep, like the files of this package. A missing folder has none. Does not follow links
 * or open files.
 */
export async function* inventory(directory: string): AsyncGenerator<FoundFile> {
  const top = await opened(() => run(openFolder(path.resolve(directory), true, false)));
  if (!top) return;
  try {
    // Files beside the folders are marks and locks of this package, or foreign.
    for (const { name } of (await entriesOf(top)).filter((entry) => entry.isDirectory())) {
      const folder = await opened(() => run(openFolderIn(top, name, false)));
      if (!folder) continue;
      try {
        yield* filesOf(folder, directory, name);
      } finally {
        folder.close();
      }
    }
  } finally {
    top.close();
  }
}

export function* batches<T>(items: T[]): Generator<T[]> {
  for (let at = 0; at < items.length; at += BATCH) yield items.slice(at, at + BATCH);
}

async function* filesOf(folder: Folder, directory: string, folderName: string): AsyncGenerator<FoundFile> {
  const entries = (await entriesOf(folder)).filter((entry) => entry.isFile());
  for (const batch of batches(entries)) {
    const stats = await Promise.all(
      batch.map(({ name }) => run(call('lstat', folder.at(name))).catch(() => undefined)),
    );
    for (const [index, { name }] of batch.entries()) {
      const found = stats[index];
      if (!found?.isFile()) continue; // another process was faster
      const file = path.join(directory, folderName, name);
      const { size, mtimeMs: usedAt } = found;
      yield { ...kindOf(folderName, name), file, name: `${folderName}/${name}`, size, usedAt };
    }
  }
}

function kindOf(folder: string, name: string): Pick<FoundFile, 'kind' | 'engine' | 'key' | 'host' | 'pid'> {
  const nothing = { engine: folder, key: '', host: '', pid: 0 };
  const isJson = folder === PROGRAMS_FOLDER || folder === VERDICTS_FOLDER;
  const [, host, pid] = (isJson ? TEMPORARY_JSON : TEMPORARY).exec(name) ?? [];
  if (host) return { ...nothing, kind: 'temporary', host, pid: Number(pid) };
  if (folder === JOBS_FOLDER) return { ...nothing, kind: JOB.test(name) ? 'job' : 'unknown' };
  if (folder === WIRE_BYTES_FOLDER) {
    const [, key] = WIRE_BYTES.exec(name) ?? [];
    return key ? { ...nothing, kind: 'wire bytes', key } : { ...nothing, kind: 'unknown' };
  }
  if (folder === PROGRAMS_FOLDER) return { ...nothing, kind: RECORD.test(name) ? 'record' : 'unknown' };
  if (folder === VERDICTS_FOLDER) return { ...nothing, kind: VERDICT.test(name) ? 'verdict' : 'unknown' };
  if (folder === CODE_FOLDER) return { ...nothing, kind: CODE.test(name) ? 'code' : 'unknown' };
  if (folder === STATISTICS_FOLDER) return { ...nothing, kind: STATISTICS_FILE.test(name) ? 'statistics' : 'unknown' };
  const [, key] = ARTIFACT.exec(name) ?? [];
  if (key?.length === 64 || key?.length === 16) return { ...nothing, kind: 'artifact', key };
  const [, guarded] = GUARD.exec(name) ?? [];
  return guarded ? { ...nothing, kind: 'guard', key: guarded } : { ...nothing, kind: 'unknown' };
}

async function opened(open: () => Promise<Folder>): Promise<Folder | undefined> {
  try {
    return await open();
  } catch {
    return undefined; // missing or not readable
  }
}

async function entriesOf(folder: Folder) {
  return run(call('readdir', folder.at('.'))).catch(() => []);
}
