// The program of the learner: node learner.js <cache folder> <"<bytes> <files>" to sweep it to, or "no sweep"> <engine id>
// <coverage: hot or full> <priority: usual or lowest> <what to push to the store of WASM_CACHE_REMOTE, as JSON, or "no push"> <key>...
// It optimises what programs ran, in a separate process, so that V8's flags and the time that it takes do not affect a program. Nobody
// reads its output, and its crash breaks nothing.
import type { Artifact } from '../artifact/artifact.js';
import { CacheError } from '../cache-error.js';
import { BYPASSED_AFTER_DEATHS, MAX_DEATHS, type Quarantine } from '../caches/crash-guard.js';
import { FileSystemCache } from '../caches/file-system.js';
import { sweep } from '../caches/sweep.js';
import { optimiseAheadOfTime } from '../engine/ahead-of-time.js';
import { takeVerdict } from '../engine/supported.js';
import { V8Engine } from '../engine/v8-engine.js';
import { ModuleHash } from '../module-hash.js';
import { loadAddon } from '../native/addon.js';
import { SETTINGS, secretsIn } from '../settings/settings.js';
import { LearningJobs } from './jobs.js';
import { push } from './push.js';

/** The largest known modules (30 MB of wire bytes) take half a minute on a busy machine if every function ran. */
const MAX_SECONDS = 300;
/**
 * Milliseconds of CPU time at the priority of the program that started this learner; after that all other processes come first. Most
 * modules need less (sql.js 400, esbuild 5,000). With the lowest priority from the start, programs that keep both cores of a machine
 * busy would stay slow for dozens of runs: docs/performance.md.
 */
const USUAL_PRIORITY_FOR = 10_000;
/** V8 needs many times the size of the code to optimise it. Programs that need the memory come first. */
const MEMORY_PER_BYTE = 20;

const [directory = '', limits = '', engineId = '', coverage, priority, toPush = '', ...keys] = process.argv.slice(2);
takeVerdict({ isUsable: true }); // The process that started this one uses V8, so its verdict is yes.
if (coverage !== 'hot' && coverage !== 'full') throw new Error(`The coverage must be hot or full, not ${coverage}`);
const engine = new V8Engine();
const cache = new FileSystemCache(directory, { wireBytes: 'omit', secret: secretsIn(process.env) });
const jobs = new LearningJobs(directory, cache.signer);

const { addon } = loadAddon();
addon?.endAfter(MAX_SECONDS);
addon?.yieldAfter(priority === 'usual' ? USUAL_PRIORITY_FOR : 0);
// An error of one module does not affect the others.
for (const key of keys.flatMap(parseKey)) {
  try {
    learn(key, coverage);
    jobs.remove(key);
  } catch {
    jobs.giveUp(key);
  }
}
if (toPush.startsWith('{')) {
  await push({ ...JSON.parse(toPush), url: process.env[SETTINGS.remote.variable] }, cache, engine).catch(() => {});
}
const [maxSize = 0, maxFiles = 0] = limits.split(' ').map(Number);
if (maxSize > 0) await sweep(directory, { maxSize, maxFiles });

function parseKey(text: string): ModuleHash[] {
  try {
    return [ModuleHash.parseHex(text)];
  } catch {
    return [];
  }
}

function learn(key: ModuleHash, coverage: 'hot' | 'full'): void {
  if (engine.deterministicId !== engineId)
    throw new Error(`This process is the engine ${engine.deterministicId}, expected ${engineId}`);
  const { part, wireLength } = jobs.read(key);
  if (part.length * MEMORY_PER_BYTE > process.availableMemory()) throw new Error('Not enough memory');

  let stored: ReturnType<FileSystemCache['readArtifactSync']> | undefined;
  try {
    stored = cache.readArtifactSync(key, engine, wireLength);
  } catch (error) {
    if (!CacheError.is(error, 'NotFound')) throw error;
  }
  const entry = { key, engineId };
  const quarantine = stored && cache.quarantineOf(entry);
  if (stored && quarantine) {
    tryOut(stored, quarantine, part);
    return;
  }
  const nativeCode = optimiseAheadOfTime(part, stored?.coverage === 'none' ? undefined : stored?.nativeCode, coverage);
  engine.deserialize(nativeCode, part); // Bad native code fails here first.
  cache.writeArtifactSync({
    key,
    engineId,
    coverage,
    generation: 0,
    final: coverage === 'full',
    hasLearnerCode: true,
    optimisedFor: stored?.optimisedFor ?? 0,
    bypassedUntil: 0,
    nativeCode,
    wireBytes: undefined,
    wireLength,
  });
}

/** Tries an artifact whose last load did not finish. This process may die of it. */
function tryOut(stored: Artifact, quarantine: Quarantine, part: Uint8Array): void {
  const guard = cache.guardOf(stored);
  if (quarantine.deaths < MAX_DEATHS) {
    try {
      guard.tryOut(quarantine, () => engine.deserialize(stored.nativeCode, part));
    } catch (error) {
      if (!CacheError.is(error, 'Deserialize')) throw error;
      cache.deleteSync(stored.key, engine); // V8 refuses it without a crash, so a new one will be made.
      guard.clear();
    }
    return;
  }
  const minutes = Math.ceil(Date.now() / 60_000) + BYPASSED_AFTER_DEATHS;
  cache.bypassSync({ ...stored, nativeLength: 0, includesWireBytes: false, final: false }, minutes);
  guard.clear();
}
