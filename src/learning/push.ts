import type { Artifact } from '../artifact/artifact.js';
import { CacheError } from '../cache-error.js';
import type { FileSystemCache } from '../caches/file-system.js';
import { RemoteCache } from '../caches/remote.js';
import type { Engine } from '../module-cache.js';
import { ModuleHash } from '../module-hash.js';
import { openStore } from '../stores/open-store.js';
import { decodeProgramRecord, encodeProgramRecord, ProgramRecord } from '../stores/program-record.js';

/** What is to be put into the store that a fleet shares. */
export interface Push {
  /** Of the store; see `parseRemoteUrl`. */
  url: string;
  allowUnsigned: boolean;
  /** The name of the program's record, to which the keys are added. */
  program: string | undefined;
  keys: readonly string[];
}

/** Milliseconds; nobody waits. */
const TIMEOUT = 10_000;

/**
 * Puts artifacts of a folder into a store, where that has none that are better, and notes in the program's record that it uses them.
 * Where that fails, the folder's record is forgotten, so that the program's next run has it done again.
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
        continue; // Damaged, or gone: that does not concern the others.
      }
      await remote.push(artifact).catch((error) => {
        if (!CacheError.is(error, 'Serialize')) throw error; // Nor is one that is too large.
      });
    }
    if (program === undefined) return;
    const signal = AbortSignal.timeout(TIMEOUT);
    const stored = await store.get(program, { signal });
    const known = (stored && decodeProgramRecord(stored.bytes)) ?? [];
    if (keys.every((key) => known.includes(key))) return;
    // Of two that write at once one is lost, until its program runs again somewhere else: no artifact is.
    await store.put(program, encodeProgramRecord([...keys, ...known]), { signal });
  } finally {
    await remote.close();
  }
}
