import { setTimeout } from 'node:timers/promises';
import { V8Engine } from '../../engine/v8-engine.js';
import { LearningJobs } from '../../learning/jobs.js';
import { ModuleHash } from '../../module-hash.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit-codes.js';
import { type Entry, readContents } from '../folder/entries.js';
import { hookedEnvironment, preload } from './hooked-environment.js';
import { type CommandRun, runCommand } from './run-command.js';
import { type WatchedLoad, WatchedLoads } from './watched-loads.js';

/** A learner that is not done after five minutes ends itself. */
const LONGEST_LEARNING = 310_000;
const POLL_INTERVAL = 50;

/** One run of a command in learning mode, and what came of it. */
export interface TrainingRun extends CommandRun {
  /** The modules that it asked for, each once. */
  loads: WatchedLoad[];
  /** Milliseconds that the learners took after it. */
  learningMilliseconds: number;
  /** Modules that are not learnt for now, because a learner failed to. */
  givenUp: string[];
  /** What is stored of its modules then. */
  artifacts: Entry[];
}

export interface TrainingOptions {
  command: string[];
  /** Its environment, to which the hook is added. */
  env: NodeJS.ProcessEnv;
  /** The cache folder. */
  directory: string;
  /** A private folder for what the runs write besides. */
  folder: string;
  stopAfter?: number | undefined;
  /** Told of keys while they are being learnt. */
  onLearning?: ((keys: string[]) => void) | undefined;
}

/** Runs a command again and again, each time with what was learnt of it by then. */
export class Training {
  readonly #options: TrainingOptions;
  readonly #loads: WatchedLoads;
  readonly #jobs: LearningJobs;
  readonly #engine = new V8Engine().deterministicId;
  readonly #used = new Map<string, WatchedLoad>();

  constructor(options: TrainingOptions) {
    this.#options = options;
    this.#loads = new WatchedLoads(options.folder);
    this.#jobs = new LearningJobs(options.directory);
  }

  /** Waits for the learners, too. */
  async run(): Promise<TrainingRun> {
    const { command, directory, folder, stopAfter } = this.#options;
    const preloads = [
      this.#loads.preload(),
      ...(stopAfter === undefined ? [] : [preload('processes/save-before-end.js')]),
    ];
    const env = hookedEnvironment(this.#options.env, { directory, learn: 'hot', preloads });
    const run = await runCommand(command, { env, folder, stopAfter });
    const loads = unique(this.#loads.take());
    for (const [name, load] of loads) this.#used.set(name, load);
    const start = performance.now();
    const givenUp = await this.#learnersAreDone();
    const learningMilliseconds = performance.now() - start;
    const artifacts = this.ofProgram(await this.stored());
    return { ...run, loads: [...loads.values()], learningMilliseconds, givenUp, artifacts };
  }

  /** What is stored, of whatever program. */
  async stored(): Promise<Entry[]> {
    return (await readContents(this.#options.directory, this.#engine)).entries;
  }

  /** Of some artifacts those of the modules that the runs so far have used. */
  ofProgram(entries: Entry[]): Entry[] {
    return entries.filter(({ key, engine }) => this.#used.has(`${engine.id}/${key}`));
  }

  /** @returns the modules that were given up. */
  async #learnersAreDone(): Promise<string[]> {
    const keys = [...new Set([...this.#used.values()].map(({ key }) => key))];
    const hashes = keys.map((key) => ModuleHash.parseHex(key));
    const deadline = performance.now() + LONGEST_LEARNING;
    for (;;) {
      const underWay = hashes.filter((hash) => this.#jobs.isUnderWay(hash));
      if (underWay.length === 0) return hashes.filter((hash) => this.#jobs.isGivenUp(hash)).map(String);
      if (performance.now() > deadline) return underWay.map(String);
      this.#options.onLearning?.(underWay.map(String));
      await setTimeout(POLL_INTERVAL);
    }
  }
}

/** Whether one of them tells anything new about what there was before. */
export function hasChanged(before: Entry[], after: Entry[]): boolean {
  const known = new Map(before.map((entry) => [entry.file, entry]));
  return after.some((entry) => {
    const old = known.get(entry.file);
    return old?.size !== entry.size || old.generation !== entry.generation || old.final !== entry.final;
  });
}

/** @throws {UsageError} where the environment says that nothing is to be stored. */
export function checkStores({ settings: { mode, sources } }: Context): void {
  if (mode !== 'read-write') throw new UsageError(`Nothing is stored here, because of ${sources.mode}: unset it`);
}

function unique(loads: WatchedLoad[]): Map<string, WatchedLoad> {
  const byName = new Map<string, WatchedLoad>();
  for (const load of loads) {
    const name = `${load.engine}/${load.key}`;
    // Of a module that a process asks for twice the first answer tells what there was.
    if (!byName.has(name)) byName.set(name, load);
  }
  return byName;
}
