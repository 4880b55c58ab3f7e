import { readSettings, type Settings, type SettingsOptions } from '../settings/read-settings.js';

/** The settings of a hook that is on. */
export interface HookOptions extends Settings {
  mode: 'read-write' | 'read-only';
  directory: string;
}

/** The settings of this process. @throws {TypeError} for a wrong option */
export function settingsOfProcess(options?: SettingsOptions): Settings {
  const { env, platform, getBuiltinModule } = process;
  return readSettings(
    {
      env,
      platform,
      homeFolder: () => env.HOME || getBuiltinModule('node:os').homedir(),
      readFile: (file) => getBuiltinModule('node:fs').readFileSync(file, 'utf8'),
    },
    options,
  );
}
