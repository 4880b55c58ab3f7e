import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { entryName } from '../../caches/entry-name.js';
import { FileSystemCache } from '../../caches/file-system.js';
import { V8Engine } from '../../engine/v8-engine.js';
import { HashedModuleData } from '../../hashed-module-data.js';
import { compileAheadOfTime } from '../../learning/compile-ahead-of-time.js';
import { whyNotLearnt } from '../../learning/start-learner.js';
import type { Command } from '../command.js';
import { type Context, checkMayStore, checkTrust, shownPath } from '../context.js';
import { ExitCode } from '../exit-codes.js';
import { readContents } from '../folder/entries.js';
import { findModules } from '../folder/find-modules.js';
import { MAX_MODULE_SIZE, readModuleFile } from '../folder/module-file.js';
import { interruptible } from '../processes/cleanup.js';
import { inParallel, type Task } from '../processes/in-parallel.js';
import { type Colors, type Column, count, formatDuration, formatSize, table } from '../terminal/output.js';
import { WorkBar } from '../terminal/progress.js';

export interface WarmOptions {
  /** Modules to compile at once. */
  jobs?: number;
  /** Bytes of memory that they may take together. */
  memory?: number;
}

export interface WarmDocument {
  directory: string;
  /** The id of the engine that the artifacts are for. */
  engine: string;
  modules: WarmedModule[];
  milliseconds: number;
}

export interface WarmedModule {
  /** Its absolute path. */
  file: string;
  size: number;
  /** `null` when the file was not read. */
  key: string | null;
  /**
   * - `compiled`: compiled and stored now.
   * - `fresh`: all of it was stored before, for this engine.
   * - `same`: another of these files has the same content.
   * - `too-small`: the hook does not cache modules of this size.
   * - `failed`: see `reason`.
   */
  result: 'compiled' | 'fresh' | 'same' | 'too-small' | 'failed';
  /** Bytes of the artifact that is stored now. */
  artifactSize: number | null;
  milliseconds: number;
  /** Why it failed. */
  reason: string | null;
}

// The peak memory of learners, measured on 12 modules of 0.2 to 49 MB with Node 20 and 26: 75 to 170 MiB for modules below 4 MB, and 12 to 37
// times the module for larger ones.
const MEMORY_OF_PROCESS = 100 * 2 ** 20;
const MEMORY_PER_BYTE = 40;
/** How much of the available memory is used. */
const PART_OF_MEMORY = 0.75;

export const command: Command<WarmOptions, WarmDocument> = {
  async run(context, options, given) {
    checkTrust(context);
    checkMayStore(context);
    const engine = new V8Engine();
    const reason = engine.unsupportedReason ?? whyNotLearnt();
    if (reason !== undefined) throw new Error(`Modules cannot be compiled ahead of time here: ${reason}`);
    const files = await findModules(given);
    const start = performance.now();
    const modules = await interruptible((signal) => warm(context, engine, files, options, signal));
    const { directory } = context;
    return { directory, engine: engine.deterministicId, modules, milliseconds: performance.now() - start };
  },

  render({ directory, modules, milliseconds }, colors) {
    const counts = (Object.entries(RESULTS) as [WarmedModule['result'], string][]).flatMap(([result, name]) => {
      const number = modules.filter((module) => module.result === result).length;
      return number > 0 ? [`${number} ${name}`] : [];
    });
    const where = `for Node ${process.versions.node} in ${directory}`;
    return `${table(columns(colors), modules, colors)}\n\n${counts.join(', ')} in ${formatDuration(milliseconds)}, ${where}`;
  },

  exitCode: ({ modules }) => (modules.some(({ result }) => result === 'failed') ? ExitCode.failed : ExitCode.ok),
};

const RESULTS: Record<WarmedModule['result'], string> = {
  compiled: 'compiled',
  fresh: 'fresh',
  same: 'the same as others',
  'too-small': 'too small',
  failed: 'failed',
};

