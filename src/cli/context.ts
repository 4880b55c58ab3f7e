import fs from 'node:fs';
import path from 'node:path';
import { DEFAULT_MAX_ARTIFACT_SIZE } from '../artifact/artifact.js';
import { HEADER_LENGTH } from '../artifact/header.js';
import { whyNotCacheFolder } from '../caches/cache-folder.js';
import { FileSystemCache } from '../caches/file-system.js';
import { isTestedV8 } from '../engine/supported.js';
import { V8Engine } from '../engine/v8-engine.js';
import { run } from '../files/steps.js';
import { settingsOfProcess } from '../hook/settings.js';
import { keepVerdict, keptVerdict } from '../probe/probe.js';
import type { KeptVerdict } from '../probe/verdict.js';
import type { Settings } from '../settings/read-settings.js';
import { sourceOf } from '../settings/sources.js';
import { FileSystemStore } from '../stores/file-system.js';
import { UsageError } from './exit-codes.js';
import { colorsFor, printLine } from './terminal/output.js';

const MAX_ARTIFACT_FILE_SIZE = DEFAULT_MAX_ARTIFACT_SIZE + HEADER_LENGTH;

/** The options that every command has. */
export interface CommonOptions {
  dir?: string;
  json?: boolean;
}

/** What a command works with: the hook's settings from the same environment, overridden by the options. */
export interface Context {
  settings: Settings;
  /** Absolute path of the cache folder, which need not exist. */
  directory: string;
  /** The id of the engine of this process. */
  readonly engineId: string;
  /** Prints a line to standard error. */
  note(line: string, style?: 'dim'): void;
  /** Prints a line to standard error that begins with "warning:". */
  warn(line: string): void;
}

/**
 * @param showsWarnings - whether the command itself shows what is wrong with the settings
 * @throws {UsageError} when the options or the environment are wrong.
 */
export function createContext({ dir }: CommonOptions, showsWarnings = false): Context {
  const { stderr } = process;
  if (dir === '') throw new UsageError("--dir must be the path of a folder, not ''");
  const settings = settingsOfProcess({ directory: dir });
  const { dim, yellow } = colorsFor(stderr);
  const note = (line: string, style?: 'dim') => printLine(stderr, line, style && dim);
  const warn = (line: string) => printLine(stderr, line, undefined, yellow('warning: '));
  const { directory, secretProblem, warnings } = settings;
  if (secretProblem !== undefined) throw new UsageError(secretProblem);
  if (!showsWarnings) for (const warning of warnings) warn(warning);
  if (directory === undefined) {
    throw new UsageError('There is no home folder for the cache: name a folder with --dir, or with WASM_CACHE_DIR');
  }
  if (fs.statSync(directory, { throwIfNoEntry: false })?.isDirectory() === false) {
    throw new UsageError(
      `The cache folder ${directory} is not a folder: name another one with --dir, or with WASM_CACHE_DIR`,
    );
  }
  const reason = whyNotCacheFolder(directory);
  if (reason !== undefined) throw new UsageError(reason);
  const context: Context = {
    settings,
    directory,
    get engineId() {
      return new V8Engine().deterministicId;
    },
    note,
    warn,
  };
  verdictOf(context);
  return context;
}

/**
 * The folder's verdict on an untested V8, which this process uses from now on. `undefined` also when the folder is not trusted; the command
 * reports that.
 */
export function verdictOf(context: Context): KeptVerdict | undefined {
  if (isTestedV8()) return undefined;
  try {
    return keptVerdict(cacheOf(context));
  } catch {
    return undefined;
  }
}

/** Copies the verdict into another folder. */
export async function copyVerdict(context: Context, directory: string): Promise<void> {
  const verdict = verdictOf(context);
  if (verdict) await keepVerdict(cacheOf({ ...context, directory }), verdict);
}

export function cacheOf({ directory, settings }: Pick<Context, 'directory' | 'settings'>): FileSystemCache {
  const { secrets, maxSize } = settings;
  return new FileSystemCache(directory, { secret: secrets, maxSize });
}

/** @throws {CacheError} kind `Untrusted` when others may write to the folder, so that its artifacts may be theirs. */
export function checkTrust(context: Context): void {
  storeOf(context).checkTrust();
}

/** The files of the cache folder. Reads none that others may have written, unless there is a secret to check it with. */
function storeOf({ directory, settings }: Pick<Context, 'directory' | 'settings'>): FileSystemStore {
  return new FileSystemStore(directory, { isShared: settings.secrets !== undefined });
}

/**
 * Reads a whole artifact, whatever is in it.
 *
 * @throws {CacheError} kind `Untrusted`, `NotFound` or `FileRead`; an error when it is larger than any that is loaded.
 */
export async function readArtifactBytes(
  context: Pick<Context, 'directory' | 'settings'>,
  file: string,
): Promise<Uint8Array> {
  const name = path.relative(context.directory, file).split(path.sep).join('/');
  return (await run(storeOf(context).read(name, MAX_ARTIFACT_FILE_SIZE))).bytes;
}

/** @throws {UsageError} when the environment says that nothing may be stored. */
export function checkMayStore({ settings: { mode } }: Context): void {
  if (mode !== 'read-write') throw new UsageError(`Nothing may be stored, because of ${sourceOf('mode')}: unset it`);
}

/** The path that a user would type: relative where the file is below the working directory. */
export function shownPath(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') || path.isAbsolute(relative) || relative === '' ? file : relative;
}
