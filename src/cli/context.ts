import fs from 'node:fs';
import path from 'node:path';
import { FileSystemCache } from '../caches/file-system.js';
import { isTestedV8 } from '../engine/supported.js';
import { settingsOfProcess } from '../hook/settings.js';
import { keepVerdict, keptVerdict } from '../probe/probe.js';
import type { KeptVerdict } from '../probe/verdict.js';
import type { Settings } from '../settings/read-settings.js';
import { FileSystemStore } from '../stores/file-system.js';
import { UsageError } from './exit-codes.js';
import { type Colors, colorsFor } from './terminal/output.js';

/** The options that every command has. */
export interface CommonOptions {
  dir?: string;
  json?: boolean;
}

/** What a command works with: the settings of the hook in the same environment, with the options over them. */
export interface Context {
  settings: Settings;
  /** Absolute path of the cache folder, which need not exist. */
  directory: string;
  /** Whether the document is printed as JSON. */
  isJson: boolean;
  /** For standard error, where notes and progress go. */
  errorColors: Colors;
  /** Prints a line to standard error. */
  note(line: string): void;
  /** Prints a line to standard error that begins with "warning:". */
  warn(line: string): void;
}

/**
 * @param showsWarnings - whether somebody else shows what is wrong with the settings
 * @throws {UsageError} when the options or the environment are wrong.
 */
export function createContext({ dir, json = false }: CommonOptions, showsWarnings = false): Context {
  if (dir === '') throw new UsageError("--dir must be the path of a folder, not ''");
  const settings = settingsOfProcess({ directory: dir });
  const errorColors = colorsFor(process.stderr);
  const note = (line: string) => void process.stderr.write(`${line}\n`);
  const warn = (line: string) => note(`${errorColors.yellow('warning:')} ${line}`);
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
  const context = { settings, directory, isJson: json, errorColors, note, warn };
  verdictOf(context);
  return context;
}

/**
 * What the folder says of this V8, where that is not among the tested ones; it holds in this process from now on. `undefined` also
 * where the folder is not trusted, which is for the command to say.
 */
export function verdictOf(context: Context): KeptVerdict | undefined {
  if (isTestedV8()) return undefined;
  try {
    return keptVerdict(cacheOf(context));
  } catch {
    return undefined;
  }
}

/** Keeps it in another folder, too, which is only for a command. */
export async function copyVerdict(context: Context, directory: string): Promise<void> {
  const verdict = verdictOf(context);
  if (verdict) await keepVerdict(cacheOf({ ...context, directory }), verdict);
}

export function cacheOf({
  directory,
  settings: { secrets: secret },
}: Pick<Context, 'directory' | 'settings'>): FileSystemCache {
  return new FileSystemCache(directory, { secret });
}

/** @throws {CacheError} kind `Untrusted` when others could have put there what this command would take for ours. */
export function checkTrust({ directory, settings }: Context): void {
  new FileSystemStore(directory, { isShared: settings.secrets !== undefined }).checkTrust();
}

/** A path as somebody would type it where they are. */
export function shownPath(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') || path.isAbsolute(relative) || relative === '' ? file : relative;
}
