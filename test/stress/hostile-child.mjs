// Uses everything that reads or writes a cache folder, each time that its parent says so, and reports what went wrong. Native code that was
// not made here must never reach the engine.
import path from 'node:path';
import { CrashGuard } from '../../dist/caches/crash-guard.js';
import { entryName } from '../../dist/caches/entry-name.js';
import { sweep } from '../../dist/caches/sweep.js';
import { FileSystemCache, FileSystemStore, HashedModuleData, verifyCache } from '../../dist/index.js';
import { LearningJobs } from '../../dist/learning/jobs.js';
import { readVerdict } from '../../dist/probe/verdict.js';
import { DayFiles } from '../../dist/statistics/day-files.js';
import { readStatistics } from '../../dist/statistics/read.js';
import { ProgramRecord } from '../../dist/stores/program-record.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { paddedModule } from './modules.mjs';

const [directory, ...offsets] = process.argv.slice(2);
const EVIL = Buffer.from('EVIL');

class Boundary extends FakeEngine {
  foreign = 0;

  deserialize(nativeCode, wireBytes) {
    if (Buffer.from(nativeCode).includes(EVIL)) this.foreign++;
    return super.deserialize(nativeCode, wireBytes);
  }
}

const engine = new Boundary();
const modules = offsets.map((offset) => HashedModuleData.sha256(paddedModule(Number(offset), 1000)));

/** Errors are what a cache may answer here. What counts is what reached the engine, what was written where, and how long it took. */
async function attempt(action) {
  const start = performance.now();
  try {
    await action();
  } catch {}
  const ms = performance.now() - start;
  if (ms > slowest.ms) slowest = { ms, action: String(action) };
}
let slowest = { ms: 0 };

async function useFolder() {
  const cache = new FileSystemCache(directory);
  const jobs = new LearningJobs(directory);
  for (const { hash, wireBytes } of modules) {
    await attempt(() => cache.load(hash, engine));
    await attempt(() => cache.loadSync(hash, engine, { wireBytes }));
    await attempt(() => cache.contains(hash, engine));
    await attempt(() => cache.saveSync(hash, engine, engine.compileSync(wireBytes)));
    await attempt(() =>
      new CrashGuard(path.join(directory, entryName({ key: hash, engineId: engine.deterministicId }))).suspect(),
    );
    await attempt(() =>
      jobs.add(hash, {
        engineId: engine.deterministicId,
        coverage: 'hot',
        wireLength: wireBytes.length,
        part: wireBytes,
      }),
    );
    await attempt(() => jobs.read(hash));
    await attempt(() => jobs.giveUp(hash));
    await attempt(() => jobs.remove(hash));
  }
  await attempt(() => new DayFiles(directory, false).append('1 - 1 1 1 1 1 1 1 1 -\n'));
  await attempt(() => readStatistics(directory));
  const record = new ProgramRecord('programs/app_main.js.json', directory, false);
  await attempt(() => record.note(modules.map(({ hash }) => String(hash))));
  await attempt(() => readVerdict(cache, 'subject'));
  const shared = new FileSystemStore(directory, { isShared: true });
  await attempt(() => shared.get('programs/app_main.js.json', { maxSize: 1e6 }));
  await attempt(() => sweep(directory, { maxSize: 1e6, maxFiles: 50 }));
  await attempt(() => verifyCache(directory, { dryRun: true }));
}

process.removeAllListeners('warning');
process.on('message', async () => {
  engine.foreign = 0;
  slowest = { ms: 0 };
  const start = performance.now();
  await useFolder();
  const ms = performance.now() - start;
  process.send({ ms, slowest, foreign: engine.foreign, rss: process.resourceUsage().maxRSS / 1000 });
});
process.send('ready');
