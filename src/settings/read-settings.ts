import { withoutSecrets } from '../stores/remote-url.js';
import { wrongOption } from '../wrong-option.js';
import { defaultFolder } from './default-folder.js';
import { parseToggle } from './kinds.js';
import { type Learn, type Mode, type RemoteMode, SETTINGS, type SettingName, type SettingValue } from './settings.js';

/** Settings that were read: checked, and with defaults. */
export interface Settings {
  mode: Mode;
  /** Absolute path of the cache folder, which need not exist; `undefined` when none is named and there is no home folder. */
  directory: string | undefined;
  /** Modules with fewer wire bytes go straight to V8. */
  minModuleSize: number;
  /** Which functions of a module a learner may optimise after the program. */
  learn: Learn;
  /** Bytes that the folder may hold; `undefined` for the default. */
  maxSize: number | undefined;
  /** The first one signs artifacts; all are accepted. */
  secrets: string[] | undefined;
  /** The store behind the folder, which a fleet shares. */
  remote: RemoteSettings | undefined;
  /** Whether artifacts without a signature are taken from a store. */
  allowUnsigned: boolean;
  /** Whether the cache folder keeps counts of what became of each module. */
  statistics: boolean;
  /** Whether modules are restored before the program asks for them. */
  preload: boolean;
  /** Whether Node's own cache for JavaScript is turned on. */
  js: boolean;
  /** The file in which `wasm-cache run` wants the counts of its run, too. */
  runFile: string | undefined;
  /** Why the secrets that somebody gave cannot be used. The mode is `off` then: never without signatures where somebody wants them. */
  secretProblem: string | undefined;
  /** What was wrong with the variables, one sentence each. The default was taken instead. */
  warnings: string[];
}

export interface RemoteSettings {
  /** See `parseRemoteUrl`. It may hold a password. */
  url: string;
  /** Milliseconds that a program waits for it. */
  timeout: number;
  /** Whether artifacts without a signature are taken from it. */
  allowUnsigned: boolean;
  /** Whether modules are fetched from it, and put into it. */
  mode: RemoteMode;
}

/** Where variables and files come from. */
export interface Surroundings {
  env: NodeJS.ProcessEnv;
  platform: NodeJS.Platform;
  homeFolder: () => string;
  readFile: (file: string) => string;
}

/** Values of the settings that are options, not checked yet. */
export type SettingsOptions = { readonly [name in SettingName]?: unknown };

/**
 * Reads the settings: from the options, else from the variables, else the defaults. A wrong variable is a warning.
 *
 * @throws {TypeError} for a wrong option.
 */
export function readSettings(surroundings: Surroundings, options: SettingsOptions = {}): Settings {
  const { env, platform, homeFolder } = surroundings;
  const warnings: string[] = [];

  const fromVariable = <Name extends SettingName>(name: Name): SettingValue<Name> => {
    const { variable, kind, preset, shownPreset, ifWrong } = SETTINGS[name];
    const text = env[variable];
    if (!text) return preset;
    const used = ifWrong === preset ? shownPreset : ifWrong;
    try {
      const value = kind.parse(text);
      if (value !== undefined) return value;
      warnings.push(`${variable}=${text} is not ${kind.expected}; ${used} is used.`);
    } catch (error) {
      warnings.push(`${variable}: ${(error as Error).message}; ${used} is used.`);
    }
    return ifWrong;
  };
  const read = <Name extends SettingName>(name: Name): SettingValue<Name> =>
    options[name] === undefined ? fromVariable(name) : fromOption(name, options[name]);

  let mode = fromVariable('mode');
  if (fromVariable('disable')) mode = 'off';
  // A program cannot turn on what the user turned off.
  const wanted = options.mode === undefined ? mode : fromOption('mode', options.mode);
  if (mode !== 'off') mode = wanted;

  let secrets: string[] | undefined;
  let secretProblem: string | undefined;
  try {
    secrets = options.secret === undefined ? readSecrets(surroundings) : fromOption('secret', options.secret);
  } catch (error) {
    if (options.secret !== undefined) throw error;
    secretProblem = (error as Error).message;
    mode = 'off';
    warnings.push(`${secretProblem}. Modules are not cached.`);
  }

  const learn = read('learn');
  const allowUnsigned = read('allowUnsigned');
  let url = read('remote');
  const remote = { timeout: read('remoteTimeout'), allowUnsigned, mode: read('remoteMode') };
  if (url !== undefined && !secrets && !allowUnsigned) {
    const reason = 'whoever can write to it could run code here';
    if (options.remote !== undefined) {
      throw new TypeError(`The option remote is not safe alone: ${reason}. Give secret, or allowUnsigned: true`);
    }
    const name = `WASM_CACHE_REMOTE=${withoutSecrets(url)}`;
    warnings.push(`${name} is not used: ${reason}. Set WASM_CACHE_SECRET, or WASM_CACHE_ALLOW_UNSIGNED=1.`);
    url = undefined;
  }
  return {
    mode,
    directory: read('directory') ?? defaultFolder(env, platform, homeFolder),
    minModuleSize: read('minModuleSize'),
    // Nobody gains from what a machine learns that is thrown away after the job, and its owner pays for the time.
    learn: learn !== 'auto' ? learn : isCI(env) ? 'off' : 'hot',
    maxSize: read('maxSize'),
    secrets,
    remote: url === undefined ? undefined : { url, ...remote },
    allowUnsigned,
    statistics: read('statistics'),
    preload: read('preload'),
    js: fromVariable('js'),
    runFile: fromVariable('runFile'),
    secretProblem,
    warnings,
  };
}

/** @throws {TypeError} */
function fromOption<Name extends SettingName>(name: Name, given: unknown): SettingValue<Name> {
  const { kind } = SETTINGS[name];
  let value: unknown;
  try {
    value = kind.accept(given);
  } catch (error) {
    throw new TypeError(`The option ${name} is wrong: ${(error as Error).message}`);
  }
  if (value === undefined) throw wrongOption(name, kind.expected, given);
  return value as SettingValue<Name>;
}

/** @throws when there is to be a secret, and is none. */
function readSecrets({ env, readFile }: Surroundings): string[] | undefined {
  const { secret, secretFile } = SETTINGS;
  const text = env[secret.variable];
  const file = env[secretFile.variable];
  if (text === undefined && file === undefined) return undefined;
  if (text !== undefined && file !== undefined) {
    throw new Error(`${secret.variable} and ${secretFile.variable} are both set; unset one of them`);
  }
  const source = file === undefined ? secret.variable : `${secretFile.variable}=${file}`;
  try {
    return secret.kind.parse(text ?? readFile(file as string));
  } catch (error) {
    throw new Error(`${source}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function isCI({ CI }: NodeJS.ProcessEnv): boolean {
  return Boolean(CI) && parseToggle(CI as string) !== false;
}
