import path from 'node:path';
import url from 'node:url';
import { packageRoot } from '../../package-root.js';
import { variablesFor } from '../../settings/settings.js';

/** What a command is to have of the hook. */
export interface Hooked {
  /** Absolute path of the cache folder. */
  directory: string;
  /** As `WASM_CACHE_LEARN`; by default as the environment has it. */
  learn?: 'hot' | 'off' | undefined;
  /** A file that gets the counts of the run. */
  runFile?: string | undefined;
  /** Modules that are loaded after the hook. */
  preloads?: URL[] | undefined;
}

/**
 * An environment in which every Node process has the hook: the command itself, what it starts, and all their workers. `NODE_OPTIONS` that
 * are there stay; the hook comes before them, because it takes the globals as they are when it is loaded.
 */
export function hookedEnvironment(
  env: NodeJS.ProcessEnv,
  { directory, learn, runFile, preloads = [] }: Hooked,
): NodeJS.ProcessEnv {
  return {
    ...withPreloads(env, [url.pathToFileURL(path.join(packageRoot, 'dist/register.js')), ...preloads]),
    ...variablesFor({ directory, learn, runFile }),
  };
}

/** The same command without the hook, also where the environment has it. */
export function plainEnvironment(env: NodeJS.ProcessEnv, preloads: URL[] = []): NodeJS.ProcessEnv {
  return { ...withPreloads(env, preloads), ...variablesFor({ disable: '1' }) };
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
