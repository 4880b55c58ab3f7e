import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ModuleHash } from '../../dist/index.js';
import { dayOf, MAX_DAY_SIZE } from '../../dist/statistics/day-files.js';
import { decodeLines, type ModuleCounts } from '../../dist/statistics/lines.js';
import { type LookedUp, openStatistics, type StatisticsOptions } from '../../dist/statistics/statistics.js';
import { filesIn, statisticsIn, temporaryDirectory } from '../support/processes.js';

const onPosix = { skip: process.platform === 'win32' };
const module = {} as WebAssembly.Module;

function setUp(options: Partial<StatisticsOptions> = {}) {
  const directory = path.join(temporaryDirectory(), 'cache');
  const usual = { mode: 'read-write', directory, secrets: undefined, statistics: true, runFile: undefined } as const;
  const today = path.join(directory, 'statistics', String(dayOf(Date.now())));
  const lines = () => statisticsIn(directory);
  let waits = 0;
  const statistics = openStatistics({ ...usual, ...options }, () => waits++);
  return { directory, today, lines, statistics, waits: () => waits };
}

/** A module from the folder; the second time it is alive in its thread. */
function hit(key = ModuleHash.random()): LookedUp {
  return { key, wireLength: 1000, module, stored: { length: 500 }, recorded: { key, analysis: undefined } };
}

function miss(key?: ModuleHash): LookedUp {
  return { key, wireLength: 1000, module: undefined, stored: { length: 0 }, recorded: undefined };
}

/** So long that any number of lines may be written. */
const LONG = 60_000;

const pick = ({ restored, alive, misses }: ModuleCounts) => [restored, alive, misses];

