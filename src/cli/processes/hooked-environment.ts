import path from 'node:path';
import url from 'node:url';
import { packageRoot } from '../../package-root.js';

/** What a command is to have of the hook. */
export interface Hooked {
  /** Absolute path of the cache folder. */
  directory: string;
  /** As `WASM_CACHE_LEARN`; by default as the environment has it. */
  learn?: 'hot' | 'off' | undefined;
  /** Modules that are loaded after the hook. */
  preloads?: URL[] | undefined;
}

/**
 * An environment in which every Node process has the hook: the command itself, what it starts, and all their workers. `NODE_OPTIONS` that
 * are there stay; the hook comes before them, because it takes the globals as they are when it is loaded.
 */
export function hookedEnvironment(
  env: NodeJS.ProcessEnv,
  { directory, learn, preloads = [] }: Hooked,
): NodeJS.ProcessEnv {
  return {
    ...withPreloads(env, [url.pathToFileURL(path.join(packageRoot, 'dist/register.js')), ...preloads]),
    WASM_CACHE_DIR: directory,
    ...(learn === undefined ? {} : { WASM_CACHE_LEARN: learn }),
  };
}

/** The same command without the hook, also where the environment has it. */
export function plainEnvironment(env: NodeJS.ProcessEnv, preloads: URL[] = []): NodeJS.ProcessEnv {
  return { ...withPreloads(env, preloads), WASM_CACHE_DISABLE: '1' };
}

/** A URL has no spaces and no quotes, which would have to be escaped there. */
function withPreloads(env: NodeJS.ProcessEnv, preloads: URL[]): NodeJS.ProcessEnv {
  const options = [...preloads.map(({ href }) => `--import=${href}`), env.NODE_OPTIONS ?? ''].join(' ').trim();
  return options === '' ? env : { ...env, NODE_OPTIONS: options };
}

/** A module of cli/ that is loaded into other processes; what it is told is in its address. */
export function preload(file: string, told: Record<string, string> = {}): URL {
  const address = url.pathToFileURL(path.join(packageRoot, 'dist/cli', file));
  address.search = new URLSearchParams(told).toString();
  return address;
}
