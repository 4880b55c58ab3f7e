// The program of the learner: node learner.js <cache folder> <"<bytes> <files>" to sweep it to, or "no sweep"> <engine id>
// <coverage: hot or full> <priority: usual or lowest> <what to put into the store of WASM_CACHE_REMOTE, as JSON, or "no push"> <key>...
// It optimises what the programs before it ran, in a process of its own, so that neither V8's flags nor the time that it takes
// are a program's concern. Nobody reads its output, and a crash in it breaks nobody.
import type { Artifact } from '../artifact/artifact.js';
import { CacheError } from '../cache-error.js';
import { BYPASSED_AFTER_DEATHS, MAX_DEATHS, type Suspect } from '../caches/crash-guard.js';
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

/** The largest modules known (30 MB of wire bytes) take half a minute on a busy machine when all of them ran. */
const MAX_SECONDS = 300;
/**
 * Milliseconds of processor time at the priority of the program that started this; all others come first after that. Most
 * modules need less (sql.js 400, esbuild 5,000). With the lowest priority from the start, programs that keep both cores of a
 * machine busy stay slow for dozens of runs: docs/performance.md.
 */
const USUAL_PRIORITY_FOR = 10_000;
/** V8 needs many times the size of code to optimise it; a program that needs the memory comes first. */
const MEMORY_PER_BYTE = 20;

const [directory = '', limits = '', engineId = '', coverage, priority, toPush = '', ...keys] = process.argv.slice(2);
takeVerdict({ isUsable: true }); // Or whoever started this would not use V8.
if (coverage !== 'hot' && coverage !== 'full') throw new Error(`The coverage must be hot or full, not ${coverage}`);
const engine = new V8Engine();
const cache = new FileSystemCache(directory, { wireBytes: 'omit', secret: secretsIn(process.env) });
const jobs = new LearningJobs(directory, cache.signer);

const { addon } = loadAddon();
addon?.endAfter(MAX_SECONDS);
addon?.yieldAfter(priority === 'usual' ? USUAL_PRIORITY_FOR : 0);
// What is wrong with one of them does not concern the others.
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
  if (engine.deterministicId !== engineId) throw new Error(`This is ${engine.deterministicId}, expected ${engineId}`);
  const { part, wireLength } = jobs.read(key);
  if (part.length * MEMORY_PER_BYTE > process.availableMemory()) throw new Error('Not enough memory');

  let stored: ReturnType<FileSystemCache['readArtifactSync']> | undefined;
  try {
    stored = cache.readArtifactSync(key, engine, wireLength);
  } catch (error) {
    if (!CacheError.is(error, 'NotFound')) throw error;
  }
  const entry = { key, engineId };
  const suspect = stored && cache.suspect(entry);
  if (stored && suspect) {
    tryOut(stored, suspect, part);
    return;
  }
  const nativeCode = optimiseAheadOfTime(part, stored?.coverage === 'none' ? undefined : stored?.nativeCode, coverage);
  engine.deserialize(nativeCode, part); // Whatever is wrong with it shows here first.
  cache.writeArtifactSync({
    key,
    engineId,
    coverage,
    generation: 0,
    final: coverage === 'full',
    bypassedUntil: 0,
    nativeCode,
    wireBytes: undefined,
    wireLength,
  });
}

/** An artifact whose last load did not finish: whoever loads it may die of it, and this process may. */
function tryOut(stored: Artifact, suspect: Suspect, part: Uint8Array): void {
  const guard = cache.guardOf(stored);
  if (suspect.deaths < MAX_DEATHS) {
    try {
      guard.tryOut(suspect, () => engine.deserialize(stored.nativeCode, part));
    } catch (error) {
      if (!CacheError.is(error, 'Deserialize')) throw error;
      cache.deleteSync(stored.key, engine); // V8 refuses it, which is no death: another one will be made.
      guard.clear();
    }
    return;
  }
  const minutes = Math.ceil(Date.now() / 60_000) + BYPASSED_AFTER_DEATHS;
  cache.bypassSync({ ...stored, nativeLength: 0, includesWireBytes: false, final: false }, minutes);
  guard.clear();
}
