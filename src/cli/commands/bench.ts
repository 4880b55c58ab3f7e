import path from 'node:path';
import { variablesFor } from '../../settings/settings.js';
import { interleaved } from '../bench/interleaved.js';
import { overlap, type Spread, spreadOf } from '../bench/spread.js';
import { busyMilliseconds, type ThreadProfile, ThreadProfiles } from '../bench/thread-profiles.js';
import type { Command } from '../command.js';
import { type CommonOptions, type Context, checkMayStore, checkTrust } from '../context.js';
import { ExitCode, UsageError } from '../exit-codes.js';
import { withTemporaryFolder } from '../processes/cleanup.js';
import { hookedEnvironment, plainEnvironment } from '../processes/hooked-environment.js';
import { type CommandRun, checkRun, commandOf, runCommand } from '../processes/run-command.js';
import { type TrainingRun, trainingRuns } from '../processes/training.js';
import { type Column, count, formatDuration, formatSize, table } from '../terminal/output.js';

export interface BenchOptions extends CommonOptions {
  /** Runs of each side. */
  runs?: number;
}

/** The thread that was busiest with WebAssembly, in one plain run under V8's profiler. */
interface WebAssemblyPart extends ThreadProfile {
  /** From the command's start to its end. */
  wholeMilliseconds: number;
  /** WebAssembly's part of that time, from 0 to 1. */
  share: number;
}

/** How long a command takes without the hook and with a warm cache. */
export interface BenchDocument {
  command: string[];
  /** The cache folder; `null` for a temporary one. */
  directory: string | null;
  trainingRuns: number;
  /** The modules that it compiled, and the bytes of their artifacts. */
  modules: number;
  artifactsSize: number;
  plain: Spread;
  warm: Spread;
  /** The median of plain divided by that of warm. */
  timesAsFast: number;
  /** `null` when no thread could report. */
  webAssembly: WebAssemblyPart | null;
  verdict: 'faster' | 'slower' | 'within-noise' | 'no-modules';
  /** Whether standard output was the same with and without the hook. `varies`: it differed between runs of the same side. */
  output: 'equal' | 'different' | 'varies';
  /** The result in one sentence. */
  conclusion: string;
}

/** Most commands need three. */
const MAX_TRAINING_RUNS = 8;
/** Below this share, WebAssembly is not what makes the program slow. */
const SMALL_SHARE = 0.25;

export const command: Command<BenchOptions, BenchDocument> = {
  async run(context, { dir, runs }, command) {
    if (command.length === 0) throw new UsageError('Name the command to measure: wasm-cache bench -- <command>');
    checkMayStore(context);
    // The folder that programs use is not for measuring: without --dir a temporary one is used.
    const directory = dir === undefined ? null : context.directory;
    if (directory !== null) checkTrust(context);
    return withTemporaryFolder((folder) => bench(context, commandOf(command), { runs, directory, folder }));
  },

  render(
    { plain, warm, modules, artifactsSize, trainingRuns: runs, webAssembly, output, verdict, conclusion },
    colors,
  ) {
    const rows = [
      { name: 'plain', spread: plain },
      { name: 'warm', spread: warm },
    ];
    const paint = verdict === 'faster' ? colors.green : colors.yellow;
    const lines = [table(COLUMNS, rows, colors), '', colors.bold(paint(conclusion))];
    const trained = `${count(modules, 'module')}, ${formatSize(artifactsSize)} after ${count(runs, 'training run')}`;
    lines.push(`Cached: ${trained}.`);
    if (webAssembly) lines.push(partOf(webAssembly));
    if (output === 'different') {
      lines.push(colors.red('Warning: with the hook, standard output was not the same as without.'));
    }
    if (output === 'varies') lines.push('Standard output differs from run to run, so it was not compared.');
    return lines.join('\n');
  },

  exitCode: ({ verdict, output }) => (verdict === 'faster' && output !== 'different' ? ExitCode.ok : ExitCode.finding),
};

