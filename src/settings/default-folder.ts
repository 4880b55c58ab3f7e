import path from 'node:path';

const NAME = 'wasm-module-cache';

/**
 * The cache folder of a user who names none; `undefined` where there is no home folder. Never relative: machine code must not
 * come from the folder that a program happens to be started in.
 */
export function defaultFolder(
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform,
  homeFolder: () => string,
): string | undefined {
  const isWindows = platform === 'win32';
  const isMac = platform === 'darwin';
  const below = (folder: string) => (isWindows ? path.join(folder, NAME, 'Cache') : path.join(folder, NAME));
  const given = isWindows ? env.LOCALAPPDATA : isMac ? undefined : env.XDG_CACHE_HOME;
  if (given && path.isAbsolute(given)) return below(given);
  let home: string;
  try {
    home = homeFolder();
  } catch {
    return undefined;
  }
  if (!path.isAbsolute(home)) return undefined;
  if (isWindows) return below(path.join(home, 'AppData', 'Local'));
  return below(isMac ? path.join(home, 'Library', 'Caches') : path.join(home, '.cache'));
}
