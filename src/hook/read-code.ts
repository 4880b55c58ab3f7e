import { CODE_FOLDER, decodeCode, type HookCode } from '../artifact/hook-code.js';
import { isTestedV8 } from '../engine/supported.js';
import { loadAddon } from '../native/addon.js';
import { readTrusted } from '../native/trusted-files.js';
import type { Settings } from '../settings/read-settings.js';

const { permission } = process;

/** Bytes. It has about 200,000. */
const MAX_SIZE = 4 * 2 ** 20;

/**
 * The name of the file in its folder; `undefined` where none is used. Whoever writes it gives code to others, so it is only for cache
 * folders that belong to this user alone, like what is preloaded.
 *
 * @param build - identifies the source: 16 hexadecimal digits
 */
export function nameOfCode(build: string, { directory, secrets }: Settings): string | undefined {
  if (directory === undefined || secrets || permission || !isTestedV8()) return undefined;
  // V8 takes code only for the version and the flags that it was made with.
  const tag = loadAddon().addon?.versionTag();
  return tag === undefined ? undefined : `${build}${tag.toString(16).padStart(16, '0')}.code`;
}

/** `undefined` when there is none, or it cannot be trusted, or it is damaged. */
export function readCode(directory: string, name: string): HookCode | undefined {
  const bytes = readTrusted(directory, [CODE_FOLDER, name], MAX_SIZE);
  return bytes && decodeCode(bytes);
}