async function warm(
  context: Context,
  engine: V8Engine,
  files: string[],
  { jobs = os.availableParallelism(), memory = process.availableMemory() * PART_OF_MEMORY }: WarmOptions,
  signal: AbortSignal,
): Promise<WarmedModule[]> {
  const { settings, directory } = context;
  const { secrets: secret, maxSize } = settings;
  const cache = new FileSystemCache(directory, { wireBytes: 'omit', secret, maxSize });
  const modules = files.map(
    (file): WarmedModule => ({
      ...{ file, size: fs.statSync(file).size, key: null },
      ...{ result: 'too-small', artifactSize: null, milliseconds: 0, reason: null },
    }),
  );
  const toDo: WarmedModule[] = [];
  for (const module of modules) {
    const isUsual = module.size >= settings.minModuleSize && module.size <= MAX_MODULE_SIZE;
    if (isUsual) toDo.push(module);
    else await checkKind(module);
  }
  // The largest first, so that the last one does not keep a single core busy.
  toDo.sort((a, b) => b.size - a.size);
  const bar = new WorkBar(toDo.reduce((sum, { size }) => sum + size, 0));
  const seen = new Set<string>();
  const underWay = new Set<string>();

  const compile = async (module: WarmedModule): Promise<void> => {
    const data = await HashedModuleData.fromFile(module.file);
    const key = data.hash;
    module.key = key.toString();
    if (seen.has(module.key)) {
      module.result = 'same';
      return;
    }
    seen.add(module.key);
    if (cache.readHeaderSync(key, engine)?.coverage === 'full') {
      module.result = 'fresh';
    } else {
      await compileAheadOfTime(data, { directory, secret, maxSize, signal }).catch(async (error) => {
        signal.throwIfAborted();
        throw new Error((await whyRefused(data)) ?? error.message);
      });
      module.result = 'compiled';
    }
    module.artifactSize = fs.statSync(path.join(directory, entryName({ key, engineId: engine.deterministicId }))).size;
  };

  const tasks = toDo.map((module): Task => {
    const { file, size } = module;
    return {
      memory: MEMORY_OF_PROCESS + size * MEMORY_PER_BYTE,
      run: async () => {
        if (signal.aborted) return;
        underWay.add(path.basename(file));
        bar.doing([...underWay]);
        const start = performance.now();
        try {
          await compile(module);
        } catch (error) {
          if (signal.aborted) return;
          module.result = 'failed';
          module.reason = error instanceof Error ? error.message : String(error);
        }
        module.milliseconds = performance.now() - start;
        underWay.delete(path.basename(file));
        bar.add(size);
        bar.doing([...underWay]);
        if (!bar.isShown) context.note(lineOf(module));
      },
    };
  });

  try {
    await inParallel(tasks, { tasks: jobs, memory });
  } finally {
    bar.end();
  }
  if (signal.aborted) {
    const done = modules.filter(({ result }) => result === 'compiled').length;
    context.note(`Interrupted: ${count(done, 'compiled module')} stored. The same command continues from there.`);
    throw signal.reason;
  }
  const { entries, others } = await readContents(directory, engine.deterministicId);
  const total = [...entries, ...others].reduce((sum, { size }) => sum + size, 0);
  if (total > cache.limits.maxSize) {
    const limit = `more than WASM_CACHE_MAX_SIZE, ${formatSize(cache.limits.maxSize)}`;
    context.warn(
      `The folder holds ${formatSize(total)}, ${limit}: the next sweep removes the least recently used artifacts`,
    );
  }
  return modules;
}

/** A file that is not a module must not count as a small one, and a huge file is not read. */
async function checkKind(module: WarmedModule): Promise<void> {
  try {
    await readModuleFile(module.file);
  } catch (error) {
    module.result = 'failed';
    module.reason = (error as Error).message;
  }
}

/** Why V8 rejects a module. The process that compiled it does not tell. */
async function whyRefused(data: HashedModuleData): Promise<string | undefined> {
  try {
    await WebAssembly.compile(HashedModuleData.borrow(data) as BufferSource);
    return undefined;
  } catch (error) {
    return `This V8 rejects it: ${(error as Error).message.replace(/^WebAssembly\.compile\(\): /, '')}`;
  }
}

function lineOf({ file, result, reason, milliseconds }: WarmedModule): string {
  return `${shownPath(file)}: ${RESULTS[result]}${result === 'compiled' ? `, ${formatDuration(milliseconds)}` : ''}${reason ? `: ${reason}` : ''}`;
}

function columns(colors: Colors): Column<WarmedModule>[] {
  const paint = (module: WarmedModule) =>
    ({ compiled: colors.green, failed: colors.red })[module.result as string] ?? colors.dim;
  return [
    { title: 'FILE', value: ({ file }) => shownPath(file) },
    { title: 'MODULE', align: 'right', value: ({ size }) => formatSize(size) },
    {
      title: 'ARTIFACT',
      align: 'right',
      value: ({ artifactSize }) => (artifactSize === null ? '-' : formatSize(artifactSize)),
    },
    {
      title: 'TIME',
      align: 'right',
      value: ({ result, milliseconds }) => (result === 'compiled' ? formatDuration(milliseconds) : '-'),
    },
    { title: 'RESULT', value: (module) => paint(module)(RESULTS[module.result]) },
    { title: '', value: ({ reason }) => reason ?? '' },
  ];
}
