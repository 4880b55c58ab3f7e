import { Signer } from '../artifact/signature.js';
import { parseRemoteUrl } from '../stores/remote-url.js';
import { wrongOption } from '../wrong-option.js';
import type { ModuleCacheStats } from './reporting.js';
import {
  DEFAULT_REMOTE_TIMEOUT,
  type Learn,
  MAX_REMOTE_TIMEOUT,
  type Mode,
  parseDuration,
  parseSize,
  REMOTE_MODES,
  type RemoteMode,
  type RemoteSettings,
  readSettings,
  type Settings,
} from './settings.js';
import { registry, startHook } from './start.js';
import { whyUnsupported } from './untried-v8.js';

/**
 * What {@link enableModuleCache} may be called with. The options go before the environment variables, except that no program
 * overrides `WASM_CACHE_DISABLE=1` and `WASM_CACHE_MODE=off`.
 *
 * @example
 * ```ts
 * import { type EnableModuleCacheOptions, enableModuleCache } from 'wasm-module-cache';
 *
 * const options: EnableModuleCacheOptions = { directory: 'cache', minModuleSize: '1MiB', learn: 'off' };
 * console.log(enableModuleCache(options).status); // ENABLED
 * ```
 */
export interface EnableModuleCacheOptions {
  /** The cache folder. Default: `WASM_CACHE_DIR`, else `wasm-module-cache` in the user's cache folder. */
  directory?: string | undefined;
  /** Whether modules are saved, too, or only loaded, or left to V8 (`off`). Default: `WASM_CACHE_MODE`, else `read-write`. */
  mode?: Mode | undefined;
  /**
   * Modules with fewer bytes go straight to V8: a number, or text such as `100KB`. Default: `WASM_CACHE_MIN_MODULE_SIZE`, else
   * `64KiB`.
   */
  minModuleSize?: number | string | undefined;
  /**
   * What of a module is optimised further in a process of its own, after this one: the functions that ran (`hot`), all of
   * them (`full`), or nothing. Default: `WASM_CACHE_LEARN`, else `hot`, or `off` where the variable `CI` is set.
   */
  learn?: Learn | undefined;
  /**
   * What the folder may hold: a number of bytes, or text such as `512MiB`; over it the least recently used artifacts go. Default:
   * `WASM_CACHE_MAX_SIZE`, else `1GiB`.
   */
  maxSize?: number | string | undefined;
  /**
   * Signs artifacts, for a folder that others may write to; of several the first one signs, and all are accepted. At least 16 bytes
   * without spaces each. Default: `WASM_CACHE_SECRET` or the content of `WASM_CACHE_SECRET_FILE`, else no signatures.
   */
  secret?: string | readonly string[] | undefined;
  /**
   * The store behind the folder, which a fleet shares: `redis://`, `rediss://`, `s3://bucket/prefix`, `https://` or `file:///folder`. Needs a
   * secret, or `allowUnsigned`. Default: `WASM_CACHE_REMOTE`, else none.
   */
  remote?: string | undefined;
  /** How long the program waits for it, once in vain: milliseconds, or text such as `1s`. Default: `WASM_CACHE_REMOTE_TIMEOUT`, else 250. */
  remoteTimeout?: number | string | undefined;
  /** Whether modules are fetched from it, put into it, or both. Default: `WASM_CACHE_REMOTE_MODE`, else `read-write`. */
  remoteMode?: RemoteMode | undefined;
  /** Whether what is not signed is loaded from it: whoever can write to it can run code here. Default: `WASM_CACHE_ALLOW_UNSIGNED`, else false. */
  allowUnsigned?: boolean | undefined;
  /**
   * Whether the folder keeps counts of hits and misses, and what they took, for `wasm-cache report`. Default: `WASM_CACHE_STATISTICS`, else true.
   */
  statistics?: boolean | undefined;
}

/**
 * What {@link enableModuleCache} gives.
 *
 * @example
 * ```ts
 * import { type EnableModuleCacheResult, enableModuleCache } from 'wasm-module-cache';
 *
 * const { status, message }: EnableModuleCacheResult = enableModuleCache({ directory: 'cache', minModuleSize: 'big' });
 * console.log(status); // FAILED
 * console.log(message); // The option minModuleSize must be a size, not 'big'
 * ```
 */
