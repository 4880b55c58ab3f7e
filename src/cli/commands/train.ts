import type { Command } from '../command.js';
import { type Context, checkMayStore, checkTrust } from '../context.js';
import { ExitCode, UsageError } from '../exit-codes.js';
import { coverageOf, type Entry, engineName } from '../folder/entries.js';
import { readModuleNames } from '../folder/statistics.js';
import { withTemporaryFolder } from '../processes/cleanup.js';
import { checkRun, commandOf, failureOf } from '../processes/run-command.js';
import { changed, type TrainingRun, trainingRuns } from '../processes/training.js';
import { type Colors, type Column, count, formatDuration, formatSize, table } from '../terminal/output.js';

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
   * - `final`: nothing is left to learn about any of its modules.
   * - `settled`: the last run improved nothing.
   * - `runs-used-up`: the last run still improved something.
   * - `no-modules`: it asked the hook for no module.
   */
  outcome: 'final' | 'settled' | 'runs-used-up' | 'no-modules';
  /** Of all modules that it used, also those that were final before. */
  artifacts: TrainedArtifact[];
}

export interface TrainDocumentRun {
  milliseconds: number;
  exitCode: number | null;
  signal: string | null;
  /** Whether `--stop-after` ended it. */
  stopped: boolean;
  modules: number;
  /** How many of them came from the cache. */
  hits: number;
  learningMilliseconds: number;
  /** Keys of modules that could not be optimised. They are not tried again for ten minutes. */
  givenUp: string[];
}

export interface TrainedArtifact {
  /** The package that called WebAssembly, or else the file; `null` when the folder's statistics do not have it. */
  name: string | null;
  /** What was stored before; `null` for nothing. */
  before: Entry | null;
  after: Entry;
}

export const command: Command<TrainOptions, TrainDocument> = {
  async run(context, options, command) {
    checkTrust(context);
    checkMayStore(context);
    if (command.length === 0) throw new UsageError('Name the command to train: wasm-cache train -- <command>');
    return withTemporaryFolder((folder) => train(context, options, commandOf(command), folder));
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
      lines.push(
        colors.yellow(`These modules could not be optimised, and are not tried again for ten minutes: ${keys}.`),
      );
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
    'The command compiled no module that the cache keeps. Either its modules are smaller than WASM_CACHE_MIN_MODULE_SIZE (64 KiB), or its Node is ' +
    'not supported (see wasm-cache doctor).',
};

const NOTHING_STORED =
  'Nothing is stored of its modules. Either V8 optimised nothing, or the processes were killed before they could save anything.';

async function train(
  context: Context,
  { runs: maxRuns, stopAfter, keepGoing = false }: TrainOptions,
  command: string[],
  folder: string,
): Promise<TrainDocument> {
  const { directory } = context;
  const runs: TrainingRun[] = [];
  for await (const run of trainingRuns({ context, command, env: process.env, directory, folder, stopAfter, maxRuns })) {
    runs.push(run);
    const name = `Run ${runs.length} of ${command.join(' ')}`;
    const failure = failureOf(run);
    if (!keepGoing) checkRun(name, run, ' (--keep-going trains all the same)');
    else if (failure !== undefined) context.warn(`${name} ${failure}`);
    context.note(lineOf(runs.length, run), 'dim');
  }
  const last = runs.at(-1) as TrainingRun;
  const known = new Map(runs[0]?.before.map((entry) => [entry.file, entry]));
  const nameOf = await readModuleNames(directory);
  return {
    directory,
    command,
    runs: runs.map(documentOf),
    outcome: last.state === 'improved' ? 'runs-used-up' : last.state,
    artifacts: last.artifacts.map((after) => ({
      name: nameOf(after.key),
      before: known.get(after.file) ?? null,
      after,
    })),
  };
}

function documentOf(run: TrainingRun): TrainDocumentRun {
  const { milliseconds, exitCode, signal, isStopped: stopped, loads, learningMilliseconds, givenUp } = run;
  const hits = loads.filter(({ hit }) => hit).length;
  return { milliseconds, exitCode, signal, stopped, modules: loads.length, hits, learningMilliseconds, givenUp };
}

function lineOf(number: number, run: TrainingRun): string {
  const { milliseconds, isStopped, loads, learningMilliseconds, before, artifacts } = run;
  const hits = loads.filter(({ hit }) => hit).length;
  const known = new Map(before.map((entry) => [entry.file, entry]));
  const steps = changed(before, artifacts).map((entry) => {
    const from = known.get(entry.file);
    return `${short(entry.key)} ${from ? `${formatSize(from.size)} to ` : ''}${formatSize(entry.size)}${entry.final ? ', final' : ''}`;
  });
  const stored = steps.length > 0 ? `; stored ${steps.join(', ')}` : '';
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
