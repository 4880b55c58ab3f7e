import type { Command } from '../command.js';
import { type Context, checkTrust } from '../context.js';
import { ExitCode, UsageError } from '../exit-codes.js';
import { type Entry, engineName } from '../folder/entries.js';
import { readModuleNames } from '../folder/module-names.js';
import { failureOf } from '../processes/run-command.js';
import { withTemporaryFolder } from '../processes/temporary-folder.js';
import { checkStores, hasChanged, Training, type TrainingRun } from '../processes/training.js';
import { type Colors, type Column, count, formatDuration, formatSize, table } from '../terminal/output.js';
import { StatusLine } from '../terminal/progress.js';
import { coverageOf } from './ls.js';

export interface TrainOptions {
  /** The most runs. */
  runs: number;
  /** Milliseconds after which a run is ended. */
  stopAfter?: number;
  keepGoing?: boolean;
}

export interface TrainDocument {
  directory: string;
  command: string[];
  runs: TrainDocumentRun[];
  /**
   * - `final`: there is nothing left to learn of any of its modules.
   * - `settled`: the last run improved nothing.
   * - `runs-used-up`: the last run still improved something.
   * - `no-modules`: it asked the hook for none.
   */
  outcome: 'final' | 'settled' | 'runs-used-up' | 'no-modules';
  /** Of the modules that it used, also where they were final before. */
  artifacts: TrainedArtifact[];
}

export interface TrainDocumentRun {
  milliseconds: number;
  exitCode: number | null;
  signal: string | null;
  /** Whether it was ended after the time given by `--stop-after`. */
  stopped: boolean;
  modules: number;
  /** Those of them that came from the cache. */
  hits: number;
  learningMilliseconds: number;
  /** Keys of modules that could not be learnt, and are not for ten minutes. */
  givenUp: string[];
}

export interface TrainedArtifact {
  /** Which package, else which file, called WebAssembly; `null` where the folder's statistics do not tell. */
  name: string | null;
  /** What was stored before, if anything was. */
  before: Entry | null;
  after: Entry;
}

export const command: Command<TrainOptions, TrainDocument> = {
  async run(context, options, command) {
    checkTrust(context);
    checkStores(context);
    if (command.length === 0)
      throw new UsageError('Give the command that is to be trained: wasm-cache train -- <command>');
    return withTemporaryFolder((folder) => train(context, options, command, folder));
  },

  render(document, colors) {
    const { runs, outcome, artifacts } = document;
    const [first, last] = [runs[0], runs.at(-1)] as [TrainDocumentRun, TrainDocumentRun];
    const lines = [outcome === 'settled' && artifacts.length === 0 ? NOTHING_STORED : OUTCOMES[outcome]];
    if (artifacts.length > 0) lines.unshift(table(columns(colors), artifacts, colors), '');
    if (runs.length > 1 && !last.stopped) {
      const times = `${formatDuration(first.milliseconds)}, the last one, run ${runs.length}, ${formatDuration(last.milliseconds)}`;
      lines.push(`The first run took ${times}.`);
    }
    const givenUp = new Set(runs.flatMap((run) => run.givenUp));
    if (givenUp.size > 0) {
      const keys = [...givenUp].map((key) => key.slice(0, 12)).join(', ');
      lines.push(colors.yellow(`Not learnt, and not tried again for ten minutes: ${keys}.`));
    }
    return lines.join('\n');
  },

  exitCode: ({ runs, artifacts }) => {
    const hasFailed = runs.some(({ stopped, exitCode }) => !stopped && exitCode !== 0);
    return artifacts.length === 0 || hasFailed ? ExitCode.finding : ExitCode.ok;
  },
};

const OUTCOMES: Record<TrainDocument['outcome'], string> = {
  final: 'All artifacts are final: nothing is left to learn.',
  settled: 'The last run improved nothing.',
  'runs-used-up': 'The last run still improved something: train it again, or with more --runs.',
  'no-modules':
    'It compiled no module of the size that the cache cares for (WASM_CACHE_MIN_MODULE_SIZE, 64 KiB), or in a Node that is not supported ' +
    '(wasm-cache doctor).',
};

const NOTHING_STORED =
  'Nothing is stored of its modules: nothing could be learnt, or its processes were killed before they could save anything.';

