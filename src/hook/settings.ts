import path from 'node:path';
import { parseSecrets, Signer } from '../artifact/signature.js';
import { parseRemoteUrl, withoutSecrets } from '../stores/remote-url.js';

/** @inline */
export type Mode = 'read-write' | 'read-only' | 'off';

/** `hot`: what ran; `full`: all functions. @inline */
export type Learn = 'hot' | 'full' | 'off';

export interface Settings {
  mode: Mode;
  /** Absolute path of the cache folder, which need not exist; `undefined` when none is named and there is no home folder. */
  directory: string | undefined;
  /** Modules with fewer wire bytes go straight to V8. */
  minModuleSize: number;
  /** Whether modules may be optimised in a process of their own, after the program, and which of their functions. */
  learn: Learn;
  /** Bytes that the folder may hold; `undefined` for the default. */
  maxSize: number | undefined;
  /** What artifacts are signed with; the first one signs, all are accepted. */
  secrets: string[] | undefined;
  /** The store behind the folder, which a fleet shares. */
  remote: RemoteSettings | undefined;
  /** Whether what became of each module is counted, in the cache folder. */
  statistics: boolean;
  /** Absolute path of the file in which `wasm-cache run` wants that of its run, too. */
  runFile: string | undefined;
  /** What was wrong with the values given, one sentence each; the default was taken instead. */
  warnings: string[];
}

/** The settings of a hook that is on. */
export interface HookOptions extends Omit<Settings, 'mode' | 'directory' | 'warnings'> {
  mode: Exclude<Mode, 'off'>;
  directory: string;
}

export interface RemoteSettings {
  /** See `parseRemoteUrl`; with what it has of passwords. */
  url: string;
  /** Milliseconds that a program waits for it. */
  timeout: number;
  /** Whether artifacts without a signature are loaded from it. */
  allowUnsigned: boolean;
  /** Whether modules are fetched from it, and put into it. */
  mode: RemoteMode;
}

/** @inline */
export type RemoteMode = 'read-write' | 'read-only' | 'write-only';
export const REMOTE_MODES: readonly RemoteMode[] = ['read-write', 'read-only', 'write-only'];

/** As in `RemoteCacheOptions`. */
export const DEFAULT_REMOTE_TIMEOUT = 250;
/** Longer than anybody waits for a program to start. */
export const MAX_REMOTE_TIMEOUT = 60_000;

