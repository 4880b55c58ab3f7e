import path from 'node:path';
import { HashedModuleData } from '../../hashed-module-data.js';
import { compileAheadOfTime } from '../../learning/compile-ahead-of-time.js';
import { packageRoot } from '../../package-root.js';
import { type Context, shownPath } from '../context.js';
import { hookedEnvironment, plainEnvironment } from '../processes/hooked-environment.js';
import { ProcessReports } from '../processes/process-reports.js';
import { checkRun, runCommand } from '../processes/run-command.js';
import type { WatchedLoad } from '../processes/watch-loads.js';
import { type Colors, formatDuration, formatSize, table } from '../terminal/output.js';
import { StatusLine } from '../terminal/progress.js';
import { type BenchSettings, spreadColumns, verdictOf, withoutStore } from './bench-command.js';
import { interleaved } from './interleaved.js';
import { type Spread, spreadOf } from './spread.js';

/** How long `new WebAssembly.Module()` takes for a file, without the hook and with an artifact that holds all functions. */
export interface ModuleBench {
  kind: 'module';
  /** Its absolute path. */
  file: string;
  size: number;
  key: string;
  directory: string | null;
  /** How long V8 took to optimise all functions, in a process of its own; `null` when they were stored already. */
  optimisingMilliseconds: number | null;
  compile: Spread;
  load: Spread;
  timesAsFast: number;
  verdict: 'faster' | 'slower' | 'within-noise' | 'too-small';
  conclusion: string;
}

/** @throws {Error} when it cannot be compiled ahead of time. */
export async function benchModule(
  { settings }: Context,
  given: string,
  { runs, directory, folder }: BenchSettings,
): Promise<ModuleBench> {
  const file = path.resolve(given);
  const cacheFolder = directory ?? path.join(folder, 'cache');
  const env = withoutStore(process.env);
  const data = await HashedModuleData.fromFile(file);
  const isSmall = data.byteLength < settings.minModuleSize;
  const optimisingMilliseconds = isSmall ? null : await optimise(data, cacheFolder, settings.secrets);

  const program = [
    process.execPath,
    ...process.execArgv,
    path.join(packageRoot, 'dist/cli/bench/measure-module.js'),
    file,
  ];
  const loads = new ProcessReports<WatchedLoad>(path.join(folder, 'loads'));
  const run = async (environment: NodeJS.ProcessEnv): Promise<number> => {
    const done = await runCommand(program, { env: environment, folder });
    checkRun(`A process that compiles ${given}`, done, '');
    return JSON.parse(done.output.toString()).milliseconds;
  };
  const hooked = { directory: cacheFolder, learn: 'off' } as const;
  await run(hookedEnvironment(env, { ...hooked, preloads: [loads.preload('processes/watch-loads.js')] }));
  const isHit = loads.take().some(({ hit }) => hit);
  if (!isSmall && !isHit) throw new Error(`${given} was not loaded from the cache: wasm-cache why ${given} tells why`);
  const measured = await interleaved(
    () => run(plainEnvironment(env)),
    () => run(hookedEnvironment(env, hooked)),
    runs,
  );
  const [compile, load] = measured.map(spreadOf) as [Spread, Spread];
  const bench = {
    ...({
      kind: 'module',
      file,
      size: data.byteLength,
      key: data.hash.toString(),
      directory: directory ?? null,
    } as const),
    ...{ optimisingMilliseconds, compile, load, timesAsFast: compile.median / load.median },
    verdict: isSmall ? ('too-small' as const) : verdictOf(compile, load),
  };
  return { ...bench, conclusion: conclude(bench, settings.minModuleSize) };
}

export function renderModuleBench(bench: ModuleBench, colors: Colors): string {
  const { file, size, compile, load, verdict, conclusion, optimisingMilliseconds } = bench;
  const rows = [
    { name: 'compile', spread: compile },
    { name: 'load', spread: load },
  ];
  const paint = verdict === 'faster' ? colors.green : colors.yellow;
  const lines = [
    `${shownPath(file)}, ${formatSize(size)}`,
    '',
    table(spreadColumns, rows, colors),
    '',
    colors.bold(paint(conclusion)),
  ];
  if (verdict !== 'too-small') {
    const took = optimisingMilliseconds === null ? '' : `, for which V8 took ${formatDuration(optimisingMilliseconds)}`;
    lines.push(
      `The loaded module has optimised code for all functions${took}. The compiled module has none: V8 compiles each function at its first ` +
        'call, and optimises it when it has run for a while. No function was called here.',
      'To measure what a program gains from that: wasm-cache bench -- <command>',
    );
  }
  return lines.join('\n');
}

async function optimise(
  data: HashedModuleData,
  directory: string,
  secret: string[] | undefined,
): Promise<number | null> {
  const status = new StatusLine();
  status.show('optimising all functions ...');
  const start = performance.now();
  let isCompiled = false;
  try {
    const onProgress = ({ step }: { step: string }) => (isCompiled ||= step === 'compile');
    await compileAheadOfTime(data, { directory, secret, onProgress });
  } finally {
    status.clear();
  }
  return isCompiled ? performance.now() - start : null;
}

function conclude(
  { verdict, compile, load, timesAsFast }: Omit<ModuleBench, 'conclusion'>,
  minModuleSize: number,
): string {
  const times = `${formatDuration(compile.median)} to compile, ${formatDuration(load.median)} to load`;
  switch (verdict) {
    case 'too-small':
      return `No gain: the module is smaller than ${formatSize(minModuleSize)}, so the hook does not cache it.`;
    case 'faster':
      return `Loading is ${timesAsFast.toFixed(1)} times as fast as compiling: ${times}.`;
    case 'slower':
      return `Loading takes ${(1 / timesAsFast).toFixed(1)} times as long as compiling: ${times}.`;
    case 'within-noise':
      return `Loading takes as long as compiling, within the noise: ${times}.`;
  }
}
