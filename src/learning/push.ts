import type { Artifact } from '../artifact/artifact.js';
import { CacheError } from '../cache-error.js';
import type { FileSystemCache } from '../caches/file-system.js';
import { RemoteCache } from '../caches/remote.js';
import type { Engine } from '../module-cache.js';
import { ModuleHash } from '../module-hash.js';
import { openStore } from '../stores/open-store.js';
import { decodeProgramRecord, encodeProgramRecord, MAX_RECORD_SIZE, ProgramRecord } from '../stores/program-record.js';

/** Artifacts to put into the store that a fleet shares. */
export interface Push {
  /** The address of the store; see `parseRemoteUrl`. */
  url: string;
  allowUnsigned: boolean;
  /** The name of the program record that the keys are added to. */
  program: string | undefined;
  keys: readonly string[];
}

/** Milliseconds. It is long, because nobody waits. */
const TIMEOUT = 10_000;

/**
 * Puts artifacts of a folder into a store, unless the store has better ones, and adds them to the program record. If that fails, it
 * deletes the folder's record, so that the program's next run pushes again.
 */
export async function push(task: Push, folder: FileSystemCache, engine: Engine): Promise<void> {
  try {
    await pushAll(task, folder, engine);
  } catch (error) {
    if (task.program) new ProgramRecord(task.program, folder.directory, folder.signer !== undefined).forget();
    throw error;
  }
}

async function pushAll(
  { url, allowUnsigned, program, keys }: Push,
  folder: FileSystemCache,
  engine: Engine,
): Promise<void> {
  const store = await openStore(url);
  const options = folder.signer ? { secret: folder.signer.secrets } : { allowUnsigned };
  const remote = new RemoteCache(store, { ...options, timeout: TIMEOUT, wireBytes: 'omit' });
  try {
    for (const text of keys) {
      const key = ModuleHash.parseHex(text);
      const header = folder.readHeaderSync(key, engine);
      if (!header || header.coverage === 'none') continue;
      let artifact: Artifact;
      try {
        artifact = folder.readArtifactSync(key, engine, header.wireLength);
      } catch {
        continue; // damaged or gone; the others are pushed all the same
      }
      await remote.push(artifact).catch((error) => {
        if (!CacheError.is(error, 'Serialize')) throw error; // one that is too large is skipped, too
      });
    }
    if (program === undefined) return;
    const signal = AbortSignal.timeout(TIMEOUT);
    const stored = await store.get(program, { signal, maxSize: MAX_RECORD_SIZE });
    const known = (stored && decodeProgramRecord(stored.bytes)) ?? [];
    if (keys.every((key) => known.includes(key))) return;
    // If two processes write at once, the record loses the keys of one until its program runs again somewhere. No artifact is lost.
    await store.put(program, encodeProgramRecord([...keys, ...known]), { signal });
  } finally {
    await remote.close();
  }
}