describe('Statistics', () => {
  it('are written at once for the first hits, because the process may do nothing at its exit', () => {
    const { statistics, lines, directory, today } = setUp();
    const lookup = hit();
    statistics?.count(lookup, 12.5, 'sql.js');
    const key = String(lookup.key).slice(0, 16);
    const none = { restored: 1, alive: 0, misses: 0, missTime: 0, compileTime: 0 };
    const expected = { key, name: 'sql.js', wireLength: 1000, nativeLength: 500, ...none };
    assert.deepEqual(lines(), [{ ...expected, hitTime: 12.5 }]);
    if (onPosix.skip) return;
    for (const folder of [directory, path.dirname(today)]) assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.equal(statSync(today).mode & 0o777, 0o600);
  });

  it('count live and restored modules separately', () => {
    const { statistics, lines } = setUp();
    const lookup = hit();
    for (let i = 0; i < 3; i++) statistics?.count(lookup, LONG);
    assert.deepEqual(lines().map(pick), [
      [1, 0, 0],
      [0, 1, 0],
      [0, 1, 0],
    ]);
  });

  it('wait for the key of a miss, and contain the time that V8 took', async () => {
    const { statistics, lines } = setUp();
    const lookup = miss();
    const recorded = { key: undefined as ModuleHash | undefined, analysis: {} };
    statistics?.count(lookup, LONG);
    await sleep(20);
    statistics?.compiled(lookup, recorded);
    assert.deepEqual(lines(), []);
    recorded.key = ModuleHash.random();
    statistics?.flush();
    const [line = assert.fail()] = lines();
    assert.deepEqual([line.key, line.name], [String(recorded.key).slice(0, 16), 'statistics/statistics.test.js']);
    assert.ok(line.compileTime >= 19 && line.compileTime < 60_000, String(line.compileTime));
    statistics?.count({ ...hit(recorded.key), recorded }, LONG);
    assert.deepEqual(lines().map(pick), [
      [0, 0, 1],
      [0, 1, 0],
    ]);
  });

  it('of a program that keeps running are written after a while', async () => {
    const { statistics, lines } = setUp();
    const lookup = miss();
    const recorded = { key: undefined as ModuleHash | undefined, analysis: {} };
    statistics?.count(lookup, LONG);
    statistics?.compiled(lookup, recorded);
    await sleep(1700);
    assert.deepEqual(lines(), [], 'the key is not known');
    recorded.key = ModuleHash.random();
    await sleep(1700);
    assert.deepEqual(lines().map(pick), [[0, 0, 1]]);
  });

  it('are written in few lines if hits are many and short', () => {
    const { statistics, lines, waits } = setUp();
    const recorded = [hit(), hit(), hit()];
    for (let i = 0; i < 3000; i++) statistics?.count(recorded[i % 3] as LookedUp, 0.001);
    assert.ok(lines().length < 600, String(lines().length));
    assert.equal(waits(), 1, 'for the exit');
    statistics?.flush();
    const [restored = 0, alive = 0] = lines()
      .map(pick)
      .reduce((sum, each) => sum.map((count, index) => count + (each[index] as number)), [0, 0, 0]);
    assert.deepEqual([restored, alive], [3, 2997]);
  });

  it('are whole lines, also from several processes at once', () => {
    const { directory, lines } = setUp();
    const program = path.join(temporaryDirectory(), 'count.mjs');
    writeFileSync(
      program,
      `import { openStatistics } from ${JSON.stringify(new URL('../../dist/statistics/statistics.js', import.meta.url))};
       import { ModuleHash } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url))};
       const statistics = openStatistics({ mode: 'read-write', directory: process.argv[2], statistics: true }, () => {});
       for (let i = 0; i < 200; i++) {
         const recorded = { key: ModuleHash.random() };
         statistics.count({ ...recorded, wireLength: 1000, module: {}, stored: { length: 500 }, recorded }, 1);
         statistics.flush();
       }`,
    );
    const one = `${JSON.stringify(process.execPath)} ${JSON.stringify(program)} ${JSON.stringify(directory)}`;
    execFileSync('sh', ['-c', `${`${one} & `.repeat(4)} wait`]);
    const all = lines();
    assert.deepEqual([all.length, new Set(all.map(({ key }) => key)).size], [800, 800]);
  });

  it('are limited per day', () => {
    const { statistics, today } = setUp();
    mkdirSync(path.dirname(today), { recursive: true });
    writeFileSync(today, Buffer.alloc(MAX_DAY_SIZE - 30));
    statistics?.count(hit(), LONG);
    assert.equal(statSync(today).size, MAX_DAY_SIZE - 30);
  });

  it('are removed after 35 days, when a new day begins', () => {
    const { statistics, today } = setUp();
    const folder = path.dirname(today);
    mkdirSync(folder, { recursive: true });
    const names = [34, 36, 400].map((age) => String(dayOf(Date.now()) - age));
    for (const name of [...names, 'notes']) writeFileSync(path.join(folder, name), '');
    statistics?.count(hit(), LONG);
    statistics?.count(hit(), LONG);
    assert.deepEqual(readdirSync(folder).sort(), [names[0], path.basename(today), 'notes']);
  });

  it('are also written to the existing file of a run', () => {
    const runFile = path.join(temporaryDirectory(), 'run');
    const both = setUp({ runFile });
    both.statistics?.count(hit(), LONG);
    assert.equal(existsSync(runFile), false);
    assert.equal(both.lines().length, 1, 'that the run is over is no reason not to count');
    writeFileSync(runFile, '');
    for (const options of [{}, { statistics: false }, { mode: 'read-only' }] as const) {
      const { statistics, directory } = setUp({ runFile, ...options });
      const lookup = miss();
      for (let i = 0; i < 50; i++) statistics?.count(hit(), 0.001);
      statistics?.count(lookup, LONG);
      statistics?.compiled(lookup, { key: undefined, analysis: undefined });
      assert.equal(decodeLines(readFileSync(runFile, 'utf8')).length, 51, 'each at once, whatever that takes');
      writeFileSync(runFile, '');
      assert.equal(existsSync(directory), Object.keys(options).length === 0);
    }
  });

  it('are not kept if they are off or the mode is read-only', () => {
    assert.equal(setUp({ statistics: false }).statistics, undefined);
    assert.equal(setUp({ mode: 'read-only' }).statistics, undefined);
  });

  it('stop without an error if they cannot be written', () => {
    const { statistics, directory } = setUp();
    mkdirSync(directory);
    writeFileSync(path.join(directory, 'statistics'), '');
    for (let i = 0; i < 3; i++) statistics?.count(hit(), LONG);
    statistics?.flush();
    assert.deepEqual(filesIn(directory), [path.join(directory, 'statistics')]);
  });

  describe('in a folder that others may write to', onPosix, () => {
    const secrets = ['a-secret-of-many-letters'];
    const attacks: [what: string, plant: (today: string, victim: string) => void][] = [
      ['a symbolic link to a file elsewhere', (today, victim) => symlinkSync(victim, today)],
      ['a second name of a file elsewhere', (today, victim) => linkSync(victim, today)],
      ['a pipe that nobody reads', (today) => execFileSync('mkfifo', [today])],
    ];
    for (const [what, plant] of attacks) {
      it(`do not follow ${what}`, () => {
        const { statistics, today } = setUp({ secrets });
        const victim = path.join(temporaryDirectory(), 'victim');
        writeFileSync(victim, '');
        mkdirSync(path.dirname(today), { recursive: true });
        plant(today, victim);
        statistics?.count(hit(), LONG);
        assert.equal(readFileSync(victim, 'utf8'), '');
      });
    }
  });
});
