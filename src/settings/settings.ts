import { absolutePath, address, choice, duration, filePath, type Kind, secrets, size, text, toggle } from './kinds.js';

/** @inline */
export type Mode = 'read-write' | 'read-only' | 'off';

/** `hot`: the functions that ran; `full`: all functions. @inline */
export type Learn = 'hot' | 'full' | 'off';

/** @inline */
export type RemoteMode = 'read-write' | 'read-only' | 'write-only';

/** A setting, as the hook, the library, the command line and the documentation know it. */
export interface Setting<T> {
  readonly variable: string;
  readonly kind: Kind<NonNullable<T>>;
  /** The value where the variable is not set, and how it is written. */
  readonly preset: T;
  readonly shownPreset: string;
  /** The value where the variable is wrong. */
  readonly ifWrong: T;
}

/**
 * Every setting, declared once. The keys are the names of the options of `enableModuleCache`, as far as that has one. The comments
 * are the sentences in docs/hook.md.
 */
export const SETTINGS = {
  /** The cache folder. */
  directory: optional('WASM_CACHE_DIR', filePath, "`wasm-module-cache` in the user's cache folder"),

  /** Whether modules are loaded and saved, only loaded, or left to V8. */
  mode: setting('WASM_CACHE_MODE', choice<Mode>('read-write', 'read-only', 'off'), 'read-write'),

  /** Turns the cache off, whatever else is set. An unknown value does so, too: whoever sets a kill switch wants it to work. */
  disable: setting('WASM_CACHE_DISABLE', toggle, false, 'false', true),

  /**
   * What a background process optimises after the program: the functions that ran (`hot`), all functions (`full`) or nothing
   * (`off`). `auto` is `hot`, and `off` where the variable `CI` is set.
   */
  learn: setting('WASM_CACHE_LEARN', choice<Learn | 'auto'>('auto', 'hot', 'full', 'off'), 'auto'),

  /** Smaller modules go to V8: it compiles them in the time that a look-up takes. */
  minModuleSize: setting('WASM_CACHE_MIN_MODULE_SIZE', size(0), 64 * 1024, '64KiB'),

  /** The size of the folder. Above it the least recently used artifacts are removed, until 70 % are left. */
  maxSize: optional('WASM_CACHE_MAX_SIZE', size(1), '1GiB'),

  /**
   * Signs artifacts, for a folder that others may write to. Of several secrets the first one signs, and all are accepted.
   */
  secret: optional('WASM_CACHE_SECRET', secrets, 'no signature'),

  /** A file with the secrets, instead of `WASM_CACHE_SECRET`. */
  secretFile: optional('WASM_CACHE_SECRET_FILE', filePath, 'no file'),

  /** The [store behind the folder](fleet.md), which a fleet shares. It needs a secret. */
  remote: optional('WASM_CACHE_REMOTE', address, 'no store'),

  /** Whether modules are fetched from the store, put into it, or both. */
  remoteMode: setting(
    'WASM_CACHE_REMOTE_MODE',
    choice<RemoteMode>('read-write', 'read-only', 'write-only'),
    'read-write',
  ),

  /** How long a program waits for the store. After it waited in vain once, it goes on without the store. */
  remoteTimeout: setting('WASM_CACHE_REMOTE_TIMEOUT', duration(1, 60_000), 250, '250ms'),

  /** The bearer token for a store at `https://`. */
  remoteToken: optional('WASM_CACHE_REMOTE_TOKEN', text, 'no token'),

  /** Uses the store without a secret. Whoever can write to the store can then run code in your programs. */
  allowUnsigned: setting('WASM_CACHE_ALLOW_UNSIGNED', toggle, false),

  /** Whether the folder keeps [counts](statistics.md) for `wasm-cache report`. */
  statistics: setting('WASM_CACHE_STATISTICS', toggle, true),

  /** Whether a thread restores the modules of a program's last runs before the program asks for them. */
  preload: setting('WASM_CACHE_PRELOAD', toggle, true),

  /** Turns on Node's own compile cache for the program's JavaScript, in a folder beside the cache folder (Node 22.1 and later). */
  js: setting('WASM_CACHE_JS', toggle, false),

  /** Set by `wasm-cache run`, which wants the counts of its run in this file, too. */
  runFile: optional('WASM_CACHE_RUN', absolutePath, 'no file'),
};

export type SettingName = keyof typeof SETTINGS;

/** The type of a setting's value. */
export type SettingValue<Name extends SettingName> = (typeof SETTINGS)[Name]['preset'];

/** The environment variables that give these settings to a process. A setting that is `undefined` is left out. */
export function variablesFor(values: Partial<Record<SettingName, string | undefined>>): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) variables[SETTINGS[name as SettingName].variable] = value;
  }
  return variables;
}

/** The secrets that {@link variablesFor} gave to a process. */
export function secretsIn(env: NodeJS.ProcessEnv): string[] | undefined {
  const given = env[SETTINGS.secret.variable];
  return given ? SETTINGS.secret.kind.parse(given) : undefined;
}

function setting<T extends string | number | boolean>(
  variable: string,
  kind: Kind<T>,
  preset: T,
  shownPreset = String(preset),
  ifWrong = preset,
): Setting<T> {
  return { variable, kind, preset, shownPreset, ifWrong };
}

function optional<T>(variable: string, kind: Kind<T & {}>, shownPreset: string): Setting<T | undefined> {
  return { variable, kind: kind as Kind<NonNullable<T>>, preset: undefined, shownPreset, ifWrong: undefined };
}
