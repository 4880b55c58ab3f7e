// The thread behind RemoteThread: fetches artifacts from the store into the cache folder, and answers the program.
import dns from 'node:dns';
import workerThreads from 'node:worker_threads';
import { type Artifact, DEFAULT_MAX_ARTIFACT_SIZE } from '../artifact/artifact.js';
import { CacheError } from '../cache-error.js';
import { FileSystemCache } from '../caches/file-system.js';
import { RemoteCache } from '../caches/remote.js';
import { V8Engine } from '../engine/v8-engine.js';
import { ModuleHash } from '../module-hash.js';
import { makeLookup } from '../stores/name-look-up.js';
import { openStore } from '../stores/open-store.js';
import { decodeProgramRecord, MAX_RECORD_SIZE, ProgramRecord } from '../stores/program-record.js';
import type { Answer, Question, RemoteFailure, ThreadTask } from './remote-messages.js';

/** Bytes of an artifact that nobody has asked for yet. A larger one comes when its module is asked for, whose size bounds it. */
const MAX_SIZE_AHEAD = 2 ** 26;

const task = workerThreads.workerData as ThreadTask;
const { directory, secrets, maxSize, patience, progress, port, program } = task;
const engine = new V8Engine();
const folder = new FileSystemCache(directory, { wireBytes: 'omit', secret: secrets, maxSize });
/** By key. */
const fetching = new Map<string, Promise<void>>();
const wanted = new Set<string>();

// The clients take it from there.
dns.lookup = makeLookup();

port.on('message', ({ key, wireLength }: Question) => {
  wanted.add(key);
  fetchOnce(key, () => fetch(key, wireLength));
});

const opened = openAll();
opened.catch(() => {}); // each request reports it

if (program !== undefined) void fetchAll(program);

async function openAll() {
  const store = await openStore(task.url);
  const cache = new RemoteCache(store, {
    ...(secrets ? { secret: secrets } : { allowUnsigned: task.allowUnsigned }),
    ...{ timeout: patience, wireBytes: 'omit', compression: 'none' },
    maxArtifactSize: Math.min(DEFAULT_MAX_ARTIFACT_SIZE, maxSize ?? DEFAULT_MAX_ARTIFACT_SIZE),
  });
  return { store, cache };
}

/** Fetches all modules that the program used the last time. */
async function fetchAll(name: string): Promise<void> {
  try {
    const { store } = await opened;
    const asked = store.get(name, { signal: AbortSignal.timeout(patience), maxSize: MAX_RECORD_SIZE });
    Atomics.store(progress, 1, 1);
    const value = await asked;
    const keys = (value && decodeProgramRecord(value.bytes)) ?? [];
    await Promise.all(keys.map((key) => fetchOnce(key, () => fetch(key, undefined))));
    keepRecord(name, keys);
    answer({ key: undefined, found: 'nothing' });
  } catch (error) {
    answer({ key: undefined, found: failure(error) });
  }
}

function keepRecord(name: string, keys: string[]): void {
  try {
    new ProgramRecord(name, directory, secrets !== undefined).write(keys);
  } catch {
    // Nothing can be written there, so the store will be asked again.
  }
}

function fetchOnce(key: string, start: () => Promise<void>): Promise<void> {
  let attempt = fetching.get(key);
  if (!attempt) {
    attempt = start();
    fetching.set(key, attempt);
  }
  return attempt;
}

/** @param wireLength - the length of the module's wire bytes, if the program has asked for the module */
async function fetch(text: string, wireLength: number | undefined): Promise<void> {
  let artifact: Artifact;
  try {
    const { cache } = await opened;
    const expected = { key: ModuleHash.parseHex(text), engineId: engine.deterministicId, wireLength };
    const asked = cache.fetch(expected, { maxSize: wireLength === undefined ? MAX_SIZE_AHEAD : undefined });
    Atomics.store(progress, 1, 1);
    artifact = await asked;
  } catch (error) {
    const isMiss = CacheError.is(error, 'NotFound') && error.cause === undefined;
    answer({ key: text, found: isMiss ? 'nothing' : failure(error) });
    return;
  }
  const { key: _, wireBytes: __, ...found } = artifact;
  // A waiting program comes first. Other artifacts do not stay in memory.
  if (wanted.has(text)) answer({ key: text, found });
  const isKept = keep(artifact);
  if (!wanted.has(text)) answer({ key: text, found: isKept ? 'in folder' : found });
}

function keep(artifact: Artifact): boolean {
  try {
    folder.writeArtifactSync(artifact);
    return true;
  } catch {
    return false; // for example a full disk, which the program's own save will report
  }
}

/** Only the message, because a client's error may contain secrets. */
function failure(error: unknown): RemoteFailure {
  const text = error instanceof Error ? error.message : String(error);
  if (CacheError.is(error, 'Untrusted')) return { failure: text, of: 'signature' };
  if (!CacheError.is(error, 'NotFound')) return { failure: text, of: 'store' };
  const { cause } = error;
  return { failure: cause instanceof Error ? `${text}: ${cause.message}` : text, of: 'artifact' };
}

function answer(given: Answer): void {
  port.postMessage(given);
  Atomics.add(progress, 0, 1);
  Atomics.notify(progress, 0);
}