async function train(
  context: Context,
  { runs: maxRuns, stopAfter, keepGoing = false }: TrainOptions,
  command: string[],
  folder: string,
): Promise<TrainDocument> {
  const { directory, errorColors } = context;
  const status = new StatusLine();
  let runNumber = 0;
  const onLearning = (keys: string[]) => status.show(`run ${runNumber}: learning ${keys.map(short).join(', ')} ...`);
  const training = new Training({ command, env: process.env, directory, folder, stopAfter, onLearning });
  const stored = await training.stored();
  const runs: TrainDocumentRun[] = [];
  let artifacts: Entry[] = [];
  let outcome: TrainDocument['outcome'] = 'runs-used-up';
  while (runs.length < maxRuns && outcome === 'runs-used-up') {
    runNumber = runs.length + 1;
    status.show(`run ${runNumber} of at most ${maxRuns} ...`);
    const run = await training.run();
    status.clear();
    const before = runs.length === 0 ? stored : artifacts;
    const failure = failureOf(run);
    if (failure !== undefined) {
      const printed = run.lastLines === '' ? '' : `; it printed:\n${run.lastLines}`;
      const message = `Run ${runNumber} of ${command.join(' ')} ${failure}`;
      if (!keepGoing) throw new Error(`${message} (--keep-going trains all the same)${printed}`);
      context.warn(message);
    }
    ({ artifacts } = run);
    runs.push(documentOf(run));
    context.note(errorColors.dim(lineOf(runNumber, run, before)));
    if (artifacts.length > 0 && artifacts.every(({ final }) => final)) outcome = 'final';
    else if (runs.every(({ modules }) => modules === 0)) outcome = 'no-modules';
    else if (!hasChanged(before, artifacts)) outcome = 'settled';
  }
  const known = new Map(stored.map((entry) => [entry.file, entry]));
  const nameOf = await readModuleNames(directory);
  const trained = artifacts.map((after) => ({
    name: nameOf(after.key),
    before: known.get(after.file) ?? null,
    after,
  }));
  return { directory, command, runs, outcome, artifacts: trained };
}

function documentOf(run: TrainingRun): TrainDocumentRun {
  const { milliseconds, exitCode, signal, isStopped: stopped, loads, learningMilliseconds, givenUp } = run;
  const hits = loads.filter(({ hit }) => hit).length;
  return { milliseconds, exitCode, signal, stopped, modules: loads.length, hits, learningMilliseconds, givenUp };
}

function lineOf(number: number, run: TrainingRun, before: Entry[]): string {
  const { milliseconds, isStopped, loads, learningMilliseconds, artifacts } = run;
  const hits = loads.filter(({ hit }) => hit).length;
  const known = new Map(before.map((entry) => [entry.file, entry]));
  const changed = artifacts.filter((entry) => hasChanged(before, [entry]));
  const steps = changed.map((entry) => {
    const from = known.get(entry.file);
    return `${short(entry.key)} ${from ? `${formatSize(from.size)} to ` : ''}${formatSize(entry.size)}${entry.final ? ', final' : ''}`;
  });
  const stored = changed.length > 0 ? `; stored ${steps.join(', ')}` : '';
  const learning = learningMilliseconds >= 10 ? `; learnt for ${formatDuration(learningMilliseconds)}` : '';
  const time = `${isStopped ? 'stopped after ' : ''}${formatDuration(milliseconds)}`;
  return `run ${number}: ${time}, ${count(loads.length, 'module')}, ${hits} from the cache${learning}${stored}`;
}

function columns(colors: Colors): Column<TrainedArtifact>[] {
  const before = (value: (entry: Entry) => string) => (artifact: TrainedArtifact) =>
    artifact.before ? value(artifact.before) : '-';
  return [
    { title: 'KEY', value: ({ after }) => short(after.key) },
    { title: 'NAME', value: ({ name }) => name ?? '?' },
    { title: 'MODULE', align: 'right', value: ({ after }) => formatSize(after.moduleSize ?? 0) },
    { title: 'SIZE BEFORE', align: 'right', value: before(({ size }) => formatSize(size)) },
    { title: 'AFTER', align: 'right', value: ({ after }) => formatSize(after.size) },
    { title: 'COVERAGE BEFORE', value: before((entry) => coverageOf(entry, colors)) },
    { title: 'AFTER', value: ({ after }) => coverageOf(after, colors) },
    { title: 'GEN', align: 'right', value: ({ after }) => String(after.generation ?? '?') },
    { title: 'ENGINE', value: ({ after }) => engineName(after.engine) },
  ];
}

function short(key: string): string {
  return key.slice(0, 12);
}