const DURATIONS: Record<string, number> = { '': 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

// A module of 64 KiB compiles lazily in well under a millisecond, which is what looking it up costs.
const DEFAULT_MIN_MODULE_SIZE = 64 * 1024;

const UNITS: Record<string, number> = {
  '': 1,
  B: 1,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
};

/** Reads the `WASM_CACHE_*` variables. Never throws. */
export function readSettings(
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform,
  homeDirectory: () => string,
  readFile: (file: string) => string,
): Settings {
  const warnings: string[] = [];

  let mode: Mode = 'read-write';
  const givenMode = env.WASM_CACHE_MODE;
  if (givenMode === 'read-write' || givenMode === 'read-only' || givenMode === 'off') mode = givenMode;
  else if (givenMode) {
    warnings.push(`WASM_CACHE_MODE=${givenMode} is not one of read-write, read-only, off; read-write is used.`);
  }
  if (env.WASM_CACHE_DISABLE && env.WASM_CACHE_DISABLE !== '0') mode = 'off';

  let minModuleSize = DEFAULT_MIN_MODULE_SIZE;
  const givenSize = env.WASM_CACHE_MIN_MODULE_SIZE;
  if (givenSize) {
    const size = parseSize(givenSize);
    if (size !== undefined) minModuleSize = size;
    else
      warnings.push(
        `WASM_CACHE_MIN_MODULE_SIZE=${givenSize} is not a size such as 100000, 64KiB or 1MiB; 64KiB is used.`,
      );
  }

  let maxSize: number | undefined;
  const givenMaxSize = env.WASM_CACHE_MAX_SIZE;
  if (givenMaxSize) {
    maxSize = parseSize(givenMaxSize) || undefined;
    if (maxSize === undefined) {
      warnings.push(`WASM_CACHE_MAX_SIZE=${givenMaxSize} is not a size such as 512MiB or 2GiB; 1GiB is used.`);
    }
  }

  // Nobody gains from what a machine learns that is thrown away after the job, and its owner pays for the time.
  const isCI = env.CI && env.CI !== '0' && env.CI !== 'false';
  let learn: Learn = isCI ? 'off' : 'hot';
  const givenLearn = env.WASM_CACHE_LEARN;
  if (givenLearn === 'hot' || givenLearn === 'full' || givenLearn === 'off') learn = givenLearn;
  else if (givenLearn && givenLearn !== 'auto') {
    warnings.push(`WASM_CACHE_LEARN=${givenLearn} is not one of auto, hot, full, off; auto is used.`);
  }

  const givenStatistics = env.WASM_CACHE_STATISTICS;
  if (givenStatistics && givenStatistics !== 'on' && givenStatistics !== 'off') {
    warnings.push(`WASM_CACHE_STATISTICS=${givenStatistics} is not one of on, off; on is used.`);
  }
  const statistics = givenStatistics !== 'off';
  const givenRun = env.WASM_CACHE_RUN;
  const runFile = givenRun && path.isAbsolute(givenRun) ? givenRun : undefined;

  let secrets: string[] | undefined;
  try {
    secrets = readSecrets(env, readFile);
  } catch (error) {
    // Never without signatures where somebody wants them.
    mode = 'off';
    warnings.push(`${error instanceof Error ? error.message : String(error)}. Modules are not cached.`);
  }

  const remote = readRemote(env, secrets, warnings);
  const directory = env.WASM_CACHE_DIR || defaultDirectory(env, platform, homeDirectory);
  const resolved = directory && path.resolve(directory);
  return {
    ...{ mode, directory: resolved, minModuleSize, learn, secrets, maxSize, remote },
    ...{ statistics, runFile, warnings },
  };
}

function readRemote(
  env: NodeJS.ProcessEnv,
  secrets: readonly string[] | undefined,
  warnings: string[],
): RemoteSettings | undefined {
  const url = env.WASM_CACHE_REMOTE;
  if (!url) return undefined;
  try {
    parseRemoteUrl(url);
  } catch (error) {
    warnings.push(`WASM_CACHE_REMOTE: ${(error as Error).message}; no store is used.`);
    return undefined;
  }
  const allowUnsigned = (env.WASM_CACHE_ALLOW_UNSIGNED || '0') !== '0';
  if (!secrets && !allowUnsigned) {
    warnings.push(
      `WASM_CACHE_REMOTE=${withoutSecrets(url)} is not used: whoever can write to it could run code here. ` +
        'Set WASM_CACHE_SECRET, or WASM_CACHE_ALLOW_UNSIGNED=1.',
    );
    return undefined;
  }
  let timeout = DEFAULT_REMOTE_TIMEOUT;
  const given = env.WASM_CACHE_REMOTE_TIMEOUT;
  if (given) {
    const duration = parseDuration(given);
    if (duration !== undefined && duration >= 1 && duration <= MAX_REMOTE_TIMEOUT) timeout = duration;
    else {
      const range = 'a time from 1ms to 60s, such as 250ms or 1s';
      warnings.push(`WASM_CACHE_REMOTE_TIMEOUT=${given} is not ${range}; ${timeout}ms is used.`);
    }
  }
  let mode: RemoteMode = 'read-write';
  const givenMode = env.WASM_CACHE_REMOTE_MODE as RemoteMode | undefined;
  if (givenMode && REMOTE_MODES.includes(givenMode)) mode = givenMode;
  else if (givenMode) {
    warnings.push(`WASM_CACHE_REMOTE_MODE=${givenMode} is not one of ${REMOTE_MODES.join(', ')}; ${mode} is used.`);
  }
  return { url, timeout, allowUnsigned, mode };
}

/** @throws when there is to be a secret, and is none. */
function readSecrets(env: NodeJS.ProcessEnv, readFile: (file: string) => string): string[] | undefined {
  const { WASM_CACHE_SECRET: text, WASM_CACHE_SECRET_FILE: file } = env;
  if (text !== undefined && file !== undefined) {
    throw new Error('WASM_CACHE_SECRET and WASM_CACHE_SECRET_FILE are both set; unset one of them');
  }
  if (text === undefined && file === undefined) return undefined;
  let secrets: string[];
  try {
    secrets = parseSecrets(text ?? readFile(file as string));
    new Signer(secrets); // which says what is wrong with them
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${text === undefined ? `WASM_CACHE_SECRET_FILE=${file}` : 'WASM_CACHE_SECRET'}: ${reason}`);
  }
  return secrets;
}

/** `512MiB` -> 536870912. `undefined` for what is not a size, also when it is more than numbers can count. */
export function parseSize(text: string): number | undefined {
  // Trimmed first: two stretches of white space side by side in a pattern would take quadratic time.
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = UNITS[match?.[2]?.toUpperCase() ?? 'none'];
  if (!match || unit === undefined) return undefined;
  const size = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(size) ? size : undefined;
}

/** `1.5s` -> 1500, milliseconds. `undefined` for what is not a duration, also when it is more than numbers can count. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = DURATIONS[match?.[2]?.toLowerCase() ?? 'none'];
  if (!match || unit === undefined) return undefined;
  const duration = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(duration) ? duration : undefined;
}

/** Never relative: machine code must not come from whatever folder a program is started in. */
function defaultDirectory(env: NodeJS.ProcessEnv, platform: NodeJS.Platform, homeDirectory: () => string) {
  const name = 'wasm-module-cache';
  const local = platform === 'win32' ? env.LOCALAPPDATA : platform === 'darwin' ? undefined : env.XDG_CACHE_HOME;
  if (local && path.isAbsolute(local))
    return platform === 'win32' ? path.join(local, name, 'Cache') : path.join(local, name);
  let home: string;
  try {
    home = homeDirectory();
  } catch {
    return undefined;
  }
  if (!path.isAbsolute(home)) return undefined;
  if (platform === 'win32') return path.join(home, 'AppData', 'Local', name, 'Cache');
  return platform === 'darwin' ? path.join(home, 'Library', 'Caches', name) : path.join(home, '.cache', name);
}
