import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { LearningJobs } from '../../learning/jobs.js';
import { ModuleHash } from '../../module-hash.js';
import type { Context } from '../context.js';
import { type Entry, readContents } from '../folder/entries.js';
import { StatusLine } from '../terminal/progress.js';
import { hookedEnvironment, preload } from './hooked-environment.js';
import { ProcessReports } from './process-reports.js';
import { type CommandRun, runCommand } from './run-command.js';
import type { WatchedLoad } from './watch-loads.js';

/** Milliseconds. A learner ends itself after five minutes. */
const LONGEST_LEARNING = 310_000;
const POLL_INTERVAL = 50;

/**
 * How far the training is after a run.
 *
 * - `final`: nothing is left to learn about any module of the command.
 * - `settled`: the run improved nothing.
 * - `no-modules`: the command has asked the hook for no module yet.
 * - `improved`: another run may improve more.
 */
type TrainingState = 'final' | 'settled' | 'no-modules' | 'improved';

/** One run of a command with the hook, and what was learnt from it. */
export interface TrainingRun extends CommandRun {
  state: TrainingState;
  /** The modules that it asked for, each once. */
  loads: WatchedLoad[];
  /** How long the learners worked after it. */
  learningMilliseconds: number;
  /** Keys of modules that a learner failed to optimise. They are not tried again for a while. */
  givenUp: string[];
  /** The artifacts before the run: for the first run all of the folder, later those of the command's modules. */
  before: Entry[];
  /** The artifacts of the command's modules after the run. */
  artifacts: Entry[];
}

export interface TrainingOptions {
  context: Context;
  command: string[];
  /** The command's environment, to which the hook is added. */
  env: NodeJS.ProcessEnv;
  /** The cache folder. */
  directory: string;
  /** A private folder for what the runs print and report. */
  folder: string;
  /** Milliseconds after which each run is ended. */
  stopAfter?: number | undefined;
  maxRuns: number;
}

/** Runs a command again and again, until its state is not `improved`, or `maxRuns` is reached. Shows on the terminal what it does. */
export async function* trainingRuns(options: TrainingOptions): AsyncGenerator<TrainingRun, void, void> {
  const { context, command, env, directory, folder, stopAfter, maxRuns } = options;
  const reports = new ProcessReports<WatchedLoad>(path.join(folder, 'loads'));
  const preloads = [
    reports.preload('processes/watch-loads.js'),
    ...(stopAfter === undefined ? [] : [preload('processes/save-before-end.js')]),
  ];
  const hooked = hookedEnvironment(env, { directory, learn: 'hot', preloads });
  const stored = async () => (await readContents(directory, context.engineId)).entries;
  const used = new Map<string, WatchedLoad>();
  const status = new StatusLine();
  let before = await stored();
  try {
    for (let number = 1; number <= maxRuns; number++) {
      status.show(`run ${number} of at most ${maxRuns} ...`);
      const run = await runCommand(command, { env: hooked, folder, stopAfter });
      const loads = firstOfEach(reports.take());
      for (const [name, load] of loads) used.set(name, load);
      const start = performance.now();
      const keys = new Set([...used.values()].map(({ key }) => key));
      const givenUp = await waitForLearners(directory, keys, (shown) => {
        status.show(`run ${number}: learning ${shown.map((key) => key.slice(0, 12)).join(', ')} ...`);
      });
      const learningMilliseconds = performance.now() - start;
      const artifacts = (await stored()).filter(({ key, engine }) => used.has(`${engine.id}/${key}`));
      status.clear();
      const state = stateAfter(before, artifacts, used.size);
      yield { ...run, state, loads: [...loads.values()], learningMilliseconds, givenUp, before, artifacts };
      if (state !== 'improved') return;
      before = artifacts;
    }
  } finally {
    status.clear();
  }
}

/** The artifacts that are new, or differ from those before. */
export function changed(before: Entry[], after: Entry[]): Entry[] {
  const known = new Map(before.map((entry) => [entry.file, entry]));
  return after.filter((entry) => {
    const old = known.get(entry.file);
    return old?.size !== entry.size || old.generation !== entry.generation || old.final !== entry.final;
  });
}

function stateAfter(before: Entry[], artifacts: Entry[], modules: number): TrainingState {
  if (modules === 0) return 'no-modules';
  if (artifacts.length > 0 && artifacts.every(({ final }) => final)) return 'final';
  return changed(before, artifacts).length > 0 ? 'improved' : 'settled';
}

/** @returns the keys of modules that were given up */
async function waitForLearners(
  directory: string,
  keys: ReadonlySet<string>,
  onWaiting: (keys: string[]) => void,
): Promise<string[]> {
  const jobs = new LearningJobs(directory);
  const hashes = [...keys].map((key) => ModuleHash.parseHex(key));
  const deadline = performance.now() + LONGEST_LEARNING;
  for (;;) {
    const underWay = hashes.filter((hash) => jobs.isUnderWay(hash));
    if (underWay.length === 0) return hashes.filter((hash) => jobs.isGivenUp(hash)).map(String);
    if (performance.now() > deadline) return underWay.map(String);
    onWaiting(underWay.map(String));
    await setTimeout(POLL_INTERVAL);
  }
}

/** By engine and key. When a run asks for a module twice, the first answer tells what was stored before. */
function firstOfEach(loads: WatchedLoad[]): Map<string, WatchedLoad> {
  const byName = new Map<string, WatchedLoad>();
  for (const load of loads) {
    const name = `${load.engine}/${load.key}`;
    if (!byName.has(name)) byName.set(name, load);
  }
  return byName;
}