export interface EnableModuleCacheResult {
  /**
   * - `ENABLED`: modules compiled from now on in this thread are cached.
   * - `ALREADY_ENABLED`: it was enabled before, with the settings of that time.
   * - `DISABLED`: by an environment variable or the option `mode`.
   * - `FAILED`: it cannot work in this process; `message` says why.
   */
  status: 'ENABLED' | 'ALREADY_ENABLED' | 'DISABLED' | 'FAILED';
  /** Why it `FAILED`, as a sentence. */
  message?: string;
  /** The absolute path of the cache folder, when enabled. */
  directory?: string;
}

/**
 * Does for this thread, from now on, what `--import wasm-module-cache/register` does from the start. Never throws, not even
 * for a wrong option (`FAILED`); named after Node's `module.enableCompileCache()`.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { enableModuleCache } from 'wasm-module-cache';
 *
 * const { status, message } = enableModuleCache({ directory: 'cache' });
 * console.log(status, message); // ENABLED undefined
 * const { instance } = await WebAssembly.instantiate(await readFile('plugin.wasm')); // in the next process from the cache
 * console.log((instance.exports.sum as (n: number) => number)(10)); // 55
 * ```
 */
export function enableModuleCache(options: EnableModuleCacheOptions = {}): EnableModuleCacheResult {
  try {
    return start(applyOptions(settingsOfProcess(), options), true);
  } catch (error) {
    return { status: 'FAILED', message: error instanceof Error ? error.message : String(error) };
  }
}

/** What the hook's entry calls: as above, but whether V8 can be used is found out when the first module comes. */
export function enableFromEnvironment(): EnableModuleCacheResult {
  return start(settingsOfProcess(), false);
}

/**
 * Saves what V8 has optimised by now, as the exit of the process would, and returns when that is done: for a process that is
 * ended by a signal. Never throws, and does nothing where the module cache is not enabled, or only reads.
 *
 * @example
 * ```ts
 * import { enableModuleCache, flushModuleCache } from 'wasm-module-cache';
 *
 * enableModuleCache({ directory: 'cache' });
 * const server = setInterval(() => {}, 1000); // does what a server does
 * process.once('SIGTERM', () => {
 *   flushModuleCache();
 *   clearInterval(server);
 *   console.log('saved'); // saved
 * });
 * process.kill(process.pid, 'SIGTERM');
 * ```
 */
export function flushModuleCache(): void {
  registry.hook?.save();
}

/**
 * The absolute path of the cache folder, or `undefined` when the module cache is not enabled in this thread.
 *
 * @example
 * ```ts
 * import path from 'node:path';
 * import { enableModuleCache, getModuleCacheDir } from 'wasm-module-cache';
 *
 * console.log(getModuleCacheDir()); // undefined
 * enableModuleCache({ directory: 'cache' });
 * console.log(getModuleCacheDir() === path.resolve('cache')); // true
 * ```
 */
export function getModuleCacheDir(): string | undefined {
  return registry.hook?.directory;
}

/**
 * What happened so far in this thread; all zero when the module cache is not enabled. The object is a copy.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { enableModuleCache, moduleCacheStats } from 'wasm-module-cache';
 *
 * enableModuleCache({ directory: 'cache' });
 * await WebAssembly.compile(await readFile('plugin.wasm'));
 * console.log(moduleCacheStats()); // { hits: 0, misses: 1, saves: 0, untrusted: 0, errors: 0 }
 * ```
 */
export function moduleCacheStats(): ModuleCacheStats {
  return { hits: 0, misses: 0, saves: 0, untrusted: 0, errors: 0, ...registry.hook?.stats };
}

function settingsOfProcess(): Settings {
  return readSettings(
    process.env,
    process.platform,
    () => process.env.HOME || process.getBuiltinModule('node:os').homedir(),
    (file) => process.getBuiltinModule('node:fs').readFileSync(file, 'utf8'),
  );
}

