import path from 'node:path';
import url from 'node:url';
import { packageRoot } from '../../package-root.js';
import { variablesFor } from '../../settings/settings.js';

/** How a command is run with the hook. */
export interface Hooked {
  /** Absolute path of the cache folder. */
  directory: string;
  /** The value of `WASM_CACHE_LEARN`. Default: that of the environment. */
  learn?: 'hot' | 'off' | undefined;
  /** Whether JavaScript is cached, too. Default: as the environment says. */
  js?: boolean | undefined;
  /** A file that gets the counts of the run. */
  runFile?: string | undefined;
  /** Modules to load after the hook. */
  preloads?: URL[] | undefined;
}

/**
 * An environment in which every Node process has the hook: the command, its children, and all their workers. Present `NODE_OPTIONS` are kept.
 * The hook comes before them, because it captures globals when it is loaded, and by `--require`, because that starts 1 to 4 ms sooner than
 * `--import`.
 */
export function hookedEnvironment(
  env: NodeJS.ProcessEnv,
  { directory, learn, js, runFile, preloads = [] }: Hooked,
): NodeJS.ProcessEnv {
  const withOthers = withPreloads(env, preloads);
  const hook = `--require ${quoted(path.join(packageRoot, 'dist/register.cjs'))}`;
  return {
    ...withOthers,
    NODE_OPTIONS: [hook, withOthers.NODE_OPTIONS ?? ''].join(' ').trim(),
    ...variablesFor({ directory, learn, js: js?.toString(), runFile }),
  };
}

/** An environment in which no process has the hook. */
export function plainEnvironment(env: NodeJS.ProcessEnv, preloads: URL[] = []): NodeJS.ProcessEnv {
  return { ...withPreloads(env, preloads), ...variablesFor({ disable: '1' }) };
}

/** By URL, because URLs have no spaces or quotes that `NODE_OPTIONS` would need escaped. */
function withPreloads(env: NodeJS.ProcessEnv, preloads: URL[]): NodeJS.ProcessEnv {
  const options = [...preloads.map(({ href }) => `--import=${href}`), env.NODE_OPTIONS ?? ''].join(' ').trim();
  return options === '' ? env : { ...env, NODE_OPTIONS: options };
}

/** As `NODE_OPTIONS` wants a path. */
function quoted(file: string): string {
  return `"${file.replace(/[\\"]/g, '\\$&')}"`;
}

/** The address of a module of cli/ that is loaded into other processes. `told` is passed to it as parameters of the address. */
export function preload(file: string, told: Record<string, string> = {}): URL {
  const address = url.pathToFileURL(path.join(packageRoot, 'dist/cli', file));
  address.search = new URLSearchParams(told).toString();
  return address;
}
