import { parseToggle } from './kinds.js';
import { SETTINGS } from './settings.js';

/** For people: the variable that decided, such as `WASM_CACHE_MODE=off`. `undefined` when none did. Never shows a secret. */
export function sourceOf(name: 'mode' | 'learn' | 'secret', env = process.env): string | undefined {
  const { disable, secret, secretFile } = SETTINGS;
  if (name === 'secret' && env[secret.variable] !== undefined) return secret.variable;
  const isDisabled = Boolean(env[disable.variable]) && parseToggle(env[disable.variable] as string) !== false;
  const decisive = name === 'secret' ? secretFile : name === 'mode' && isDisabled ? disable : SETTINGS[name];
  const value = env[decisive.variable];
  return value ? `${decisive.variable}=${value}` : undefined;
}