function applyOptions(settings: Settings, options: EnableModuleCacheOptions): Settings {
  const { directory, mode, minModuleSize, learn, maxSize, secret, statistics } = options;
  if (directory !== undefined && (typeof directory !== 'string' || directory === '')) {
    throw wrongOption('directory', 'a path', directory);
  }
  if (mode !== undefined && !['read-write', 'read-only', 'off'].includes(mode)) {
    throw wrongOption('mode', 'read-write, read-only or off', mode);
  }
  const size = sizeOf('minModuleSize', minModuleSize, 0) ?? settings.minModuleSize;
  if (learn !== undefined && !['hot', 'full', 'off'].includes(learn)) {
    throw wrongOption('learn', 'hot, full or off', learn);
  }
  if (statistics !== undefined && typeof statistics !== 'boolean') {
    throw wrongOption('statistics', 'true or false', statistics);
  }
  const secrets = secret === undefined ? settings.secrets : ([secret].flat() as string[]);
  if (secrets) new Signer(secrets); // which says what is wrong with them
  return {
    ...settings,
    secrets,
    maxSize: sizeOf('maxSize', maxSize, 1) ?? settings.maxSize,
    remote: remoteOf(settings.remote, options, secrets),
    learn: learn ?? settings.learn,
    statistics: statistics ?? settings.statistics,
    directory: directory ?? settings.directory,
    // The environment's "off" is the user's kill switch; no program overrides it.
    mode: settings.mode === 'off' ? 'off' : (mode ?? settings.mode),
    minModuleSize: size,
  };
}

function remoteOf(
  ofProcess: RemoteSettings | undefined,
  options: EnableModuleCacheOptions,
  secrets: readonly string[] | undefined,
): RemoteSettings | undefined {
  const { remoteTimeout, remoteMode: mode = ofProcess?.mode ?? 'read-write' } = options;
  const { remote: url = ofProcess?.url, allowUnsigned = ofProcess?.allowUnsigned } = options;
  if (!REMOTE_MODES.includes(mode)) throw wrongOption('remoteMode', REMOTE_MODES.join(', '), mode);
  if (allowUnsigned !== undefined && typeof allowUnsigned !== 'boolean') {
    throw wrongOption('allowUnsigned', 'true or false', allowUnsigned);
  }
  const given = typeof remoteTimeout === 'string' ? parseDuration(remoteTimeout) : remoteTimeout;
  const timeout = given ?? ofProcess?.timeout ?? DEFAULT_REMOTE_TIMEOUT;
  const isWrong = remoteTimeout !== undefined && typeof given !== 'number';
  if (isWrong || typeof timeout !== 'number' || !(timeout >= 1) || timeout > MAX_REMOTE_TIMEOUT) {
    throw wrongOption('remoteTimeout', 'a time from 1 ms to 60 s', remoteTimeout);
  }
  if (url === undefined) return undefined;
  // What is given may hold a password, whatever it is.
  if (typeof url !== 'string') throw new TypeError(`The option remote must be an address, not a ${typeof url}`);
  try {
    parseRemoteUrl(url);
  } catch (error) {
    throw new TypeError(`The option remote: ${(error as Error).message}`);
  }
  if (!secrets && !allowUnsigned) {
    throw new TypeError(
      'Whoever can write to the store could run code here: give the option secret, or allowUnsigned: true',
    );
  }
  return { url, timeout, allowUnsigned: allowUnsigned === true, mode };
}

function sizeOf(name: string, value: number | string | undefined, min: number): number | undefined {
  if (value === undefined) return undefined;
  const size = typeof value === 'string' ? parseSize(value) : value;
  if (typeof size !== 'number' || !(size >= min)) throw wrongOption(name, 'a size', value);
  return size;
}

function start(settings: Settings, checksEngine: boolean): EnableModuleCacheResult {
  const running = registry.hook;
  if (running) return { status: 'ALREADY_ENABLED', directory: running.directory };
  const { mode, directory, warnings, ...others } = settings;
  for (const warning of warnings) process.emitWarning(warning, { type: 'WasmCacheWarning' });
  if (mode === 'off') return { status: 'DISABLED' };
  if (directory === undefined) {
    return { status: 'FAILED', message: 'there is no home folder for the cache; name a folder with WASM_CACHE_DIR' };
  }
  const unsupportedReason = whyUnsupported(settings, directory);
  if (unsupportedReason !== undefined) return { status: 'FAILED', message: unsupportedReason };
  const hook = startHook({ mode, directory, ...others }, checksEngine);
  return typeof hook === 'string'
    ? { status: 'FAILED', message: hook }
    : { status: 'ENABLED', directory: hook.directory };
}
