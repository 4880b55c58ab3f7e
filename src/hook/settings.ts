import { readBoundedSync } from '../files/file.js';
import { leaveToWorkers, processEnvironment } from '../settings/process-environment.js';
import { type RemoteSettings, readSettings, type Settings, type SettingsOptions } from '../settings/read-settings.js';
import type { Mode } from '../settings/settings.js';

/** The settings of a hook that is on. */
export interface HookOptions extends Settings {
  mode: Exclude<Mode, 'off'>;
  directory: string;
}

/** Artifacts from the store go through the folder, so it must be writable. */
export function usesStore(options: HookOptions): options is HookOptions & { remote: RemoteSettings } {
  return options.remote !== undefined && options.mode === 'read-write';
}

/** In order of strictness. */
const MODES: readonly Mode[] = ['read-write', 'read-only', 'off'];

/**
 * The settings of this process. A worker has those of its process, and can only be stricter, by its own variables.
 *
 * @throws {TypeError} for a wrong option.
 */
export function settingsOfProcess(options?: SettingsOptions): Settings {
  const { env, isOwn, shownWarnings } = processEnvironment();
  const settings = read(env, options);
  if (isOwn) {
    leaveToWorkers(options ? read(env) : settings);
    return settings;
  }
  const own = read(process.env);
  return {
    ...settings,
    mode: MODES[Math.max(MODES.indexOf(settings.mode), MODES.indexOf(own.mode))] as Mode,
    learn: own.learn === 'off' ? 'off' : settings.learn,
    statistics: settings.statistics && own.statistics,
    preload: settings.preload && own.preload,
    warnings: own.warnings.filter((warning) => !shownWarnings.includes(warning)),
  };
}

/** Many secrets, or a file that is none of secrets. */
const MAX_SECRET_FILE_SIZE = 64 * 1024;

function read(env: NodeJS.ProcessEnv, options?: SettingsOptions): Settings {
  const { platform, getBuiltinModule } = process;
  return readSettings(
    {
      env,
      platform,
      homeFolder: () => env.HOME || getBuiltinModule('node:os').homedir(),
      readFile: (file) => Buffer.from(readBoundedSync(file, MAX_SECRET_FILE_SIZE)).toString(),
    },
    options,
  );
}