/** @throws {Error} when a run fails. */
async function bench(
  context: Context,
  command: string[],
  { runs, directory, folder }: { runs: number | undefined; directory: string | null; folder: string },
): Promise<BenchDocument> {
  const cacheFolder = directory ?? path.join(folder, 'cache');
  // A store must not be measured, and gets nothing from a benchmark.
  const env = { ...process.env, ...variablesFor({ remote: '' }) };
  const check = (run: CommandRun) => checkRun(command.join(' '), run, ', so its times say nothing');
  const run = async (environment: NodeJS.ProcessEnv): Promise<CommandRun> => {
    const done = await runCommand(command, { env: environment, folder });
    check(done);
    return done;
  };
  const training = { context, command, env, directory: cacheFolder, folder, maxRuns: MAX_TRAINING_RUNS };
  const trained: TrainingRun[] = [];
  for await (const each of trainingRuns(training)) {
    check(each);
    trained.push(each);
  }
  const { loads, artifacts } = trained.at(-1) as TrainingRun;

  const profiles = new ThreadProfiles(folder);
  const profiled = plainEnvironment(env, [profiles.preload()]);
  const { milliseconds: wholeMilliseconds } = await profiles.watch(() => run(profiled));
  const busiest = profiles.busiest();
  const share = busiest ? Math.min(1, busyMilliseconds(busiest) / wholeMilliseconds) : 0;
  const webAssembly = busiest ? { ...busiest, wholeMilliseconds, share } : null;

  const [plainRuns, warmRuns] = await interleaved(
    () => run(plainEnvironment(env)),
    // Learning would disturb the measurement.
    () => run(hookedEnvironment(env, { directory: cacheFolder, learn: 'off' })),
    runs,
  );
  const [plain, warm] = [spreadOf(plainRuns), spreadOf(warmRuns)];
  const document: Omit<BenchDocument, 'conclusion'> = {
    ...{ command, directory, trainingRuns: trained.length, modules: loads.length },
    artifactsSize: artifacts.reduce((sum, { size }) => sum + size, 0),
    ...{ plain, warm, timesAsFast: plain.median / warm.median, webAssembly },
    verdict: loads.length === 0 ? 'no-modules' : verdictOf(plain, warm),
    output: compareOutput(plainRuns, warmRuns),
  };
  return { ...document, conclusion: conclude(document, context.settings.minModuleSize) };
}

const COLUMNS: Column<{ name: string; spread: Spread }>[] = [
  { title: '', value: ({ name }) => name },
  { title: 'RUNS', align: 'right', value: ({ spread }) => String(spread.milliseconds.length) },
  { title: 'MEDIAN', align: 'right', value: ({ spread }) => formatDuration(spread.median) },
  {
    title: 'MIDDLE HALF',
    value: ({ spread }) => `${formatDuration(spread.lowerQuartile)} to ${formatDuration(spread.upperQuartile)}`,
  },
];

function partOf(part: WebAssemblyPart): string {
  const whole = `a plain run under V8's profiler (${formatDuration(part.wholeMilliseconds)})`;
  if (part.share === 0) return `WebAssembly took no time in ${whole}.`;
  const { runningMilliseconds, compilingMilliseconds, exitingMilliseconds } = part;
  const [running, compiling, exiting] = [runningMilliseconds, compilingMilliseconds, exitingMilliseconds].map(
    formatDuration,
  );
  return (
    `WebAssembly took ${percent(part.share)} of ${whole}, in the thread that was busiest with it: ${running} to run, with what V8 compiles at ` +
    `the first call; ${compiling} to compile; ${exiting} at the exit, which waits until V8 has finished optimising.`
  );
}

export function verdictOf(plain: Spread, warm: Spread): 'faster' | 'slower' | 'within-noise' {
  if (overlap(plain, warm)) return 'within-noise';
  return warm.median < plain.median ? 'faster' : 'slower';
}

function compareOutput(plain: CommandRun[], warm: CommandRun[]): BenchDocument['output'] {
  const [ofPlain, ofWarm] = [plain, warm].map(
    (runs) => new Set(runs.map(({ output }) => output.toString('latin1'))),
  ) as [Set<string>, Set<string>];
  if (ofPlain.size > 1 || ofWarm.size > 1) return 'varies';
  return [...ofPlain][0] === [...ofWarm][0] ? 'equal' : 'different';
}

/** The result in one sentence. */
export function conclude(
  document: Pick<BenchDocument, 'verdict' | 'plain' | 'warm' | 'timesAsFast' | 'webAssembly'>,
  minModuleSize: number,
): string {
  const { verdict, plain, warm, timesAsFast, webAssembly } = document;
  const times = `${formatDuration(plain.median)} plain, ${formatDuration(warm.median)} warm`;
  const isSlower = verdictOf(plain, warm) === 'slower';
  const cost = isSlower ? ` The hook itself takes ${formatDuration(warm.median - plain.median)}.` : '';
  switch (verdict) {
    case 'no-modules':
      return `No gain: the command compiled no module of at least ${formatSize(minModuleSize)}.${cost}`;
    case 'faster':
      return `${factor(timesAsFast)} times as fast: ${times}.`;
    case 'slower':
      return `Slower: it takes ${factor(1 / timesAsFast)} times as long: ${times}.`;
    case 'within-noise':
      if (!webAssembly || webAssembly.share >= SMALL_SHARE) {
        return `No measurable gain: the difference is within the noise (${times}).`;
      }
      return `No gain: ${percent(1 - webAssembly.share)} of the time is outside WebAssembly, and the difference is within the noise.`;
  }
}

function factor(value: number): string {
  return value < 1.095 ? value.toFixed(2) : value.toFixed(1);
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}
