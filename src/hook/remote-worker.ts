// The thread behind RemoteThread: fetches artifacts from the store into the cache folder, and tells the program so.
import workerThreads from 'node:worker_threads';
import type { Artifact } from '../artifact/artifact.js';
import { CacheError } from '../cache-error.js';
import { FileSystemCache } from '../caches/file-system.js';
import { RemoteCache } from '../caches/remote.js';
import { V8Engine } from '../engine/v8-engine.js';
import { ModuleHash } from '../module-hash.js';
import { assertNamesAreAnswered } from '../stores/answers-names.js';
import { openStore } from '../stores/open-store.js';
import { decodeProgramRecord, ProgramRecord } from '../stores/program-record.js';
import { hostOf, parseRemoteUrl } from '../stores/remote-url.js';
import type { RemoteFailure } from './remote-source.js';
import type { ThreadAnswer, ThreadTask } from './remote-thread.js';

const { directory, secrets, maxSize, url, allowUnsigned, patience, answers, port, program } =
  workerThreads.workerData as ThreadTask;
const engine = new V8Engine();
const folder = new FileSystemCache(directory, { wireBytes: 'omit', secret: secrets, maxSize });
const fetching = new Map<string, Promise<void>>();

port.on('message', (key: string) => void fetchOnce(key));

const opened = open().then((store) => {
  const options = secrets ? { secret: secrets } : { allowUnsigned };
  return {
    store,
    cache: new RemoteCache(store, { ...options, timeout: patience, wireBytes: 'omit', compression: 'none' }),
  };
});
opened.catch(() => {}); // Whoever asks is told.

if (program !== undefined) void fetchAll(program);

async function open() {
  await assertNamesAreAnswered(hostOf(parseRemoteUrl(url), process.env));
  return openStore(url);
}

/** Everything that the program used the last time, at once. */
async function fetchAll(name: string): Promise<void> {
  try {
    const { store } = await opened;
    const asked = store.get(name, { signal: AbortSignal.timeout(patience) });
    Atomics.store(answers, 1, 1);
    const value = await asked;
    const keys = value && decodeProgramRecord(value.bytes);
    await Promise.all((keys ?? []).map(fetchOnce));
    keepList(name, keys ?? []);
    answer({ key: undefined, found: 'nothing' });
  } catch (error) {
    answer({ key: undefined, found: failure(error) });
  }
}

function keepList(name: string, keys: string[]): void {
  try {
    new ProgramRecord(name, directory, secrets !== undefined).write(keys);
  } catch {
    // Nothing can be written there: then the store is asked again.
  }
}

function fetchOnce(key: string): Promise<void> {
  let attempt = fetching.get(key);
  if (!attempt) {
    attempt = fetch(key);
    fetching.set(key, attempt);
  }
  return attempt;
}

/** The program first, which may be waiting; then the folder. */
async function fetch(text: string): Promise<void> {
  let artifact: Artifact;
  try {
    const { cache } = await opened;
    const asked = cache.fetch({ key: ModuleHash.parseHex(text), engineId: engine.deterministicId });
    Atomics.store(answers, 1, 1);
    artifact = await asked;
  } catch (error) {
    const isMiss = CacheError.is(error, 'NotFound') && error.cause === undefined;
    answer({ key: text, found: isMiss ? 'nothing' : failure(error) });
    return;
  }
  const { key: _, wireBytes: __, ...found } = artifact;
  answer({ key: text, found });
  try {
    folder.writeArtifactSync(artifact);
  } catch {
    // The disk is full, say; the program's own save will say so.
  }
}

/** Only what it says: what else belongs to an error of a client is not ours to show. */
function failure(error: unknown): RemoteFailure {
  const text = error instanceof Error ? error.message : String(error);
  if (CacheError.is(error, 'Untrusted')) return { failure: text, of: 'signature' };
  if (!CacheError.is(error, 'NotFound')) return { failure: text, of: 'store' };
  const { cause } = error;
  return { failure: cause instanceof Error ? `${text}: ${cause.message}` : text, of: 'artifact' };
}

function answer(given: ThreadAnswer): void {
  port.postMessage(given);
  Atomics.add(answers, 0, 1);
  Atomics.notify(answers, 0);
}
